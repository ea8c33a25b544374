package forward

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// A track may have several layers, and a slot forwards one of them. Its target is the layer that the receiver should
// have. The slot goes on with the layer that it has until a keyframe of the target comes, so that the receiver sees one
// unbroken stream. Until the target comes at all, the slot follows what is nearest below it.

const (
	highest = maxLayers - 1
	// seekEvery is the least time between two requests for a keyframe of the target, because each goes to all receivers.
	seekEvery = 2 * time.Second
	// gone is how long nothing was forwarded until another layer may take the place of one that has ended.
	gone = 500 * time.Millisecond
)

// SetTarget says which layer of the track is wanted, by its index. A layer that is not there counts as the highest one.
// It is called again while the target is not reached.
func (s *Slot) SetTarget(index int) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = max(index, 0)
	l := s.layer.Load()
	if s.Kind != signalling.KindVideo || l == nil || !s.ready {
		return
	}
	s.seek(l, now)
}

// seek does what leads from a layer to the target. The caller holds s.mu.
func (s *Slot) seek(from *layer, now time.Time) {
	to := s.track.at(s.target)
	if to == from || from.track.silent.Load() || !to.flows(now) {
		return // a layer that is not sent yet begins with a keyframe
	}
	if r, ok := to.replayable(now, freshKeyframe); ok && (!s.hasNumber || s.pacing.replays(r.bytes)) {
		s.move(from, to, now)
		return
	}
	if !s.out.running {
		s.layer.Store(to) // nothing is lost by it
	}
	if now.Sub(s.sought) >= seekEvery {
		s.sought = now
		to.requestKeyframe(now)
	}
}

// aim sets the layer that is forwarded: the target, or what is sent in its place. The caller holds s.mu.
func (s *Slot) aim() {
	if s.track == nil || s.paused || s.closed {
		s.layer.Store(nil)
		return
	}
	s.layer.Store(s.track.nearest(s.target, time.Now()))
}

// follows reports whether a slot that forwards one layer, nil for none, goes over to another one, which has a keyframe.
// The caller holds s.mu.
func (s *Slot) follows(from, to *layer, now time.Time) bool {
	if from == nil || from.track != to.track {
		return false
	}
	switch target := s.track.at(s.target); {
	case to == target:
		return true
	case to.index > target.index:
		return false
	case !s.out.running, now.Sub(s.sentAt) >= gone:
		return true
	default:
		return to.index > from.index
	}
}

// move goes over to a layer that has a keyframe. What waits of the old one still leaves. The caller holds s.mu.
func (s *Slot) move(from, to *layer, now time.Time) {
	r, ok := to.replayable(now, oldestKeyframe)
	if !ok || to.track.silent.Load() {
		return
	}
	elapsed := s.between(from, to, r.frames[len(r.frames)-1], now)
	s.out.end()
	s.layer.Store(to)
	s.replayed = 0
	s.starved.Store(false)
	s.wishes.granted()
	s.play(to, r, elapsed, now)
}

// lead is how much a change of layers may put the receiver's clock forward beyond the time that has passed. It bounds
// what a sender can do with its reports.
const lead = 250 * time.Millisecond

// between returns the time between the last picture that was sent, of one layer, and a picture of another layer. The
// layers' clocks tell it, because a picture's packets come in all layers one after the other. Without them it is the
// time that has passed. It is at least a tick, so that the receiver never sees two pictures of one time.
func (s *Slot) between(from, to *layer, timestamp uint32, now time.Time) time.Duration {
	elapsed := s.elapsed(now)
	old, ok1 := from.timestampAt(now)
	next, ok2 := to.timestampAt(now)
	if !s.out.running || !ok1 || !ok2 {
		return elapsed
	}
	ticks := int32(old + s.out.timestamp - (next - timestamp) - s.out.lastStamp)
	d := time.Duration(ticks) * time.Second / time.Duration(s.out.clockRate)
	return min(max(d, 0), elapsed+lead)
}

// at returns the layer with an index, or else the highest one.
func (t *Track) at(index int) *layer {
	layers := *t.layers.Load()
	if !t.ordered.Load() {
		return layers[0]
	}
	return layers[min(index, len(layers)-1)]
}

// nearest returns the layer that serves best in place of the one with an index: the highest one at or below it that
// flows, or else the lowest one that does.
func (t *Track) nearest(index int, now time.Time) *layer {
	layers := *t.layers.Load()
	if len(layers) == 1 || !t.ordered.Load() {
		return layers[0]
	}
	index = min(index, len(layers)-1)
	for i := index; i >= 0; i-- {
		if layers[i].flows(now) {
			return layers[i]
		}
	}
	for _, l := range layers[index+1:] {
		if l.flows(now) {
			return l
		}
	}
	return layers[index]
}
