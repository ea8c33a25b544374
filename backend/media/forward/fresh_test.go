package forward

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// TestAFreshSlotHasNothingOfBefore checks that a slot which may have only what comes is given nothing from a cache: no
// picture before the next keyframe, which is asked for, and no sound before the word that it begins with.
func TestAFreshSlotHasNothingOfBefore(t *testing.T) {
	r := newRig(t, 0)
	r.now = r.now.Add(-time.Second)
	r.connect()
	v := mediatest.VideoSender{SSRC: 7}
	r.receive(v.Frame(true, 2)...)
	r.receive(v.Frame(false, 2)...)
	asked := r.upstream.keyframes
	r.now = r.now.Add(time.Second)
	w := new(fakeWriter)
	s := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
	s.Bind(Numbers{SSRC: 1, PayloadType: codec.VideoPayloadType})
	s.SetWriter(w)
	s.SetFresh()
	s.Open()
	r.video.AddReceiver(s)
	s.Assign(r.video)
	r.receive(v.Frame(false, 2)...)
	if len(w.packets) > 0 || r.upstream.keyframes != asked+1 {
		t.Fatalf("%d packets, %d keyframes asked for", len(w.packets), r.upstream.keyframes-asked)
	}
	key := v.Frame(true, 2)
	r.receive(key...)
	r.receive(v.Frame(false, 1)...)
	if n := len(w.packets); n != 3 {
		t.Errorf("%d packets from the keyframe on", n)
	}

	e := newEar(t)
	e.slot.SetFresh()
	e.say(quiet, 5)
	first := e.next(loud)
	want := first.payload[0]
	e.receive(first)
	e.say(quiet, 3)
	e.say(loud, 1)
	if said := e.heard(t); len(said) != 4 || said[0] != want || !slices.IsSorted(said[1:]) {
		t.Errorf("heard %v, of a word that begins at %d", said, want)
	}
}
