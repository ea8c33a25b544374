// Package reception counts what has arrived of a stream, for receiver reports. It does no I/O and takes the time as an
// argument.
package reception

import (
	"time"

	"github.com/pion/rtcp"
)

// Reception keeps the figures of one stream that go into a receiver report (RFC 3550 section 6.4.1, appendices A.1,
// A.3 and A.8). It is not safe for concurrent use.
type Reception struct {
	ClockRate uint32 // of the timestamps; set before the first packet

	begun         bool
	base          int64 // extended sequence number of the first packet
	highest       int64
	received      int64
	expectedPrior int64
	receivedPrior int64

	transit    uint32
	hasTransit bool
	jitter     float64 // in clock ticks

	lastReport uint32 // middle 32 bits of the NTP time of the last sender report
	reportAt   time.Time
}

// Reset begins another stream.
func (r *Reception) Reset() { *r = Reception{ClockRate: r.ClockRate} }

// Packet takes a packet that arrived in its original stream. Retransmissions don't count.
func (r *Reception) Packet(sequence uint16, timestamp uint32, now time.Time) {
	if !r.begun {
		r.begun = true
		r.base = int64(sequence)
		r.highest = r.base
	}
	extended := r.highest + int64(int16(sequence-uint16(r.highest)))
	r.highest = max(r.highest, extended)
	r.received++

	arrival := uint32(uint64(now.UnixMicro()) * uint64(r.ClockRate) / 1_000_000)
	transit := arrival - timestamp
	if r.hasTransit {
		d := float64(int32(transit - r.transit))
		if d < 0 {
			d = -d
		}
		r.jitter += (d - r.jitter) / 16
	}
	r.transit, r.hasTransit = transit, true
}

// SenderReport takes the NTP time of a sender report that has arrived.
func (r *Reception) SenderReport(ntp uint64, now time.Time) {
	r.lastReport, r.reportAt = uint32(ntp>>16), now
}

// Counts returns how many packets were sent, as far as is known, and how many of them have not come.
func (r *Reception) Counts() (sent, lost uint64) {
	if !r.begun {
		return 0, 0
	}
	expected := r.highest - r.base + 1
	return uint64(expected), uint64(max(0, expected-r.received))
}

// NextReport returns the report block for now, without its SSRC, and begins a new interval. ok is false before the first
// packet.
func (r *Reception) NextReport(now time.Time) (b rtcp.ReceptionReport, ok bool) {
	if !r.begun {
		return rtcp.ReceptionReport{}, false
	}
	expected := r.highest - r.base + 1
	interval := expected - r.expectedPrior
	lost := interval - (r.received - r.receivedPrior)
	r.expectedPrior, r.receivedPrior = expected, r.received
	if interval > 0 && lost > 0 {
		b.FractionLost = uint8(min(lost<<8/interval, 255))
	}
	b.TotalLost = uint32(min(max(expected-r.received, 0), 0x7fffff))
	b.LastSequenceNumber = uint32(r.highest)
	b.Jitter = uint32(r.jitter)
	if r.lastReport != 0 {
		b.LastSenderReport = r.lastReport
		b.Delay = uint32(now.Sub(r.reportAt) * 65536 / time.Second)
	}
	return b, true
}
