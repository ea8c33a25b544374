package forward

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
)

// TestAPausedSlotSendsNothing checks that neither packets, nor what a receiver asks for, gets through a pause.
func TestAPausedSlotSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.connect()
		r.now = time.Now()
		v := mediatest.VideoSender{SSRC: 1}
		r.receive(v.Frame(true, 2)...)
		r.slots[0].SetPaused(true)
		before, asked := len(r.writers[0].packets), r.upstream.keyframes
		time.Sleep(minKeyframeDistance)
		r.receive(v.Frame(false, 2)...)
		r.receive(v.Frame(true, 2)...)
		r.slots[0].resend(r.writers[0].sequences())
		r.slots[0].requestKeyframe()
		r.video.WishKeyframe(&r.admitted, time.Now()) // counts for the other one, which is of the same receiver here
		if got := len(r.writers[0].packets); got != before {
			t.Errorf("%d packets in a pause", got-before)
		}
		if _, ok := r.slots[0].senderReport(time.Now()); ok {
			t.Error("a report of what is not sent")
		}
		if got := r.upstream.keyframes; got > asked+1 {
			t.Errorf("%d requests in a pause", got-asked)
		}
		if got := len(r.writers[1].packets); got != 6 {
			t.Errorf("the other receiver got %d packets", got)
		}
	})
}

// TestAPauseEndsWithAKeyframe checks that a slot goes on with the newest keyframe, or asks for one, with unbroken
// numbers.
func TestAPauseEndsWithAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		s, w := r.slots[0], r.writers[0]
		r.connect()
		r.now = time.Now()
		v := mediatest.VideoSender{SSRC: 1}
		r.receive(v.Frame(true, 2)...)
		s.SetPaused(true)
		time.Sleep(time.Second)
		r.now = time.Now()
		r.receive(v.Frame(true, 2)...)
		r.receive(v.Frame(false, 1)...)
		s.SetPaused(false)
		if got := w.sequences(); !slices.Equal(got, []uint16{0, 1, 2, 3, 4}) {
			t.Errorf("a recent keyframe: sent %v", got)
		}
		if r.upstream.keyframes != 0 {
			t.Error("a keyframe was asked for though there is one")
		}
		r.receive(v.Frame(false, 1)...)

		s.SetPaused(true)
		time.Sleep(oldestKeyframe + time.Second)
		r.now = time.Now()
		r.receive(v.Frame(false, 2)...)
		s.SetPaused(false)
		if r.upstream.keyframes != 1 {
			t.Errorf("%d requests for want of a keyframe", r.upstream.keyframes)
		}
		r.receive(v.Frame(false, 2)...)
		if got := len(w.packets); got != 6 {
			t.Errorf("%d packets before the keyframe", got-6)
		}
		r.receive(v.Frame(true, 1)...)
		if got := w.sequences(); !slices.Equal(got, []uint16{0, 1, 2, 3, 4, 5, 6}) {
			t.Errorf("sent %v", got)
		}
		if !vp8.Parse(w.packets[6].Payload).Keyframe || w.packets[6].PayloadType != codec.VideoPayloadType {
			t.Error("it does not go on with a keyframe")
		}
	})
}

// TestLookingAwayAndBackCostsFewKeyframes checks that a receiver who pauses ten times a second for a minute makes the
// sender code little, is sent little from the cache, and sees again when it stops.
func TestLookingAwayAndBackCostsFewKeyframes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2)
		r.connect()
		v := mediatest.VideoSender{SSRC: 1, Size: 1000}
		frame := func() {
			r.now = time.Now()
			key := v.Sequence == 0 || r.upstream.keyframes > 0
			r.upstream.keyframes = 0
			r.receive(v.Frame(key, 1)...)
			r.video.Tick(time.Now())
		}
		keyframes := 0
		for range 600 {
			frame()
			r.slots[0].SetPaused(true)
			r.slots[0].SetPaused(false)
			r.slots[0].requestKeyframe()
			if r.upstream.keyframes > 0 {
				keyframes++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if most := 2 * (20 + wishBurst); keyframes > most {
			t.Errorf("%d keyframes in a minute, at most %d", keyframes, most)
		}
		if got := len(r.writers[0].packets); got > 2*600 {
			t.Errorf("%d packets were sent of 600", got)
		}
		if got := len(r.writers[1].packets); got != 600 {
			t.Errorf("a good receiver got %d packets of 600", got)
		}
		before := len(r.writers[0].packets)
		for range 40 {
			frame()
			time.Sleep(100 * time.Millisecond)
		}
		if len(r.writers[0].packets) == before {
			t.Error("it never sees again")
		}
	})
}

// TestAWishOutlivesAPause checks a receiver that is starved when it looks away: the keyframe that it waits for comes
// while it does not look.
func TestAWishOutlivesAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		s, w := r.slots[0], r.writers[0]
		r.connect()
		r.now = time.Now()
		v := mediatest.VideoSender{SSRC: 1}
		r.receive(v.Frame(true, 1)...)
		for range wishBurst + 1 {
			s.requestKeyframe()
		}
		if !s.starved.Load() {
			t.Fatal("not starved")
		}
		s.SetPaused(true)
		r.receive(v.Frame(true, 1)...)
		time.Sleep(oldestKeyframe + 2*KeyframeWishEvery)
		r.now = time.Now()
		before := len(w.packets)
		s.SetPaused(false)
		if r.upstream.keyframes == 0 {
			t.Error("no keyframe is asked for")
		}
		r.receive(v.Frame(true, 1)...)
		r.receive(v.Frame(false, 1)...)
		if got := len(w.packets); got != before+2 {
			t.Errorf("%d packets after the keyframe", got-before)
		}
	})
}
