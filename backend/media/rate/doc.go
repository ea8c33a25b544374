// Package rate estimates what the line to a receiver carries, and what the line carries over which a host reaches
// several receivers. It has no I/O, no goroutine and no clock: the time is an argument. Nothing is allocated per packet.
//
// An [Estimator] reads the transport-wide congestion control feedback of one receiver
// (draft-holmer-rmcat-transport-wide-cc-extensions-01). It follows the sender side of Google Congestion Control
// (draft-ietf-rmcat-gcc-02, and libwebrtc's trendline estimator, which differs from the draft). An [Uplink] couples the
// estimators whose packets leave over the same line, as RFC 8699 does: one budget first, then a share of it for each. A
// [Pacer] spreads the packets of one receiver over time.
//
// Feedback is hostile input. A receiver that lies can lower its own estimate at will, but raise it to twice of what it
// was sent at most.
package rate
