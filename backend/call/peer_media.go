package call

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/media/forward"
)

// What a peer receives, and the RTCP that it sends.

// takeContained calls takeSecure. A panic ends only this peer, because the
// goroutine also reads for others.
func (p *peer) takeContained(b []byte) (taken bool) {
	if !p.call.engine.panics.Run(func() { taken = p.takeSecure(b) }) {
		p.failed(errPanic)
		return true
	}
	return taken
}

// takeSecure takes an SRTP or SRTCP packet on the goroutine that read it. It
// reports false as long as pion carries the media.
func (p *peer) takeSecure(b []byte) bool {
	d := p.direct.Load()
	if d == nil {
		return false
	}
	if len(b) > 1 && b[1] >= 192 && b[1] < 224 { // RFC 5761 section 4
		if plain, err := d.OpenRTCP(b); err == nil {
			forward.ReadFeedback(plain, p.receiveRTCP)
		}
		return true
	}
	if plain, err := d.OpenRTP(b); err == nil {
		p.in.Receive(plain)
	}
	return true
}

// receiveRTCP takes what an RTCP packet says about ssrc, on the goroutine that
// decrypted it.
func (p *peer) receiveRTCP(ssrc uint32, f forward.Feedback) {
	if !p.member.admitted.Load() {
		return
	}
	now := time.Now()
	p.in.Feedback(ssrc, f, now)
	p.out.Feedback(ssrc, f, now)
}

// measurePath reads the round-trip time of the newest connectivity check. RTCP
// reports tell it only for peers to which we send media.
func (p *peer) measurePath() {
	if s, ok := p.ice().GetSelectedCandidatePairStats(); ok && s.CurrentRoundTripTime > 0 {
		p.out.Took(time.Duration(s.CurrentRoundTripTime * float64(time.Second)))
	}
}

// RequestKeyframe implements [forward.Upstream].
func (p *peer) RequestKeyframe(ssrc uint32) {
	p.sendRTCP(&rtcp.PictureLossIndication{SenderSSRC: forward.ReporterSSRC, MediaSSRC: ssrc})
}

// RequestPackets implements [forward.Upstream].
func (p *peer) RequestPackets(ssrc uint32, sequences []uint16) {
	p.sendRTCP(&rtcp.TransportLayerNack{
		SenderSSRC: forward.ReporterSSRC, MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(sequences),
	})
}

// MendGapsAfter implements [forward.Upstream].
func (p *peer) MendGapsAfter(d time.Duration) {
	if p.mending.CompareAndSwap(false, true) {
		p.mender.Reset(d)
	}
}

// mendGaps runs on the mender's goroutine.
func (p *peer) mendGaps() {
	p.mending.Store(false)
	if !p.call.engine.panics.Run(func() { p.in.MendGaps(time.Now()) }) {
		p.failed(errPanic)
	}
}

// RoundTrip implements [forward.Upstream].
func (p *peer) RoundTrip() time.Duration { return p.out.RoundTrip() }

// sendRTCP sends RTCP. A packet that can't be sent is lost, as on the network.
func (p *peer) sendRTCP(packets ...rtcp.Packet) {
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
	return d.WriteRTCP(b)
}

// sendCongestionFeedback tells the sender which packets have arrived since the last
// time (transport-wide congestion control). The reporter calls it.
func (p *peer) sendCongestionFeedback() {
	p.sendRTCP(p.in.CongestionReport()...)
}

// sendReports sends sender and receiver reports. The reporter calls it.
func (p *peer) sendReports(now time.Time) {
	if p.connected.Load() && !p.out.WasMeasured() {
		p.enqueue(p.measurePath)
	}
	var packets []rtcp.Packet
	if blocks := p.in.ReceptionReports(now); len(blocks) > 0 {
		packets = append(packets, &rtcp.ReceiverReport{SSRC: forward.ReporterSSRC, Reports: blocks})
	}
	for _, sr := range p.out.SenderReports(now) {
		packets = append(packets, sr)
		if len(packets) == maxReports { // keeps the compound packet below the MTU
			p.sendRTCP(packets...)
			packets = packets[:0]
		}
	}
	p.sendRTCP(packets...)
}

const maxReports = 32
