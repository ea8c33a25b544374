package forward

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/media/speaking"
	"github.com/porch-call/porch/backend/signalling"
)

// maxLayers is the largest number of layers of a track. Senders of pictures in several sizes send at most three.
const maxLayers = 3

// Track is one thing that a participant sends, such as sound or a camera's picture. It has one or more layers. It
// arrives by one connection, and by another one after that is lost.
type Track struct {
	owner    string
	Kind     signalling.Kind // never changes
	counters *Counters

	// receivers is replaced as a whole, by the call's goroutine.
	receivers atomic.Pointer[[]*Slot]
	// silent is set while the participant is muted or has the camera off. Then nothing of the track is forwarded,
	// whatever arrives.
	silent atomic.Bool
	floor  Floor // nil for a track that always has it

	assumed atomic.Uint32 // loss in 1/256 that reports to the sender tell at least

	mu       sync.Mutex // guards upstream and the replacement of layers; acquired before a layer's
	upstream Upstream
	layers   atomic.Pointer[[]*layer] // never empty
	ordered  atomic.Bool              // layers are in the order of setLayers; otherwise receivers get the first
}

// Upstream is the way back to a sender. Its methods may be called from any goroutine and don't block.
type Upstream interface {
	RequestKeyframe(ssrc uint32)
	RequestPackets(ssrc uint32, sequences []uint16)
	RoundTrip() time.Duration

	// MendGapsAfter makes the connection call [Inbound.MendGaps] after d, which is at most 10 ms. If a call is due
	// already, it is enough.
	MendGapsAfter(d time.Duration)
}

// Lossless is the part of an [Upstream] that is about loss, for a sender in this process.
type Lossless struct{}

// RequestPackets implements [Upstream].
func (Lossless) RequestPackets(uint32, []uint16) {}

// MendGapsAfter implements [Upstream].
func (Lossless) MendGapsAfter(time.Duration) {}

// RoundTrip implements [Upstream].
func (Lossless) RoundTrip() time.Duration { return 0 }

// Floor says whose sound is forwarded. Calls for one track don't overlap.
type Floor interface {
	// Hear takes the level of a packet in -dBov (RFC 6464), 127 for silence, and reports whether the packet is
	// forwarded. begins reports that the one before it was not.
	Hear(level uint8, now time.Time) (forward, begins bool)
}

// Ask makes the track forward only what f says. It must be called before the first packet.
func (t *Track) Ask(f Floor) { t.floor = f }

// AssumeLoss makes reports tell the sender that at least this share is lost. Encoders of sound then add forward error
// correction, for receivers who lose what has reached us.
func (t *Track) AssumeLoss(share float64) { t.assumed.Store(uint32(255 * min(max(share, 0), 1))) }

// NewTrack returns a track of the participant with id owner. It gets no packets before [Inbound.Connect].
func NewTrack(owner string, kind signalling.Kind, silent bool, counters *Counters) *Track {
	t := &Track{owner: owner, Kind: kind, counters: counters}
	t.silent.Store(silent)
	t.receivers.Store(new([]*Slot))
	t.layers.Store(&[]*layer{newLayer(t, "", 0)})
	return t
}

// setLayers says by RID which layers u may send, the lowest first, before packets tell. Without it, layers are in the
// order of their first packets.
func (t *Track) setLayers(u Upstream, rids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	layers := *t.layers.Load()
	if u != t.upstream || len(layers) != 1 || len(rids) == 0 || layers[0].rid != "" && layers[0].rid != rids[0] {
		return
	}
	next := []*layer{layers[0]}
	layers[0].rid = rids[0]
	for _, rid := range rids[1:min(len(rids), maxLayers)] {
		l := newLayer(t, rid, len(next))
		l.connect(t.upstream)
		next = append(next, l)
	}
	t.layers.Store(&next)
	t.ordered.Store(true)
}

// first returns the first layer, which every track has.
func (t *Track) first() *layer { return (*t.layers.Load())[0] }

// layer returns the layer with this RID and adds it if need be. A first layer without a RID takes this one. It returns
// nil if there are too many layers, or if packets don't come from u: only the current connection may change them.
func (t *Track) layer(u Upstream, rid string) *layer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u != t.upstream {
		return nil
	}
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
	l := newLayer(t, rid, len(layers))
	l.connect(t.upstream)
	next := slices.Concat(layers, []*layer{l})
	t.layers.Store(&next)
	return l
}

// connect makes u the connection that packets come from, with one layer until more are seen. Packets that still
// arrive by the old one are dropped.
func (t *Track) connect(u Upstream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.upstream = u
	t.ordered.Store(false)
	first := t.first()
	first.rid = ""
	t.layers.Store(&[]*layer{first})
	first.connect(u)
}

// SSRC returns the stream of one of the layers. ok is false while there is none.
func (t *Track) SSRC() (ssrc uint32, ok bool) {
	for _, l := range *t.layers.Load() {
		if ssrc, ok = l.streamSSRC(); ok {
			return ssrc, true
		}
	}
	return 0, false
}

// RoundTrip returns the round-trip time to the sender, 0 while it is unknown.
func (t *Track) RoundTrip() time.Duration { return t.first().roundTrip() }

// SetSilent begins or ends silence; see silent. The call's goroutine calls it. It ends the current stretch of all
// receivers, so that they don't take the silence for loss.
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
	now := time.Now()
	for _, l := range layers {
		l.requestKeyframe(now)
	}
}

// WishKeyframe passes on a keyframe request of the receiver whose admission is receiver. It takes no slot's lock,
// because the receiver may be in the middle of a packet.
func (t *Track) WishKeyframe(receiver *atomic.Bool, now time.Time) {
	for _, r := range *t.receivers.Load() {
		if l := r.layer.Load(); r.admitted == receiver && l != nil && l.track == t {
			r.wishKeyframe(l, now)
		}
	}
}

// PrepareKeyframe makes sure that a receiver finds a keyframe when it connects. It asks for a new one unless the last
// is younger than 500 ms.
func (t *Track) PrepareKeyframe(now time.Time) {
	layers := *t.layers.Load()
	for _, l := range layers {
		if len(layers) == 1 || l.flows(now) {
			l.prepareKeyframe(now)
		}
	}
}

// Tick repeats requests that were not answered. The call's reporter calls it.
func (t *Track) Tick(now time.Time) {
	for _, l := range *t.layers.Load() {
		l.tick(now)
	}
}

// JudgeLoudness judges whether the participant speaks. The call's reporter calls it every speakingInterval (package
// call).
func (t *Track) JudgeLoudness() (sp speaking.Speaker, active bool) { return t.first().judgeLoudness() }

// AddReceiver makes r get the track's packets while r is assigned to the track. The call's goroutine calls it.
func (t *Track) AddReceiver(r *Slot) {
	old := *t.receivers.Load()
	list := make([]*Slot, 0, len(old)+1)
	list = append(append(list, old...), r)
	t.receivers.Store(&list)
}

// RemoveReceiver undoes AddReceiver. The call's goroutine calls it.
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
