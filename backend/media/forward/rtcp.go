package forward

import "github.com/pion/rtcp"

// Bounds of RTCP that arrives. A browser's compound has a few packets and at most 1,200 bytes.
const (
	maxRTCP    = 1500 // bytes of a compound
	maxPackets = 32   // of a compound
	maxNACK    = 256  // lost packets of one NACK
	maxTargets = 32   // SSRCs that one packet may concern (report blocks are at most 31)
)

// Feedback is what an RTCP packet says about one SSRC.
type Feedback struct {
	senderReport bool // the packet is a sender report of the SSRC
	ntp          uint64
	timestamp    uint32

	reported bool // the packet has a report block about the SSRC
	block    rtcp.ReceptionReport

	lost     []uint16 // NACK
	keyframe bool     // PLI or FIR
	estimate uint64   // REMB, bit/s; 0 for none

	transport []byte // the packet, if it is transport-wide congestion control feedback; shares the buffer
}

// ReadFeedback reads a compound RTCP packet, and calls take for each SSRC that one of its packets concerns, with 0 for
// what concerns all that is sent. It leaves out packets that are malformed or of no interest, and all that follows a
// packet without a valid header. It decodes only packets whose decoded size is bounded by their own.
func ReadFeedback(b []byte, take func(ssrc uint32, f Feedback)) {
	if len(b) > maxRTCP {
		return
	}
	for range maxPackets {
		var h rtcp.Header
		if h.Unmarshal(b) != nil {
			return
		}
		n := 4 * (int(h.Length) + 1)
		if n > len(b) {
			return
		}
		switch packet := b[:n]; h.Type {
		case rtcp.TypeSenderReport:
			var r rtcp.SenderReport
			if r.Unmarshal(packet) == nil {
				take(r.SSRC, Feedback{senderReport: true, ntp: r.NTPTime, timestamp: r.RTPTime})
				takeBlocks(r.Reports, take)
			}
		case rtcp.TypeReceiverReport:
			var r rtcp.ReceiverReport
			if r.Unmarshal(packet) == nil {
				takeBlocks(r.Reports, take)
			}
		case rtcp.TypeTransportSpecificFeedback:
			var nack rtcp.TransportLayerNack
			switch {
			case h.Count == rtcp.FormatTCC:
				take(0, Feedback{transport: packet})
			case h.Count == rtcp.FormatTLN && nack.Unmarshal(packet) == nil:
				take(nack.MediaSSRC, Feedback{lost: lostPackets(nack.Nacks)})
			}
		case rtcp.TypePayloadSpecificFeedback:
			readPayloadFeedback(h.Count, packet, take)
		}
		b = b[n:]
	}
}

// readPayloadFeedback reads a payload-specific packet (RFC 4585 section 6.3) of the given format.
func readPayloadFeedback(format uint8, b []byte, take func(ssrc uint32, f Feedback)) {
	switch format {
	case rtcp.FormatPLI:
		var pli rtcp.PictureLossIndication
		if pli.Unmarshal(b) == nil {
			take(pli.MediaSSRC, Feedback{keyframe: true})
		}
	case rtcp.FormatFIR:
		var fir rtcp.FullIntraRequest
		if fir.Unmarshal(b) == nil {
			for _, entry := range fir.FIR[:min(len(fir.FIR), maxTargets)] {
				take(entry.SSRC, Feedback{keyframe: true})
			}
		}
	case rtcp.FormatREMB:
		var remb rtcp.ReceiverEstimatedMaximumBitrate
		if remb.Unmarshal(b) == nil && b[17]&3|b[18]|b[19] != 0 { // Pion reads a mantissa of 0 as 2^23
			take(0, Feedback{estimate: uint64(min(remb.Bitrate, maxEstimate))})
		}
	}
}

// maxEstimate is the largest estimate, in bit/s. REMB has room for 2^81.
const maxEstimate = 1 << 62

func takeBlocks(blocks []rtcp.ReceptionReport, take func(ssrc uint32, f Feedback)) {
	for _, b := range blocks {
		take(b.SSRC, Feedback{reported: true, block: b})
	}
}

// lostPackets returns the sequence numbers of a NACK, at most maxNACK.
func lostPackets(pairs []rtcp.NackPair) []uint16 {
	lost := make([]uint16, 0, min(17*len(pairs), maxNACK))
	for _, pair := range pairs {
		pair.Range(func(sequence uint16) bool {
			if len(lost) < cap(lost) {
				lost = append(lost, sequence)
			}
			return len(lost) < cap(lost)
		})
	}
	return lost
}
