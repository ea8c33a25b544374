package forward

import "sync/atomic"

// Counts are the totals of a forwarder.
type Counts struct {
	ReceivedPackets  uint64 `json:"receivedPackets"`  // RTP packets that were decrypted
	ReceivedBytes    uint64 `json:"receivedBytes"`    // of their payload
	ForwardedPackets uint64 `json:"forwardedPackets"` // RTP packets that were written to receivers
	ForwardedBytes   uint64 `json:"forwardedBytes"`   // of their payload
	Retransmitted    uint64 `json:"retransmitted"`    // packets sent again on NACK
	Malformed        uint64 `json:"malformed"`        // packets that were not RTP, or not of the call's codecs
	UnadmittedMedia  uint64 `json:"unadmittedMedia"`  // packets stopped because their receiver was not admitted
	Padding          uint64 `json:"padding"`          // packets that only fill a sender's rate up, or repeat what had arrived
	KeyframeRequests uint64 `json:"keyframeRequests"` // PLI sent to senders, after merging
	Dropped          uint64 `json:"dropped"`          // video packets that this machine's uplink had no room for
}

// Plus returns the sum of two counts.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		ReceivedPackets:  c.ReceivedPackets + d.ReceivedPackets,
		ReceivedBytes:    c.ReceivedBytes + d.ReceivedBytes,
		ForwardedPackets: c.ForwardedPackets + d.ForwardedPackets,
		ForwardedBytes:   c.ForwardedBytes + d.ForwardedBytes,
		Retransmitted:    c.Retransmitted + d.Retransmitted,
		Malformed:        c.Malformed + d.Malformed,
		UnadmittedMedia:  c.UnadmittedMedia + d.UnadmittedMedia,
		Padding:          c.Padding + d.Padding,
		KeyframeRequests: c.KeyframeRequests + d.KeyframeRequests,
		Dropped:          c.Dropped + d.Dropped,
	}
}

// Counters are the running totals. The packet path writes them.
type Counters struct {
	receivedPackets  atomic.Uint64
	receivedBytes    atomic.Uint64
	forwardedPackets atomic.Uint64
	forwardedBytes   atomic.Uint64
	retransmitted    atomic.Uint64
	malformed        atomic.Uint64
	unadmittedMedia  atomic.Uint64
	padding          atomic.Uint64
	keyframeRequests atomic.Uint64
	Dropped          atomic.Uint64 // counted by the sockets

	// Overrun is set while the system drops what comes, because this machine does not read it in time. Pictures are not
	// repeated then, because that would be more to do, and more to lose.
	Overrun atomic.Bool
}

func (c *Counters) received(n int) {
	c.receivedPackets.Add(1)
	c.receivedBytes.Add(uint64(n))
}

func (c *Counters) forwarded(n int) {
	c.forwardedPackets.Add(1)
	c.forwardedBytes.Add(uint64(n))
}

// Counts returns what has been counted so far.
func (c *Counters) Counts() Counts {
	return Counts{
		ReceivedPackets:  c.receivedPackets.Load(),
		ReceivedBytes:    c.receivedBytes.Load(),
		ForwardedPackets: c.forwardedPackets.Load(),
		ForwardedBytes:   c.forwardedBytes.Load(),
		Retransmitted:    c.retransmitted.Load(),
		Malformed:        c.malformed.Load(),
		UnadmittedMedia:  c.unadmittedMedia.Load(),
		Padding:          c.padding.Load(),
		KeyframeRequests: c.keyframeRequests.Load(),
		Dropped:          c.Dropped.Load(),
	}
}
