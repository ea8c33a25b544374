package limit

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

func TestBuckets(t *testing.T) {
	b := NewBuckets(PerSecond(2, 3), maxBuckets, household.Wide)
	now := time.Unix(1000, 0)
	one, two := household.Of(netip.MustParseAddr("10.0.0.1")), household.Of(netip.MustParseAddr("10.0.0.2"))
	for i, want := range []bool{true, true, true, false, false} {
		if b.Allow(one, now) != want {
			t.Errorf("request %d", i)
		}
	}
	if !b.Allow(two, now) {
		t.Error("one address spends another's tokens")
	}
	if !b.Allow(one, now.Add(500*time.Millisecond)) || b.Allow(one, now.Add(500*time.Millisecond)) {
		t.Error("not one token in half a second")
	}
}

// maxBuckets is fewer than the addresses from which TestBucketsAreBounded floods.
const maxBuckets = 8192

func TestBucketsAreBounded(t *testing.T) {
	b := NewBuckets(PerSecond(1, 2), maxBuckets, household.Wide)
	now := time.Unix(1000, 0)
	address := func(i int) netip.Prefix {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i))
		return household.Of(netip.AddrFrom4(a))
	}
	allowed := 0
	for i := range 3 * maxBuckets {
		if b.Allow(address(i), now) {
			allowed++
		}
	}
	if len(b.of) > maxBuckets {
		t.Errorf("%d buckets", len(b.of))
	}
	if allowed > maxBuckets+2 {
		t.Errorf("%d of %d strangers came through", allowed, 3*maxBuckets)
	}
	// Addresses that spent their tokens are remembered while it matters.
	b.Allow(address(0), now)
	b.Allow(address(3*maxBuckets), now.Add(time.Millisecond))
	if b.Allow(address(0), now.Add(time.Millisecond)) {
		t.Error("an address got new tokens by being forgotten")
	}
	later := now.Add(time.Minute)
	for i := range maxBuckets {
		if !b.Allow(address(4*maxBuckets+i), later) {
			t.Fatal("no room later")
		}
	}
}

func TestCounts(t *testing.T) {
	c := NewPerAddress(3, 2, nil)
	one, two := household.Of(netip.MustParseAddr("10.0.0.1")), household.Of(netip.MustParseAddr("10.0.0.2"))
	for i, tc := range []struct {
		p    netip.Prefix
		want bool
	}{{one, true}, {one, true}, {one, false}, {two, true}, {two, false}} {
		if c.Take(tc.p) != tc.want {
			t.Errorf("step %d", i)
		}
	}
	c.Release(one)
	if !c.Take(two) {
		t.Error("no place after one was given back")
	}
	c.Release(one)
	c.Release(two)
	c.Release(two)
	if c.total != 0 || c.of.Len() != 0 {
		t.Errorf("%d left, %v", c.total, c.of)
	}
}

// TestWideBuckets checks that a /48 has the tokens of two addresses, and as many
// places.
func TestWideBuckets(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBuckets(PerSecond(1, 10), maxBuckets, household.Wide)
	c := NewPerAddress(1000, 10, nil)
	tokens, places := 0, 0
	for i := range 100 {
		p := household.Of(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, byte(i), 15: 1}))
		if b.Allow(p, now) {
			tokens++
		}
		if c.Take(p) {
			places++
		}
	}
	if tokens != 10*household.WideFactor || places != 10*household.WideFactor {
		t.Errorf("%d tokens and %d places for one /48", tokens, places)
	}
}

func TestPace(t *testing.T) {
	r := Rate{Burst: 3, Every: time.Second}
	now := time.Unix(1_800_000_000, 0)
	p := r.Bucket()
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {0, true}, {0, true}, {0, false},
		{999 * time.Millisecond, false}, {time.Millisecond, true}, {0, false},
		{2500 * time.Millisecond, true}, {0, true}, {0, false},
		{500 * time.Millisecond, true}, // the half second before counts
		{time.Hour, true}, {0, true}, {0, true}, {0, false},
		{-time.Hour, false}, // the clock was set back
	} {
		now = now.Add(step.after)
		if got := Take(p, now) == 0; got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestMeter(t *testing.T) {
	m := NewHashed(10, 5)
	now := time.Unix(1_800_000_000, 0)
	address := household.Of(netip.MustParseAddr("127.0.0.1"))
	n := 0
	for range 100 {
		if m.Allow(address, now) {
			n++
		}
	}
	if n != 6 { // the burst, and the one token that is due now
		t.Errorf("%d at once", n)
	}
	if m.Allow(address, now.Add(50*time.Millisecond)) || !m.Allow(address, now.Add(101*time.Millisecond)) {
		t.Error("not one in a tenth of a second")
	}
	if n := 0; m.Allow(address, now.Add(time.Hour)) {
		for m.Allow(address, now.Add(time.Hour)) {
			n++
		}
		if n != 5 {
			t.Errorf("%d more after an hour", n)
		}
	}
}

// TestNoneASecondIsNone: a rate of 0 must not become one without a limit.
func TestNoneASecondIsNone(t *testing.T) {
	now := time.Now()
	b := PerSecond(0, 2).Bucket()
	for n := range 4 {
		if ok := b.AllowN(now.Add(time.Duration(n)*time.Hour), 1); ok != (n < 2) {
			t.Errorf("token %d: %v", n, ok)
		}
	}
}
