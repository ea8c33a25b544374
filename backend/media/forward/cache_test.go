package forward

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/vp8"
)

func TestCacheKeepsTheNewest(t *testing.T) {
	c := newCache(64)
	now := time.Now()
	for i := range 70_000 { // across the wrap
		p := &packet{sequence: uint16(i), payload: []byte{byte(i), byte(i >> 8)}}
		if !c.put(p, now) {
			t.Fatalf("packet %d was refused", i)
		}
		if p.arrival != uint64(i+1) {
			t.Fatalf("packet %d arrived as %d", i, p.arrival)
		}
	}
	for i := 70_000 - 64; i < 70_000; i++ {
		p := c.get(uint16(i))
		if p == nil || p.sequence != uint16(i) || p.payload[0] != byte(i) {
			t.Fatalf("packet %d: %v", i, p)
		}
	}
	for _, i := range []int{70_000, 70_000 - 65, 69_000, 1} {
		if p := c.get(uint16(i)); p != nil {
			t.Errorf("packet %d is there as %d", i, p.sequence)
		}
	}
}

func TestCacheCopies(t *testing.T) {
	c := newCache(64)
	b := []byte{1, 2, 3}
	c.put(&packet{sequence: 9, payload: b}, time.Now())
	b[0] = 99
	if got := c.get(9).payload[0]; got != 1 {
		t.Fatalf("the cache shares the sender's buffer: %d", got)
	}
}

func TestCacheTakesLatePacketsOnce(t *testing.T) {
	c := newCache(64)
	now := time.Now()
	for _, n := range []uint16{100, 103, 101} {
		if !c.put(&packet{sequence: n}, now) {
			t.Fatalf("packet %d was refused", n)
		}
	}
	if c.put(&packet{sequence: 101}, now) {
		t.Fatal("a packet was taken twice")
	}
	if c.get(102) != nil {
		t.Fatal("a lost packet is there")
	}
	if !c.put(&packet{sequence: 50}, now) { // before the first packet, but within the cache's size
		t.Fatal("a late packet was refused")
	}
	if c.put(&packet{sequence: 103 - 64}, now) {
		t.Fatal("a packet older than the cache was taken")
	}
}

func TestCacheBeginsAnewAfterAJump(t *testing.T) {
	c := newCache(64)
	now := time.Now()
	c.put(&packet{sequence: 5, vp8: vp8.Descriptor{Keyframe: true}}, now)
	if !c.put(&packet{sequence: 30_000}, now) {
		t.Fatal("the packet after the jump was refused")
	}
	if c.get(5) != nil {
		t.Error("the past is still there")
	}
	if _, _, ok := c.fromKeyframe(now, time.Hour); ok {
		t.Error("so is its keyframe")
	}
}

// TestCacheForgetsAKeyframeThatIsLeftBehind: the numbers leap by a multiple of the cache's size, so no packet
// overwrites the keyframe's entry.
func TestCacheForgetsAKeyframeThatIsLeftBehind(t *testing.T) {
	c := newCache(64)
	now := time.Now()
	c.put(&packet{sequence: 0, vp8: vp8.Descriptor{Start: true, Keyframe: true}}, now)
	for n := uint16(1); n < 64; n++ {
		c.put(&packet{sequence: n}, now)
		if first, last, ok := c.fromKeyframe(now, time.Hour); !ok || last-first != int64(n) {
			t.Fatalf("after %d: %d to %d, %v", n, first, last, ok)
		}
	}
	c.put(&packet{sequence: 65}, now)
	if _, _, ok := c.fromKeyframe(now, time.Hour); ok {
		t.Error("the keyframe is offered with more than the cache holds behind it")
	}
}

// TestCacheIsNotResetByThePast: a sender of retransmissions chooses their numbers, and must not be able to clear the
// cache.
func TestCacheIsNotResetByThePast(t *testing.T) {
	c := newCache(64)
	now := time.Now()
	for n := range 20_000 {
		c.put(&packet{sequence: uint16(n)}, now)
	}
	for _, n := range []uint16{10_000, 19_000, 1, 53_535} {
		if c.lacks(n) || c.put(&packet{sequence: n}, now) {
			t.Errorf("%d was taken", n)
		}
	}
	if c.get(19_990) == nil {
		t.Error("the cache was emptied")
	}
	c.put(&packet{sequence: 20_001}, now)
	for n, want := range map[uint16]bool{20_000: true, 20_001: false, 20_002: false, 19_999: false} {
		if c.lacks(n) != want {
			t.Errorf("lacks(%d) is not %v", n, want)
		}
	}
}

func TestCacheFindsTheKeyframe(t *testing.T) {
	c := newCache(64)
	at := time.Now()
	put := func(n uint16, keyframe bool) {
		c.put(&packet{sequence: n, vp8: vp8.Descriptor{Start: true, Keyframe: keyframe}}, at)
	}
	if _, _, ok := c.fromKeyframe(at, time.Hour); ok {
		t.Fatal("a keyframe in an empty cache")
	}
	put(65530, true)
	for n := uint16(65531); n != 4; n++ {
		put(n, false)
	}
	first, last, ok := c.fromKeyframe(at, time.Second)
	if !ok || last-first != 9 || c.at(first).sequence != 65530 || c.at(last).sequence != 3 {
		t.Fatalf("%d to %d, %v", first, last, ok)
	}
	if _, _, ok := c.fromKeyframe(at.Add(2*time.Second), time.Second); ok {
		t.Error("an old keyframe is offered")
	}
	put(65531, true) // a retransmission of a packet that is there
	if f, _, _ := c.fromKeyframe(at, time.Second); f != first {
		t.Error("a repeated packet became the keyframe")
	}
	for n := uint16(4); n < 64; n++ {
		put(n, false)
	}
	if _, _, ok := c.fromKeyframe(at, time.Second); ok {
		t.Error("a keyframe is offered whose beginning is overwritten")
	}
}
