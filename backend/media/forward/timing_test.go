package forward

import (
	"testing"
	"time"
)

func TestKeyframeRequestsAreMerged(t *testing.T) {
	var k keyframes
	now := time.Now()
	if !k.want(now) {
		t.Fatal("the first wish waits")
	}
	for range 10 {
		if k.want(now.Add(10 * time.Millisecond)) {
			t.Fatal("a second request at once")
		}
	}
	if !k.due(now.Add(minKeyframeDistance)) {
		t.Fatal("an unanswered request is not repeated")
	}
	k.arrived()
	if k.due(now.Add(time.Hour)) {
		t.Fatal("a request though the keyframe has come")
	}
	if !k.want(now.Add(time.Hour)) {
		t.Fatal("a later wish waits")
	}
}

func TestWishSoonAfterAKeyframeWaits(t *testing.T) {
	var k keyframes
	now := time.Now()
	k.want(now)
	k.arrived()
	if k.want(now.Add(minKeyframeDistance / 2)) {
		t.Fatal("too soon")
	}
	if !k.due(now.Add(minKeyframeDistance)) {
		t.Fatal("forgotten")
	}
}
