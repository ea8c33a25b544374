package forward

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// Cache sizes of the two kinds.
const (
	audioCache = 128 // packets: 2.5 s
	videoCache = 512 // packets: 2 s at 2.5 Mbit/s
)

// Track is one kind of media of one participant, whichever connection it
// comes by. Packets are given to [Inbound.Receive] on the goroutine that decrypted them.
//
// Lock order: a slot's lock before a track's, never the other way round.
type Track struct {
	owner    string
	Kind     signalling.Kind // is never changed
	counters *Counters

	// receivers is swapped by the call's goroutine.
	receivers atomic.Pointer[[]*Slot]
	// silent is set while the owner is muted or has the camera off: then
	// nothing of it is forwarded, whatever arrives.
	silent atomic.Bool

	mu        sync.Mutex
	upstream  Upstream // where packets come from, nil for nowhere
	hasSSRC   bool
	ssrc      uint32
	packetAt  time.Time
	cache     *cache
	gaps      gaps
	reception reception
	keyframes keyframes
	loudness  loudness
	clock     mediaClock
	nacks     []uint16 // scratch
	mender    *time.Timer
	refused   bool // what comes belongs to a picture that is too large
}

// Upstream is the way back to a sender. Its methods may be called from any
// goroutine and don't block.
type Upstream interface {
	RequestKeyframe(ssrc uint32)
	RequestPackets(ssrc uint32, sequences []uint16)
	RoundTrip() time.Duration
}

// NewTrack returns the track of one kind of owner, which nothing feeds yet; see [Inbound.Connect].
func NewTrack(owner string, kind signalling.Kind, silent bool, counters *Counters) *Track {
	s := &Track{owner: owner, Kind: kind, counters: counters}
	s.silent.Store(silent)
	rate, size := uint32(codec.AudioClockRate), audioCache
	if kind == signalling.KindVideo {
		rate, size = codec.VideoClockRate, videoCache
	}
	s.cache = newCache(size)
	s.reception.clockRate, s.clock.clockRate = rate, rate
	s.receivers.Store(new([]*Slot))
	return s
}

// connect makes u the way packets come from. What the old one still delivers is
// dropped.
func (s *Track) connect(u Upstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream = u
	s.hasSSRC = false
	s.keyframes = keyframes{}
}

// receive takes a packet that came from u and forwards it. p and its payload
// may be changed.
func (s *Track) receive(u Upstream, p *packet, repeated bool, now time.Time) {
	restart, ok := s.admit(u, p, repeated, now)
	if !ok {
		return
	}
	receivers := *s.receivers.Load()
	for _, r := range receivers {
		r.forward(s, p, restart, now)
	}
}

// admit does what is done once per packet. restart says that a new stream
// begins; ok that the packet is to be forwarded.
func (s *Track) admit(u Upstream, p *packet, repeated bool, now time.Time) (restart, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return false, false
	}
	if !s.hasSSRC || p.ssrc != s.ssrc {
		if s.hasSSRC && now.Sub(s.packetAt) < minStreamSilence || repeated {
			return false, false // a second stream beside the one that runs
		}
		s.begin(p.ssrc, now)
		restart = true
	}
	s.counters.received(len(p.payload))
	if repeated {
		return false, s.mend(p, now)
	}
	s.packetAt = now
	s.reception.packet(p.sequence, p.timestamp, now)
	s.clock.packet(p.timestamp, now)
	if p.hasLevel && !s.silent.Load() {
		s.loudness.packet(p.level)
	}
	opened, broken := s.gaps.received(p.sequence, now)
	switch {
	case broken:
		restart = true
		s.wantKeyframe(now)
	case s.gaps.fresh > 0:
		s.mendGaps(now)
		if opened && s.gaps.fresh > 0 {
			s.mendSoon()
		}
	}
	if s.silent.Load() {
		return false, false
	}
	switch {
	case p.vp8.tooLarge:
		s.refused = true
		s.counters.malformed.Add(1)
		return false, false
	case s.refused && !p.vp8.Keyframe:
		return false, false
	case s.refused: // for receivers the numbers go on as if nothing had been left out
		s.refused, restart = false, true
	}
	if !s.cache.put(p, now) {
		return false, false
	}
	if p.vp8.Keyframe {
		s.keyframes.arrived()
	}
	return restart, true
}

// mend takes a packet that was sent again, and reports whether it is to be forwarded. It fills a hole or is of no use:
// whoever repeats packets chooses their numbers at will, and none of them counts as new.
func (s *Track) mend(p *packet, now time.Time) bool {
	if s.silent.Load() || s.refused || p.vp8.tooLarge || !s.cache.lacks(p.sequence) {
		return false
	}
	s.gaps.repeated(p.sequence)
	if !s.cache.put(p, now) {
		return false
	}
	if p.vp8.Keyframe {
		s.keyframes.arrived()
	}
	return true
}

// minStreamSilence is how long a stream must be silent before another SSRC may
// take its place on the same connection.
const minStreamSilence = 500 * time.Millisecond

func (s *Track) begin(ssrc uint32, now time.Time) {
	s.hasSSRC, s.ssrc, s.refused = true, ssrc, false
	// A stream begins with a keyframe. Should its beginning be lost, tick asks.
	s.keyframes = keyframes{wanted: true, asked: now}
	s.cache.reset()
	s.gaps.reset()
	s.reception.reset()
	s.clock.reset()
}

// streamSSRC returns the SSRC of the running stream.
func (s *Track) streamSSRC() (ssrc uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ssrc, s.hasSSRC
}

// RoundTrip returns that to the sender, 0 while it is unknown.
func (s *Track) RoundTrip() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream == nil {
		return 0
	}
	return s.upstream.RoundTrip()
}

// SetSilent begins or ends silence; see silent. It is called by the call's
// goroutine. Whatever was forwarded before ends, so that receivers don't take
// the silence for loss.
func (s *Track) SetSilent(silent bool) {
	if s.silent.Load() == silent {
		return
	}
	if silent {
		s.silent.Store(true)
	}
	for _, r := range *s.receivers.Load() {
		r.interrupt()
	}
	if !silent {
		s.mu.Lock()
		s.cache.reset()
		s.mu.Unlock()
		s.silent.Store(false)
		s.requestKeyframe(time.Now())
	}
}

// requestKeyframe asks the sender for a keyframe, unless it has just been asked.
func (s *Track) requestKeyframe(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wantKeyframe(now)
}

// WishKeyframe passes on a wish of the receiver with this admission. A slot's lock need not be free: the receiver may be
// in the middle of one of its packets.
func (s *Track) WishKeyframe(receiver *atomic.Bool, now time.Time) {
	for _, r := range *s.receivers.Load() {
		if r.admitted == receiver {
			r.wishKeyframe(s, now)
		}
	}
}

// requestKeyframeAt asks the sender for a keyframe at a later moment, unless one
// comes before.
func (s *Track) requestKeyframeAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyframes.wantAt(at)
}

// PrepareKeyframe sees to it that a receiver who is ready in a moment finds a
// keyframe: the last one if it is recent, otherwise a new one.
func (s *Track) PrepareKeyframe(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, _, ok := s.cache.fromKeyframe(now, freshKeyframe); !ok {
		s.wantKeyframe(now)
	}
}

// Ages of a keyframe in the cache.
const (
	freshKeyframe  = 500 * time.Millisecond // good for somebody who is not connected yet
	oldestKeyframe = 2 * time.Second        // worth replaying from
)

func (s *Track) wantKeyframe(now time.Time) {
	if s.Kind != signalling.KindVideo || s.silent.Load() {
		return
	}
	if s.upstream == nil || !s.hasSSRC { // the stream begins with one
		return
	}
	if s.keyframes.want(now) {
		s.sendKeyframeRequest()
	}
}

func (s *Track) sendKeyframeRequest() {
	s.counters.keyframeRequests.Add(1)
	s.upstream.RequestKeyframe(s.ssrc)
}

func (s *Track) mendGaps(now time.Time) {
	due, abandoned := s.gaps.due(s.nacks[:0], now, s.upstream.RoundTrip())
	s.nacks = due[:0]
	if len(due) > 0 {
		s.upstream.RequestPackets(s.ssrc, due)
	}
	if abandoned {
		s.wantKeyframe(now)
	}
}

// mendSoon has what is late asked for when it counts as lost, should nothing else
// arrive until then. The lock is held.
func (s *Track) mendSoon() {
	wait := reorder(s.upstream.RoundTrip())
	if s.mender != nil {
		s.mender.Reset(wait)
		return
	}
	s.mender = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.upstream != nil && s.hasSSRC {
			s.mendGaps(time.Now())
		}
	})
}

// Tick repeats requests that were not answered. It is called by the reporter.
func (s *Track) Tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream == nil || !s.hasSSRC {
		return
	}
	s.mendGaps(now)
	if s.Kind == signalling.KindVideo && !s.silent.Load() && s.keyframes.due(now) {
		s.sendKeyframeRequest()
	}
}

// JudgeLoudness is called by the reporter every speakingInterval.
func (s *Track) JudgeLoudness() (sp Speaker, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	active = s.loudness.judge()
	return Speaker{s.owner, s.loudness.average}, active && !s.silent.Load()
}

// report returns the reception report block for u's stream.
func (s *Track) report(u Upstream, now time.Time) (ssrc uint32, b receptionReport, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u || !s.hasSSRC {
		return 0, receptionReport{}, false
	}
	b, ok = s.reception.report(now)
	return s.ssrc, b, ok
}

// senderReport takes a sender report of stream ssrc: its NTP time as received
// and on our clock, and its RTP timestamp.
func (s *Track) senderReport(ssrc uint32, ntp uint64, at time.Time, timestamp uint32, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasSSRC || ssrc != s.ssrc {
		return
	}
	s.reception.senderReport(ntp, now)
	s.clock.report(timestamp, at)
}

// timestampAt returns the stream's RTP timestamp for a moment.
func (s *Track) timestampAt(now time.Time) (timestamp uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.timestampAt(now), s.clock.known
}

// replay describes what fromKeyframe found.
type replay struct {
	first, last int64 // extended sequence numbers in the cache
	arrival     uint64
	frames      []uint32 // timestamps in order
}

// replayable returns the packets from the newest keyframe on, if there is one
// that is not too old.
func (s *Track) replayable(now time.Time) (r replay, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.first, r.last, ok = s.cache.fromKeyframe(now, oldestKeyframe)
	if !ok {
		return replay{}, false
	}
	r.arrival = s.cache.arrival
	for n := r.first; n <= r.last; n++ {
		p := s.cache.at(n)
		if p != nil && (len(r.frames) == 0 || int32(p.timestamp-r.frames[len(r.frames)-1]) > 0) {
			r.frames = append(r.frames, p.timestamp)
		}
	}
	return r, true
}

// copyExtended copies a cached packet to p, with its payload in buffer.
func (s *Track) copyExtended(n int64, p *packet, buffer []byte) (_ []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyPacket(s.cache.at(n), p, buffer)
}

// copySequence copies a cached packet to p, with its payload in buffer.
func (s *Track) copySequence(n uint16, p *packet, buffer []byte) (_ []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyPacket(s.cache.get(n), p, buffer)
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

// AddReceiver and removeReceiver are called by the call's goroutine.
func (s *Track) AddReceiver(r *Slot) {
	old := *s.receivers.Load()
	list := make([]*Slot, 0, len(old)+1)
	list = append(append(list, old...), r)
	s.receivers.Store(&list)
}

func (s *Track) RemoveReceiver(r *Slot) {
	old := *s.receivers.Load()
	list := make([]*Slot, 0, len(old))
	for _, o := range old {
		if o != r {
			list = append(list, o)
		}
	}
	s.receivers.Store(&list)
}
