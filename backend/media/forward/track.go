package forward

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// maxLayers is how many layers a track may have: senders of pictures in several sizes send three at most.
const maxLayers = 3

// Track is one thing that a participant sends: sound, a camera's picture. It has one layer or several, and comes by
// one connection or, after that is lost, by another.
type Track struct {
	owner    string
	Kind     signalling.Kind // is never changed
	counters *Counters

	// receivers is swapped by the call's goroutine.
	receivers atomic.Pointer[[]*Slot]
	// silent is set while the owner is muted or has the camera off: then
	// nothing of it is forwarded, whatever arrives.
	silent atomic.Bool

	mu       sync.Mutex // guards the swapping of layers, and upstream; acquired before a layer's
	upstream Upstream
	layers   atomic.Pointer[[]*layer] // never empty
}

// Upstream is the way back to a sender. Its methods may be called from any
// goroutine and don't block.
type Upstream interface {
	RequestKeyframe(ssrc uint32)
	RequestPackets(ssrc uint32, sequences []uint16)
	RoundTrip() time.Duration
}

// NewTrack returns a track of owner, which nothing feeds yet; see [Inbound.Connect].
func NewTrack(owner string, kind signalling.Kind, silent bool, counters *Counters) *Track {
	t := &Track{owner: owner, Kind: kind, counters: counters}
	t.silent.Store(silent)
	t.receivers.Store(new([]*Slot))
	t.layers.Store(&[]*layer{newLayer(t, "")})
	return t
}

// first returns the layer that there always is.
func (t *Track) first() *layer { return (*t.layers.Load())[0] }

// layer returns the layer with this RID, nil when there are too many. A first layer that has none takes it.
func (t *Track) layer(rid string) *layer {
	t.mu.Lock()
	defer t.mu.Unlock()
	layers := *t.layers.Load()
	for _, l := range layers {
		if l.rid == rid {
			return l
		}
	}
	switch {
	case len(layers) >= maxLayers || t.Kind != signalling.KindVideo:
		return nil
	case rid == "":
		return layers[0]
	}
	if layers[0].rid == "" {
		layers[0].rid = rid
		return layers[0]
	}
	l := newLayer(t, rid)
	l.connect(t.upstream)
	next := append(layers[:len(layers):len(layers)], l)
	t.layers.Store(&next)
	return l
}

// connect makes u the way packets come from, with one layer until more are seen. What the old one still delivers is
// dropped.
func (t *Track) connect(u Upstream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.upstream = u
	first := t.first()
	first.rid = ""
	t.layers.Store(&[]*layer{first})
	first.connect(u)
}

// RoundTrip returns that to the sender, 0 while it is unknown.
func (t *Track) RoundTrip() time.Duration { return t.first().roundTrip() }

// SetSilent begins or ends silence; see silent. It is called by the call's
// goroutine. Whatever was forwarded before ends, so that receivers don't take
// the silence for loss.
func (t *Track) SetSilent(silent bool) {
	if t.silent.Load() == silent {
		return
	}
	if silent {
		t.silent.Store(true)
	}
	for _, r := range *t.receivers.Load() {
		r.interrupt()
	}
	if silent {
		return
	}
	layers := *t.layers.Load()
	for _, l := range layers {
		l.forget()
	}
	t.silent.Store(false)
	for _, l := range layers {
		l.requestKeyframe(time.Now())
	}
}

// WishKeyframe passes on a wish of the receiver with this admission. A slot's lock need not be free: the receiver may be
// in the middle of one of its packets.
func (t *Track) WishKeyframe(receiver *atomic.Bool, now time.Time) {
	for _, r := range *t.receivers.Load() {
		if l := r.layer.Load(); r.admitted == receiver && l != nil && l.track == t {
			r.wishKeyframe(l, now)
		}
	}
}

// PrepareKeyframe sees to it that a receiver who is ready in a moment finds a
// keyframe: the last one if it is recent, otherwise a new one.
func (t *Track) PrepareKeyframe(now time.Time) { t.first().prepareKeyframe(now) }

// Tick repeats requests that were not answered. It is called by the reporter.
func (t *Track) Tick(now time.Time) {
	for _, l := range *t.layers.Load() {
		l.tick(now)
	}
}

// JudgeLoudness is called by the reporter every speakingInterval.
func (t *Track) JudgeLoudness() (sp Speaker, active bool) { return t.first().judgeLoudness() }

// AddReceiver makes r get what the track sends once it is assigned to it. It and RemoveReceiver are called by the call's goroutine.
func (t *Track) AddReceiver(r *Slot) {
	old := *t.receivers.Load()
	list := make([]*Slot, 0, len(old)+1)
	list = append(append(list, old...), r)
	t.receivers.Store(&list)
}

// RemoveReceiver undoes AddReceiver.
func (t *Track) RemoveReceiver(r *Slot) {
	old := *t.receivers.Load()
	list := make([]*Slot, 0, len(old))
	for _, o := range old {
		if o != r {
			list = append(list, o)
		}
	}
	t.receivers.Store(&list)
}
