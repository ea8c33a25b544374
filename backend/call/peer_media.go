package call

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/media/codec"
)

// What a peer receives, and the RTCP that it sends.

// takeContained is takeSecure whose panic ends the peer alone: the goroutine reads
// for others too.
func (p *peer) takeContained(b []byte) (taken bool) {
	if !p.call.engine.panics.Run(func() { taken = p.takeSecure(b) }) {
		p.failed(errPanic)
		return true
	}
	return taken
}

// takeSecure takes an SRTP or SRTCP packet on the goroutine that read it. It
// returns false as long as media goes pion's way.
func (p *peer) takeSecure(b []byte) bool {
	d := p.direct.Load()
	if d == nil {
		return false
	}
	if len(b) > 1 && b[1] >= 192 && b[1] < 224 { // RFC 5761 section 4
		if plain, err := d.openRTCP(b); err == nil {
			p.receiveCompound(plain)
		}
		return true
	}
	if plain, err := d.openRTP(b); err == nil {
		p.receiveRTP(plain)
	}
	return true
}

// receiveCompound takes a compound RTCP packet apart.
func (p *peer) receiveCompound(b []byte) {
	var ssrcs []uint32
	for len(b) >= 8 {
		n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if n > len(b) {
			return
		}
		ssrcs = controlTargets(ssrcs[:0], b[:n])
		for _, ssrc := range ssrcs {
			p.receiveRTCP(ssrc, b[:n])
		}
		b = b[n:]
	}
}

// receiveRTP takes a decrypted RTP packet on the goroutine that decrypted it.
func (p *peer) receiveRTP(b []byte) {
	now := time.Now()
	p.inMu.Lock()
	defer p.inMu.Unlock()
	in := &p.in
	if err := in.parse(b); err != nil {
		p.call.counters.malformed.Add(1)
		return
	}
	m := p.member
	if !m.admitted.Load() {
		return
	}
	if in.hasTransport {
		p.arrivals.record(in.ssrc, in.transport, now.Sub(p.began), now)
	}
	switch in.payloadType {
	case codec.AudioPayloadType:
		m.audio.receive(p, in, false, now)
	case codec.VideoPayloadType:
		in.vp8 = parseVP8(in.payload)
		m.video.receive(p, in, false, now)
	case codec.RetransmissionPayloadType:
		ssrc, ok := m.video.streamSSRC()
		if !ok || !in.unwrapRetransmission(ssrc) {
			return // padding
		}
		in.vp8 = parseVP8(in.payload)
		m.video.receive(p, in, true, now)
	default:
		p.call.counters.malformed.Add(1)
	}
}

// receiveRTCP takes an RTCP packet that concerns ssrc, on the goroutine that
// decrypted it.
func (p *peer) receiveRTCP(ssrc uint32, b []byte) {
	now := time.Now()
	c := parseControl(b, ssrc)
	m := p.member
	if !m.admitted.Load() {
		return
	}
	if c.senderReport {
		m.clockMu.Lock()
		m.clock.report(c.ntp, now)
		at := fromNTP(c.ntp).Add(m.clock.offset)
		m.clockMu.Unlock()
		m.audio.senderReport(ssrc, c.ntp, at, c.timestamp, now)
		m.video.senderReport(ssrc, c.ntp, at, c.timestamp, now)
	}
	if c.estimate != 0 {
		p.estimate.Store(c.estimate)
	}
	if !c.reported && len(c.lost) == 0 && !c.keyframe {
		return
	}
	p.slotsMu.Lock()
	s := p.slots[ssrc]
	p.slotsMu.Unlock()
	if s == nil {
		return
	}
	if c.reported {
		p.measure(c.block, now)
	}
	if len(c.lost) > 0 {
		s.resend(c.lost)
	}
	if c.keyframe {
		s.requestKeyframe()
	}
}

// measure takes the round trip from a report block (RFC 3550 section 6.4.1).
func (p *peer) measure(b block, now time.Time) {
	if b.lastReport == 0 {
		return
	}
	d := time.Duration(uint32(toNTP(now)>>16)-b.lastReport-b.delay) * time.Second / 65536
	p.measured.Store(true)
	p.took(d)
}

// measurePath takes the round trip of the newest connectivity check. Reports tell it
// only of peers that we send media to.
func (p *peer) measurePath() {
	if s, ok := p.ice().GetSelectedCandidatePairStats(); ok && s.CurrentRoundTripTime > 0 {
		p.took(time.Duration(s.CurrentRoundTripTime * float64(time.Second)))
	}
}

// took notes a round trip. Two at the same moment may count as one.
func (p *peer) took(d time.Duration) {
	if d < 0 || d > maxRoundTrip {
		return
	}
	old := p.rtt.Load()
	if old == 0 {
		old = int64(d)
	}
	p.rtt.Store(old + (int64(d)-old)/8)
}

const maxRoundTrip = 5 * time.Second

// requestKeyframe implements [upstream].
func (p *peer) requestKeyframe(ssrc uint32) {
	p.control(&rtcp.PictureLossIndication{SenderSSRC: reporterSSRC, MediaSSRC: ssrc})
}

// requestPackets implements [upstream].
func (p *peer) requestPackets(ssrc uint32, sequences []uint16) {
	p.control(&rtcp.TransportLayerNack{
		SenderSSRC: reporterSSRC, MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(sequences),
	})
}

// roundTrip implements [upstream].
func (p *peer) roundTrip() time.Duration { return time.Duration(p.rtt.Load()) }

// control sends RTCP. What can't be sent is lost, as on the network.
func (p *peer) control(packets ...rtcp.Packet) {
	if !p.connected.Load() || len(packets) == 0 {
		return
	}
	if err := p.writeRTCP(packets); err != nil {
		p.call.engine.logger.Debug("RTCP", "err", err)
	}
}

func (p *peer) writeRTCP(packets []rtcp.Packet) error {
	d := p.direct.Load()
	if d == nil {
		return p.pc.WriteRTCP(packets)
	}
	b, err := rtcp.Marshal(packets)
	if err != nil {
		return err
	}
	return d.writeRTCP(b)
}

// feedback sends what has arrived since the last time (transport-wide
// congestion control). It is called by the reporter.
func (p *peer) feedback() {
	p.control(p.arrivals.report()...)
}

// report sends sender and receiver reports. It is called by the reporter.
func (p *peer) report(now time.Time) {
	if p.connected.Load() && !p.measured.Swap(false) {
		p.do(p.measurePath)
	}
	var packets []rtcp.Packet
	rr := &rtcp.ReceiverReport{SSRC: reporterSSRC}
	for _, s := range []*source{p.member.audio, p.member.video} {
		if ssrc, b, ok := s.report(p, now); ok {
			rr.Reports = append(rr.Reports, rtcp.ReceptionReport{
				SSRC: ssrc, FractionLost: b.fractionLost, TotalLost: b.totalLost,
				LastSequenceNumber: b.highest, Jitter: b.jitter,
				LastSenderReport: b.lastReport, Delay: b.delay,
			})
		}
	}
	if len(rr.Reports) > 0 {
		packets = append(packets, rr)
	}
	p.slotsMu.Lock()
	slots := make([]*slot, 0, len(p.slots))
	for _, s := range p.slots {
		slots = append(slots, s)
	}
	p.slotsMu.Unlock()
	for _, s := range slots {
		if sr, ok := s.senderReport(now); ok {
			packets = append(packets, sr)
		}
		if len(packets) == maxReports { // keeps the compound below the MTU
			p.control(packets...)
			packets = packets[:0]
		}
	}
	p.control(packets...)
}

const maxReports = 32
