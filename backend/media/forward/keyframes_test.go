package forward

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/media/mediatest"
)

// TestOneBadReceiverCostsFewKeyframes: one of three receivers asks for a keyframe five times a second for a minute.
func TestOneBadReceiverCostsFewKeyframes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 3)
		r.connect()
		v := mediatest.VideoSender{SSRC: 1, Size: 1000}
		last := 0
		for n := range 600 {
			r.now = time.Now()
			key := n == 0 || r.upstream.keyframes > last
			last = r.upstream.keyframes
			r.receive(v.Frame(key, 1)...)
			if n%2 == 0 {
				r.slots[0].requestKeyframe()
			}
			r.video.Tick(time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		if got := r.upstream.keyframes; got < 18 || got > 20+wishBurst {
			t.Errorf("%d requests in a minute", got)
		}
		if got := len(r.writers[1].packets); got != 600 {
			t.Errorf("a good receiver got %d packets of 600", got)
		}
		if got := len(r.writers[0].packets); got > 100 {
			t.Errorf("%d packets were sent to who can't show them", got)
		}
	})
}

// TestAStarvedReceiverIsGivenAKeyframe: one receiver asks for too many keyframes, and then stops asking.
func TestAStarvedReceiverIsGivenAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.connect()
		r.now = time.Now()
		v := mediatest.VideoSender{SSRC: 1}
		r.receive(v.Frame(true, 1)...)
		time.Sleep(time.Second) // longer than minKeyframeDistance after the stream began
		for range wishBurst {
			r.slots[0].requestKeyframe()
			r.receive(v.Frame(true, 1)...)
		}
		asked := r.upstream.keyframes
		before := len(r.writers[0].packets)
		r.slots[0].requestKeyframe()
		r.receive(v.Frame(false, 1)...)
		if len(r.writers[0].packets) != before {
			t.Error("something goes to a receiver who can't show it")
		}
		time.Sleep(KeyframeWishEvery)
		r.video.Tick(time.Now())
		if r.upstream.keyframes != asked+1 {
			t.Errorf("%d requests", r.upstream.keyframes-asked)
		}
		r.receive(v.Frame(true, 1)...)
		r.receive(v.Frame(false, 1)...)
		if len(r.writers[0].packets) != before+2 {
			t.Errorf("%d packets after the keyframe", len(r.writers[0].packets)-before)
		}
	})
}
