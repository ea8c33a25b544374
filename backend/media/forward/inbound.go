package forward

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/clocks"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// ReporterSSRC is the sender SSRC of the RTCP packets that we send.
const ReporterSSRC = 1

// Inbound takes a participant's packets from one connection and gives them to the participant's tracks. It reads a
// packet's track and layer from MID and RID, and remembers them by SSRC, because senders leave MID and RID out once
// they know that they were understood. A stream that never carried a MID belongs to the first track of its kind.
type Inbound struct {
	tracks   []*Track
	from     Upstream
	admitted *atomic.Bool
	counters *Counters
	began    time.Time

	mu       sync.Mutex // guards the fields up to arrivals
	mids     []string   // media sections of tracks, in the same order; "" until negotiated, which the first is first
	routes   map[uint32]route
	packet   packet
	payload  []byte // a copy of the packet given to Write, because the packet path changes what it forwards
	arrivals arrivals

	clockMu sync.Mutex
	clock   clocks.Sender // guarded by clockMu
}

// route is where the packets of one SSRC go.
type route struct {
	layer    *layer
	repaired bool // the packets are retransmissions
}

// maxRoutes bounds how many SSRCs of a connection are remembered: two for each layer, and some for senders that start
// over.
const maxRoutes = 32

// NewInbound returns the way in for a participant's tracks. No packet passes before Connect.
func NewInbound(tracks []*Track, from Upstream, admitted *atomic.Bool, c *Counters) *Inbound {
	return &Inbound{
		tracks: tracks, from: from, admitted: admitted, counters: c, began: time.Now(),
		mids: make([]string, len(tracks)), routes: make(map[uint32]route),
	}
}

// SetMids sets the media sections of the tracks, in the order of the tracks.
func (in *Inbound) SetMids(mids ...string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	copy(in.mids, mids)
}

// SetLayers says which layers the track with this index may have, by RID, the lowest first. It is called after Connect.
func (in *Inbound) SetLayers(track int, rids []string) { in.tracks[track].setLayers(in.from, rids) }

// Connect makes the tracks take their packets from this connection. Packets that still arrive by an older one are
// dropped.
func (in *Inbound) Connect() {
	for _, t := range in.tracks {
		t.connect(in.from)
	}
}

// Receive takes a decrypted RTP packet, on the goroutine that decrypted it. It may change b, and does not keep it.
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
	r, ok := in.route(p)
	if !ok {
		in.counters.malformed.Add(1)
		return
	}
	if r.repaired {
		ssrc, ok := r.layer.streamSSRC()
		if !ok || !p.unwrapRetransmission(ssrc) {
			in.counters.padding.Add(1)
			return
		}
	}
	p.mid, p.rid, p.repairedRID = nil, nil, nil // they point into b, which the caller uses again
	if r.layer.track.Kind == signalling.KindVideo {
		p.vp8 = vp8.Parse(p.payload)
	}
	r.layer.receive(in.from, p, r.repaired, now)
}

// route returns where p goes. ok is false for a packet that fits no track or layer.
func (in *Inbound) route(p *packet) (r route, ok bool) {
	kind := signalling.KindVideo
	switch p.payloadType {
	case codec.AudioPayloadType:
		kind = signalling.KindAudio
	case codec.VideoPayloadType, codec.RetransmissionPayloadType:
	default:
		return route{}, false
	}
	repaired := p.payloadType == codec.RetransmissionPayloadType
	if r, ok = in.routes[p.ssrc]; ok {
		return r, r.repaired == repaired && r.layer.track.Kind == kind
	}
	t := in.track(p.mid, kind)
	if t == nil || t.Kind != kind {
		return route{}, false
	}
	rid := p.rid
	if repaired {
		rid = p.repairedRID
	}
	r = route{t.layer(in.from, string(rid)), repaired}
	if r.layer == nil {
		return route{}, false
	}
	if len(in.routes) < maxRoutes {
		in.routes[p.ssrc] = r
	}
	return r, true
}

// track returns the track of a media section. Without a MID, or before there are sections, it returns the first track of
// this kind.
func (in *Inbound) track(mid []byte, kind signalling.Kind) *Track {
	for i, t := range in.tracks {
		if len(mid) > 0 && in.mids[0] != "" {
			if string(mid) == in.mids[i] {
				return t
			}
			continue
		}
		if t.Kind == kind {
			return t
		}
	}
	return nil
}

// Write takes a packet of the track with this index, that this process made. The payload type is ignored, and of the header extensions only
// [codec.AudioLevelID] is read. It neither changes nor keeps pkt.
func (in *Inbound) Write(track int, pkt *rtp.Packet, now time.Time) {
	t := in.tracks[track]
	in.mu.Lock()
	defer in.mu.Unlock()
	in.payload = append(in.payload[:0], pkt.Payload...)
	in.packet = packet{
		ssrc: pkt.SSRC, timestamp: pkt.Timestamp, sequence: pkt.SequenceNumber,
		marker: pkt.Marker, payload: in.payload,
	}
	switch b := pkt.GetExtension(codec.AudioLevelID); {
	case t.Kind == signalling.KindVideo:
		in.packet.vp8 = vp8.Parse(in.payload)
	case len(b) == 1:
		in.packet.extension(codec.AudioLevelID, b)
	}
	t.first().receive(in.from, &in.packet, false, now)
}

// MendGaps asks for packets that are missing by now. See [Upstream.MendGapsAfter].
func (in *Inbound) MendGaps(now time.Time) {
	for l := range in.layers {
		l.mendFresh(in.from, now)
	}
}

// Feedback takes what an RTCP packet says about the sender's stream ssrc.
func (in *Inbound) Feedback(ssrc uint32, f Feedback, now time.Time) {
	if !f.senderReport {
		return
	}
	in.clockMu.Lock()
	in.clock.AddReport(f.ntp, now)
	at := clocks.FromNTP(f.ntp).Add(in.clock.Offset())
	in.clockMu.Unlock()
	for l := range in.layers {
		l.senderReport(ssrc, f.ntp, at, f.timestamp, now)
	}
}

// CongestionReport returns the transport-wide congestion control feedback on all packets since the last report.
func (in *Inbound) CongestionReport() []rtcp.Packet { return in.arrivals.transportFeedback() }

// ReceptionReports returns the report blocks of the streams that arrive.
func (in *Inbound) ReceptionReports(now time.Time) (reports []rtcp.ReceptionReport) {
	for l := range in.layers {
		if b, ok := l.reportBlock(in.from, now); ok {
			reports = append(reports, b)
		}
	}
	return reports
}

// layers yields the layers of all tracks.
func (in *Inbound) layers(yield func(*layer) bool) {
	for _, t := range in.tracks {
		for _, l := range *t.layers.Load() {
			if !yield(l) {
				return
			}
		}
	}
}
