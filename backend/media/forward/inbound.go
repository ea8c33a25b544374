package forward

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// ReporterSSRC is the sender SSRC of our own RTCP.
const ReporterSSRC = 1

// Inbound takes what one connection brings of a participant's media.
type Inbound struct {
	audio, video *Track
	from         Upstream
	admitted     *atomic.Bool
	counters     *Counters
	began        time.Time

	mu       sync.Mutex // guards packet and payload: one packet at a time
	packet   packet
	payload  []byte // a copy of what write was given: the packet path writes into what it forwards
	arrivals arrivals

	clockMu sync.Mutex
	clock   senderClock // guarded by clockMu
}

// NewInbound returns the way in of a participant's tracks. Nothing passes until connect.
func NewInbound(audio, video *Track, from Upstream, admitted *atomic.Bool, c *Counters) *Inbound {
	return &Inbound{audio: audio, video: video, from: from, admitted: admitted, counters: c, began: time.Now()}
}

// Connect makes both tracks take their packets from here. What another way in still delivers is dropped.
func (in *Inbound) Connect() {
	in.audio.connect(in.from)
	in.video.connect(in.from)
}

// Receive takes a decrypted RTP packet on the goroutine that decrypted it. It keeps nothing of b, and may change it.
func (in *Inbound) Receive(b []byte) {
	now := time.Now()
	in.mu.Lock()
	defer in.mu.Unlock()
	p := &in.packet
	if err := p.parse(b); err != nil {
		in.counters.malformed.Add(1)
		return
	}
	if !in.admitted.Load() {
		return
	}
	if p.hasTransport {
		in.arrivals.record(p.ssrc, p.transport, now.Sub(in.began), now)
	}
	switch p.payloadType {
	case codec.AudioPayloadType:
		in.audio.receive(in.from, p, false, now)
	case codec.VideoPayloadType:
		p.vp8 = ParseVP8(p.payload)
		in.video.receive(in.from, p, false, now)
	case codec.RetransmissionPayloadType:
		ssrc, ok := in.video.streamSSRC()
		if !ok || !p.unwrapRetransmission(ssrc) {
			return // padding
		}
		p.vp8 = ParseVP8(p.payload)
		in.video.receive(in.from, p, true, now)
	default:
		in.counters.malformed.Add(1)
	}
}

// Write takes a packet that this process has made. The payload type does not matter; of the header extensions only
// [codec.AudioLevelID] is read. It keeps nothing of pkt, and does not change it.
func (in *Inbound) Write(kind signalling.Kind, pkt *rtp.Packet, now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.payload = append(in.payload[:0], pkt.Payload...)
	in.packet = packet{
		ssrc: pkt.SSRC, timestamp: pkt.Timestamp, sequence: pkt.SequenceNumber,
		marker: pkt.Marker, payload: in.payload,
	}
	if kind == signalling.KindVideo {
		in.packet.vp8 = ParseVP8(in.payload)
		in.video.receive(in.from, &in.packet, false, now)
		return
	}
	if b := pkt.GetExtension(codec.AudioLevelID); len(b) == 1 {
		in.packet.extension(codec.AudioLevelID, b)
	}
	in.audio.receive(in.from, &in.packet, false, now)
}

// Feedback takes what an RTCP packet says about the sender's stream ssrc.
func (in *Inbound) Feedback(ssrc uint32, f Feedback, now time.Time) {
	if !f.senderReport {
		return
	}
	in.clockMu.Lock()
	in.clock.report(f.ntp, now)
	at := fromNTP(f.ntp).Add(in.clock.offset)
	in.clockMu.Unlock()
	in.audio.senderReport(ssrc, f.ntp, at, f.timestamp, now)
	in.video.senderReport(ssrc, f.ntp, at, f.timestamp, now)
}

// CongestionReport returns what has arrived since the last time (transport-wide congestion control).
func (in *Inbound) CongestionReport() []rtcp.Packet { return in.arrivals.report() }

// ReceptionReports returns the report blocks of the streams that come in.
func (in *Inbound) ReceptionReports(now time.Time) (reports []rtcp.ReceptionReport) {
	for _, s := range []*Track{in.audio, in.video} {
		if ssrc, b, ok := s.report(in.from, now); ok {
			reports = append(reports, rtcp.ReceptionReport{
				SSRC: ssrc, FractionLost: b.fractionLost, TotalLost: b.totalLost,
				LastSequenceNumber: b.highest, Jitter: b.jitter,
				LastSenderReport: b.lastReport, Delay: b.delay,
			})
		}
	}
	return reports
}
