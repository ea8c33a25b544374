package household

import (
	"net/netip"
	"testing"
)

func prefix(s string) netip.Prefix { return Of(netip.MustParseAddr(s)) }

func TestWide(t *testing.T) {
	if w, ok := Wide(prefix("2001:db8:1:2::3")); !ok || w.String() != "2001:db8:1::/48" {
		t.Errorf("%v, %v", w, ok)
	}
	for _, p := range []netip.Prefix{prefix("192.0.2.1"), prefix("::ffff:192.0.2.1"), {}} {
		if w, ok := Wide(p); ok {
			t.Errorf("%v is in %v", p, w)
		}
	}
}

// TestKey checks that keys of one /48 share a half and tell nothing else.
func TestKey(t *testing.T) {
	digest := func(text string) string {
		sum := [2]byte{'a', 'a'}
		for i, c := range []byte(text) {
			sum[i%2] = 'a' + (sum[i%2]*7+c)%26
		}
		return string(sum[:]) + "xxxxxxxxxx"
	}
	one, two := Key(prefix("2001:db8:1:2::"), digest), Key(prefix("2001:db8:1:3::"), digest)
	a, ok := WideKey(one)
	b, also := WideKey(two)
	if !ok || !also || a != b || one == two {
		t.Errorf("%s and %s", one, two)
	}
	if _, ok := WideKey("greedy"); ok {
		t.Error("a key of somebody else's making has a half")
	}
}

func TestTally(t *testing.T) {
	tally := ByPrefix()
	n := 0
	for i := range 100 {
		p := Of(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, byte(i / 2), 15: 1}))
		if tally.Room(p, 3) {
			tally.Add(p)
			n++
		}
	}
	if n != 3*WideFactor {
		t.Errorf("%d of one /48", n)
	}
	v4 := prefix("192.0.2.1")
	for range 3 {
		tally.Add(v4)
	}
	if tally.Room(v4, 3) || !tally.Room(prefix("192.0.2.2"), 3) {
		t.Error("IPv4 addresses are not counted one by one")
	}
	for range 3 {
		tally.Drop(v4)
	}
	keys := ByKey()
	keys.Add("")
	if keys.Len() != 0 || !keys.Room("", 1) {
		t.Error("no address is counted")
	}
}

func TestPrefixOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Of(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := Of(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: %v", got)
	}
}
