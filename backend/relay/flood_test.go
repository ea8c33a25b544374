package relay

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

func TestPrefixOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := household.Of(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := household.Of(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: %v", got)
	}
}

func TestBuckets(t *testing.T) {
	b := newBuckets(2, 3)
	now := time.Unix(1000, 0)
	one, two := household.Of(netip.MustParseAddr("10.0.0.1")), household.Of(netip.MustParseAddr("10.0.0.2"))
	for i, want := range []bool{true, true, true, false, false} {
		if b.allow(one, now) != want {
			t.Errorf("request %d", i)
		}
	}
	if !b.allow(two, now) {
		t.Error("one address spends another's tokens")
	}
	if !b.allow(one, now.Add(500*time.Millisecond)) || b.allow(one, now.Add(500*time.Millisecond)) {
		t.Error("not one token in half a second")
	}
}

// TestBucketsAreBounded floods from more addresses than are remembered.
func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1, 2)
	now := time.Unix(1000, 0)
	address := func(i int) netip.Prefix {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i))
		return household.Of(netip.AddrFrom4(a))
	}
	allowed := 0
	for i := range 3 * maxBuckets {
		if b.allow(address(i), now) {
			allowed++
		}
	}
	if len(b.of) > maxBuckets {
		t.Errorf("%d buckets", len(b.of))
	}
	if allowed > maxBuckets+2 {
		t.Errorf("%d of %d strangers came through", allowed, 3*maxBuckets)
	}
	// Those who spent their tokens are remembered while it matters.
	b.allow(address(0), now)
	b.allow(address(3*maxBuckets), now.Add(time.Millisecond))
	if b.allow(address(0), now.Add(time.Millisecond)) {
		t.Error("an address got new tokens by being forgotten")
	}
	later := now.Add(time.Minute)
	for i := range maxBuckets {
		if !b.allow(address(4*maxBuckets+i), later) {
			t.Fatal("no room later")
		}
	}
}

func TestCounts(t *testing.T) {
	c := newCounts(3, 2, func(int) {})
	one, two := household.Of(netip.MustParseAddr("10.0.0.1")), household.Of(netip.MustParseAddr("10.0.0.2"))
	for i, tc := range []struct {
		p    netip.Prefix
		want bool
	}{{one, true}, {one, true}, {one, false}, {two, true}, {two, false}} {
		if c.take(tc.p) != tc.want {
			t.Errorf("step %d", i)
		}
	}
	c.release(one)
	if !c.take(two) {
		t.Error("no place after one was given back")
	}
	c.release(one)
	c.release(two)
	c.release(two)
	if c.total != 0 || c.of.Len() != 0 {
		t.Errorf("%d left, %v", c.total, c.of)
	}
}

func TestBudget(t *testing.T) {
	limit := 1000
	b := &budget{limit: func() int { return limit }, fill: time.Second}
	now := time.Unix(1000, 0)
	burst := fromGuestHeld * (limit + overhead) * 3 / 4
	if !b.allow(burst-1, now) || b.allow(100, now) {
		t.Errorf("not %d bytes at once", burst)
	}
	if !b.allow(burst/2-100, now.Add(500*time.Millisecond)) || b.allow(burst/2, now.Add(500*time.Millisecond)) {
		t.Error("not half as many in half the time")
	}
	limit = 100_000
	if !b.allow(limit, now.Add(500*time.Millisecond)) {
		t.Error("a higher limit does not count")
	}
}
