package forward

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/media/clocks"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/gaps"
	"github.com/porch-call/porch/backend/media/reception"
	"github.com/porch-call/porch/backend/media/speaking"
	"github.com/porch-call/porch/backend/signalling"
)

// Sizes of the packet cache, by kind.
const (
	audioCache = 128 // packets: 2.5 s
	videoCache = 512 // packets: 2 s at 2.5 Mbit/s
)

// Sound is sent before everything else, so a flood of it would delay the pictures and the connectivity checks of all
// receivers. The limit is what Opus sends at most: 510 kbit/s (RFC 7587 section 3.1.1) in packets of 10 ms.
const (
	soundBytes = 96 << 10 // per second, and as a burst
	soundCost  = 256      // bytes that a packet counts for in addition to its payload
)

// soundPatience is how late sound may be and still be of use. Receivers hold sound back for as long as some of it is
// late, up to about this.
const soundPatience = 250 * time.Millisecond

// layer is one stream of a track, with an SSRC of its own: sound, or a picture in one size and rate. Inbound calls
// receive on the goroutine that decrypted the packet.
//
// Lock order: Slot.mu before layer.mu, never the other way round.
type layer struct {
	track *Track
	rid   string // RFC 8852, "" where a track has one layer
	index int    // in the track; never changes

	mu        sync.Mutex
	upstream  Upstream // the connection that packets come from, nil for none
	hasSSRC   bool
	ssrc      uint32
	packetAt  time.Time
	cache     *cache
	gaps      gaps.Gaps
	reception reception.Reception
	keyframes keyframes
	loudness  speaking.Loudness
	clock     clocks.Media
	nacks     []uint16 // scratch space of mendGaps
	flow      flow
	refused   bool          // packets are dropped until the next keyframe, because the last one was too large
	heard     bool          // the track had the floor at the newest packet
	said      int64         // extended number in the cache of the newest packet that had it, 0 for none
	restart   bool          // receivers were not told that a new stream has begun
	pace      *rate.Limiter // of sound, in bytes; nil for pictures
}

func newLayer(t *Track, rid string, index int) *layer {
	l := &layer{track: t, rid: rid, index: index}
	clockRate, size := uint32(codec.AudioClockRate), audioCache
	if t.Kind == signalling.KindVideo {
		clockRate, size = codec.VideoClockRate, videoCache
	} else {
		l.pace = rate.NewLimiter(soundBytes, soundBytes)
		l.gaps.Patience = soundPatience
	}
	l.cache = newCache(size)
	l.reception.ClockRate, l.clock.Rate = clockRate, clockRate
	return l
}

// connect makes u the connection that packets come from. Packets that still arrive by the old one are dropped.
func (l *layer) connect(u Upstream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.upstream = u
	l.hasSSRC = false
	l.keyframes = keyframes{}
}

// receive takes a packet that came from u and forwards it. It may change p and its payload.
func (l *layer) receive(u Upstream, p *packet, repeated bool, now time.Time) {
	restart, ok := l.admit(u, p, repeated, now)
	if !ok {
		return
	}
	receivers := *l.track.receivers.Load()
	for _, r := range receivers {
		r.forward(l, p, restart, now)
	}
}

// admit does the work that is done once for each packet. restart reports that a new stream begins, and ok that the
// packet is to be forwarded.
func (l *layer) admit(u Upstream, p *packet, repeated bool, now time.Time) (restart, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream != u {
		return false, false
	}
	if !l.hasSSRC || p.ssrc != l.ssrc {
		if l.hasSSRC && now.Sub(l.packetAt) < minStreamSilence || repeated {
			return false, false // a second stream beside the one that is running
		}
		l.begin(p.ssrc, now)
		restart = true
	}
	l.track.counters.received(len(p.payload))
	if repeated && !l.mend(p, now) { // perhaps a repeat that fills a rate up, see [Counts.Padding]
		l.track.counters.padding.Add(1)
		return false, false
	}
	l.flow.bytes += uint64(len(p.payload) + rtpHeader + wireOverhead)
	if repeated {
		return false, true
	}
	l.packetAt = now
	l.flow.thins = l.flow.thins || p.vp8.Temporal > 0
	if p.marker && l.pace == nil { // of a picture's last packet
		l.flow.frames++
	}
	l.reception.Packet(p.sequence, p.timestamp, now)
	l.clock.Packet(p.timestamp, now)
	if p.hasLevel && !l.track.silent.Load() {
		l.loudness.Packet(p.level)
	}
	opened, broken := l.gaps.Received(p.sequence, now)
	switch {
	case broken:
		restart = true
		l.wantKeyframe(now)
	case l.gaps.Fresh() > 0:
		l.mendGaps(now)
		if opened {
			l.mendGapsLater(now)
		}
	}
	l.restart = l.restart || restart
	if l.track.silent.Load() {
		return false, false
	}
	switch {
	case l.pace != nil && !l.pace.AllowN(now, len(p.payload)+soundCost):
		l.track.counters.malformed.Add(1)
		return false, false
	case p.vp8.TooLarge:
		l.refused = true
		l.track.counters.malformed.Add(1)
		return false, false
	case l.refused && !p.vp8.Keyframe:
		return false, false
	case l.refused: // receivers see unbroken numbers, as if no packet had been left out
		l.refused, l.restart = false, true
	}
	if !l.cache.put(p, now) || l.track.floor != nil && !l.hasFloor(p, now) {
		return false, false
	}
	if p.vp8.Keyframe {
		l.keyframes.arrived()
		l.flow.height = int(p.vp8.Height)
	}
	restart, l.restart = l.restart, false
	return restart, true
}

// hasFloor reports whether p is forwarded, which is in the cache. A late packet neither takes nor loses the floor.
func (l *layer) hasFloor(p *packet, now time.Time) bool {
	if p.sequence == uint16(l.cache.newest) {
		level := uint8(unknownLevel)
		if p.hasLevel {
			level = p.level
		}
		l.heard, p.begins = l.track.floor.Hear(level, now)
		if p.begins {
			p.before = l.unsaid(p)
		}
		if l.heard {
			l.said = l.cache.newest
		}
	}
	return l.heard
}

// unknownLevel is for packets whose sender does not tell how loud they are, in -dBov. They count as soft speech.
const unknownLevel = 45

// unsaid returns how many packets before p, the newest, are to be forwarded with it: at most lookback that were not
// forwarded, and that p goes on from without a pause.
func (l *layer) unsaid(p *packet) (before uint16) {
	newer := p.timestamp
	for back := uint16(1); back <= lookback && l.cache.newest-int64(back) != l.said; back++ {
		q := l.cache.get(p.sequence - back)
		switch {
		case q == nil: // lost
		case newer-q.timestamp > longestSound:
			return before
		default:
			before, newer = back, q.timestamp
		}
	}
	return before
}

// longestSound is the longest sound of one packet, in ticks: 60 ms.
const longestSound = codec.AudioClockRate * 60 / 1000

// mend takes a retransmission and reports whether to forward it. Only one that fills a hole is of use. It never
// counts as a new packet, because its sender chooses its number freely.
func (l *layer) mend(p *packet, now time.Time) bool {
	if l.track.silent.Load() || l.refused || p.vp8.TooLarge || !l.cache.lacks(p.sequence) {
		return false
	}
	l.gaps.Repeated(p.sequence)
	if !l.cache.put(p, now) {
		return false
	}
	if p.vp8.Keyframe {
		l.keyframes.arrived()
	}
	return true
}

// minStreamSilence is how long a stream must be silent before another SSRC of the same connection may take its place.
const minStreamSilence = 500 * time.Millisecond

func (l *layer) begin(ssrc uint32, now time.Time) {
	l.hasSSRC, l.ssrc, l.refused, l.said = true, ssrc, false, 0
	l.flow.thins = false
	// A stream begins with a keyframe. If it is lost, tick asks for one.
	l.keyframes = keyframes{wanted: true, asked: now}
	l.cache.reset()
	l.gaps.Reset()
	l.reception.Reset()
	l.clock.Reset()
}

// streamSSRC returns the SSRC of the running stream.
func (l *layer) streamSSRC() (ssrc uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ssrc, l.hasSSRC
}

// roundTrip returns the round-trip time to the sender, 0 while it is unknown.
func (l *layer) roundTrip() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream == nil {
		return 0
	}
	return l.upstream.RoundTrip()
}

// forget empties the cache, so that receivers that join later get nothing from before.
func (l *layer) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.reset()
}

// requestKeyframe asks the sender for a keyframe, unless it was asked within [minKeyframeDistance].
func (l *layer) requestKeyframe(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wantKeyframe(now)
}

// requestKeyframeAt asks the sender for a keyframe at the given time, unless one arrives before.
func (l *layer) requestKeyframeAt(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keyframes.wantAt(at)
}

// prepareKeyframe makes sure that a receiver finds a keyframe when it connects. It asks for a new one unless the last
// is younger than [freshKeyframe].
func (l *layer) prepareKeyframe(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, _, ok := l.cache.fromKeyframe(now, freshKeyframe); !ok {
		l.wantKeyframe(now)
	}
}

// Ages of a keyframe in the cache.
const (
	freshKeyframe  = 500 * time.Millisecond // recent enough for a receiver that is about to connect
	oldestKeyframe = 2 * time.Second        // recent enough to be replayed
)

func (l *layer) wantKeyframe(now time.Time) {
	if l.track.Kind != signalling.KindVideo || l.track.silent.Load() {
		return
	}
	if l.upstream == nil || !l.hasSSRC { // a new stream begins with a keyframe anyway
		return
	}
	if l.keyframes.want(now) {
		l.sendKeyframeRequest()
	}
}

// overrun reports that nothing is to be asked for, because what comes is lost in front of us. It is asked for again when
// that is over.
func (l *layer) overrun() bool {
	return l.track.Kind == signalling.KindVideo && l.track.counters.Overrun.Load()
}

func (l *layer) sendKeyframeRequest() {
	if l.overrun() {
		return
	}
	l.track.counters.keyframeRequests.Add(1)
	l.upstream.RequestKeyframe(l.ssrc)
}

func (l *layer) mendGaps(now time.Time) {
	due, abandoned := l.gaps.Due(l.nacks[:0], now, l.upstream.RoundTrip())
	l.nacks = due[:0]
	if len(due) > 0 && !l.overrun() {
		l.upstream.RequestPackets(l.ssrc, due)
	}
	if abandoned {
		l.wantKeyframe(now)
	}
}

// mendGapsLater makes the connection call [Inbound.MendGaps] once the missing packets that were not asked for count as
// lost, in case no other packet arrives until then. The caller holds l.mu.
func (l *layer) mendGapsLater(now time.Time) {
	if wait, ok := l.gaps.Wait(now, l.upstream.RoundTrip()); ok {
		l.upstream.MendGapsAfter(wait)
	}
}

// mendFresh asks for the packets that u should have brought, that were not asked for, and that count as lost.
func (l *layer) mendFresh(u Upstream, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream != u || !l.hasSSRC || l.gaps.Fresh() == 0 {
		return
	}
	l.mendGaps(now)
	l.mendGapsLater(now)
}

// flows reports whether packets arrive.
func (l *layer) flows(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flowing(now)
}

func (l *layer) flowing(now time.Time) bool { return l.hasSSRC && now.Sub(l.packetAt) < flowEnd }

// tick repeats requests that were not answered. The call's reporter calls it.
func (l *layer) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream == nil || !l.hasSSRC {
		return
	}
	if len(*l.track.layers.Load()) > 1 && !l.flowing(now) { // a request for one layer makes senders code all of them anew
		return
	}
	l.mendGaps(now)
	if l.track.Kind == signalling.KindVideo && !l.track.silent.Load() && l.keyframes.due(now) {
		l.sendKeyframeRequest()
	}
}

// judgeLoudness is called by the call's reporter every speakingInterval (package call).
func (l *layer) judgeLoudness() (sp speaking.Speaker, active bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	active = l.loudness.Judge()
	return speaking.Speaker{ID: l.track.owner, Average: l.loudness.Average()}, active && !l.track.silent.Load()
}

// reportBlock returns the reception report block for u's stream.
func (l *layer) reportBlock(u Upstream, now time.Time) (b rtcp.ReceptionReport, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.upstream != u || !l.hasSSRC {
		return rtcp.ReceptionReport{}, false
	}
	b, ok = l.reception.NextReport(now)
	b.SSRC = l.ssrc
	b.FractionLost = max(b.FractionLost, uint8(l.track.assumed.Load()))
	return b, ok
}

// senderReport takes a sender report about stream ssrc: its NTP time as received, the same time on our clock, and its
// RTP timestamp.
func (l *layer) senderReport(ssrc uint32, ntp uint64, at time.Time, timestamp uint32, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.hasSSRC || ssrc != l.ssrc {
		return
	}
	l.reception.SenderReport(ntp, now)
	l.clock.AddReport(timestamp, at)
}

// timestampAt returns the stream's RTP timestamp at now.
func (l *layer) timestampAt(now time.Time) (timestamp uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.TimestampAt(now), l.clock.Known()
}

// replay describes the packets that fromKeyframe found.
type replay struct {
	first, last int64 // extended sequence numbers in the cache
	arrival     uint64
	frames      []uint32 // RTP timestamps of the frames, in order
	bytes       int      // of the payloads
}

// replayable returns the packets from the newest keyframe on. ok is false if it is older than age.
func (l *layer) replayable(now time.Time, age time.Duration) (r replay, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.first, r.last, ok = l.cache.fromKeyframe(now, age)
	if !ok {
		return replay{}, false
	}
	r.arrival = l.cache.arrival
	for n := r.first; n <= r.last; n++ {
		p := l.cache.at(n)
		if p == nil {
			continue
		}
		r.bytes += len(p.payload)
		if len(r.frames) == 0 || int32(p.timestamp-r.frames[len(r.frames)-1]) > 0 {
			r.frames = append(r.frames, p.timestamp)
		}
	}
	return r, true
}

// copyExtended copies a packet from the cache to p, and its payload to buffer.
func (l *layer) copyExtended(n int64, p *packet, buffer []byte) (_ []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return copyPacket(l.cache.at(n), p, buffer)
}

// copySequence copies a packet from the cache to p, and its payload to buffer.
func (l *layer) copySequence(n uint16, p *packet, buffer []byte) (_ []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return copyPacket(l.cache.get(n), p, buffer)
}

func copyPacket(from, to *packet, buffer []byte) ([]byte, bool) {
	if from == nil {
		return buffer, false
	}
	*to = *from
	buffer = append(buffer[:0], from.payload...)
	to.payload = buffer
	return buffer, true
}
