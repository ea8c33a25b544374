package forward

import "encoding/binary"

// RTCP packet types and feedback formats that the forwarder reads.
const (
	rtcpSenderReport   = 200 // RFC 3550
	rtcpReceiverReport = 201
	rtcpFeedback       = 205 // RFC 4585
	rtcpPayload        = 206

	formatNACK = 1
	formatWide = 15 // draft-holmer-rmcat-transport-wide-cc-extensions-01
	formatPLI  = 1
	formatFIR  = 4  // RFC 5104
	formatREMB = 15 // draft-alvestrand-rmcat-remb-03
)

const (
	maxNACK    = 256 // packets that one NACK may ask for
	maxTargets = 32  // SSRCs of one packet, which is read once for each (report blocks are at most 31)
)

// Feedback is what an RTCP packet says about one SSRC.
type Feedback struct {
	senderReport bool // the packet is a sender report of the SSRC
	ntp          uint64
	timestamp    uint32

	reported bool // the packet has a report block about the SSRC
	block    receptionReport

	lost     []uint16 // NACK
	keyframe bool     // PLI or FIR
	estimate uint64   // REMB, bit/s; 0 for none

	transport []byte // the packet, if it is transport-wide congestion control feedback; shares the buffer
}

// EachFeedback splits a compound RTCP packet. It calls take for each packet, once for each SSRC that the packet
// concerns.
func EachFeedback(b []byte, take func(ssrc uint32, packet []byte)) {
	var ssrcs []uint32
	for len(b) >= 8 {
		n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if n > len(b) {
			return
		}
		ssrcs = feedbackTargets(ssrcs[:0], b[:n])
		for _, ssrc := range ssrcs {
			take(ssrc, b[:n])
		}
		b = b[n:]
	}
}

// feedbackTargets appends the SSRCs that one RTCP packet concerns. REMB names its SSRCs in another place, and
// concerns SSRC 0.
func feedbackTargets(dst []uint32, b []byte) []uint32 {
	if len(b) < 8 {
		return dst
	}
	blocks := func(at int) {
		for n := int(b[0] & 0x1f); n > 0 && len(b) >= at+24; n, at = n-1, at+24 {
			dst = append(dst, binary.BigEndian.Uint32(b[at:]))
		}
	}
	switch {
	case b[1] == rtcpSenderReport:
		dst = append(dst, binary.BigEndian.Uint32(b[4:]))
		blocks(28)
	case b[1] == rtcpReceiverReport:
		blocks(8)
	case b[1] == rtcpPayload && b[0]&0x1f == formatFIR:
		for at := 12; len(b) >= at+8 && len(dst) < maxTargets; at += 8 {
			dst = append(dst, binary.BigEndian.Uint32(b[at:]))
		}
	case (b[1] == rtcpFeedback || b[1] == rtcpPayload) && len(b) >= 12:
		dst = append(dst, binary.BigEndian.Uint32(b[8:]))
	}
	return dst
}

// ParseFeedback reads what one RTCP packet (not a compound) says about ssrc. It leaves out whatever is malformed or
// unknown.
func ParseFeedback(b []byte, ssrc uint32) (c Feedback) {
	if len(b) < 8 || b[0]>>6 != 2 {
		return Feedback{}
	}
	if n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1); n > len(b) {
		return Feedback{}
	} else if n >= 8 {
		b = b[:n]
	} else {
		return Feedback{}
	}
	count, body := int(b[0]&0x1f), b[8:]
	switch b[1] {
	case rtcpSenderReport:
		if len(body) < 20 {
			return Feedback{}
		}
		if binary.BigEndian.Uint32(b[4:]) == ssrc {
			c.senderReport = true
			c.ntp = binary.BigEndian.Uint64(body)
			c.timestamp = binary.BigEndian.Uint32(body[8:])
		}
		c.parseBlocks(body[20:], count, ssrc)
	case rtcpReceiverReport:
		c.parseBlocks(body, count, ssrc)
	case rtcpFeedback:
		switch {
		case count == formatWide:
			c.transport = b
		case count == formatNACK && len(body) >= 4 && binary.BigEndian.Uint32(body) == ssrc:
			c.parseNACK(body[4:])
		}
	case rtcpPayload:
		if len(body) < 4 {
			return Feedback{}
		}
		switch count {
		case formatPLI:
			c.keyframe = binary.BigEndian.Uint32(body) == ssrc
		case formatFIR:
			for fci := body[4:]; len(fci) >= 8; fci = fci[8:] {
				c.keyframe = c.keyframe || binary.BigEndian.Uint32(fci) == ssrc
			}
		case formatREMB:
			c.parseEstimate(body[4:])
		}
	}
	return c
}

func (c *Feedback) parseBlocks(b []byte, count int, ssrc uint32) {
	for ; count > 0 && len(b) >= 24; count, b = count-1, b[24:] {
		if binary.BigEndian.Uint32(b) != ssrc {
			continue
		}
		c.reported = true
		c.block = receptionReport{
			fractionLost: b[4],
			totalLost:    binary.BigEndian.Uint32(b[4:]) & 0xffffff,
			highest:      binary.BigEndian.Uint32(b[8:]),
			jitter:       binary.BigEndian.Uint32(b[12:]),
			lastReport:   binary.BigEndian.Uint32(b[16:]),
			delay:        binary.BigEndian.Uint32(b[20:]),
		}
	}
}

func (c *Feedback) parseNACK(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		first, mask := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if len(c.lost) > maxNACK-17 {
			return
		}
		c.lost = append(c.lost, first)
		for i := uint16(0); i < 16; i++ {
			if mask&(1<<i) != 0 {
				c.lost = append(c.lost, first+1+i)
			}
		}
	}
}

func (c *Feedback) parseEstimate(b []byte) {
	if len(b) < 8 || string(b[:4]) != "REMB" {
		return
	}
	exponent := b[5] >> 2
	mantissa := uint64(b[5]&0x03)<<16 | uint64(binary.BigEndian.Uint16(b[6:]))
	if exponent > 45 { // 18 + 45 = 63 bits
		return
	}
	c.estimate = mantissa << exponent
}
