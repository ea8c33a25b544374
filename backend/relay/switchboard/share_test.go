package switchboard

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// TestOneAddressTakesNoLink checks that an address gets at most a quarter of a
// link's places and an IPv6 /48 half, that a household of eight always gets in,
// and that at most eight guests of an address have had no word of the host.
func TestOneAddressTakesNoLink(t *testing.T) {
	key := func(address string) string {
		return household.Key(household.Of(netip.MustParseAddr(address)), func(text string) string {
			sum := sha256.Sum256([]byte(text))
			return base64.RawURLEncoding.EncodeToString(sum[:12])
		})
	}
	const places = 96 // the hosts' DefaultQuotas.PerLink
	m := NewMemory(places, Share(places))
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	id := keys.ID()
	var hosts []Frames
	_, err = m.Attach(t.Context(), id, nil, func(f Frames) { hosts = append(hosts, f) })
	if err != nil {
		t.Fatal(err)
	}
	come := func(address string, welcomed bool) bool {
		_, _, err := m.Dial(t.Context(), id, RemoteInfo{Key: key(address)})
		if err != nil {
			if fault.CodeOf(err) != fault.TooFast {
				t.Fatal(err)
			}
			return false
		}
		if welcomed {
			if err := hosts[len(hosts)-1].Send([]byte("welcome")); err != nil {
				t.Fatal(err)
			}
		}
		return true
	}
	many := func(welcomed bool, addresses ...string) (n int) {
		for i := range 200 {
			if come(addresses[i%len(addresses)], welcomed) {
				n++
			}
		}
		return n
	}
	if n := many(false, "192.0.2.1"); n != newcomers {
		t.Errorf("%d places for an address whose guests say nothing", n)
	}
	for _, h := range hosts {
		h.Close(signalling.CloseTooSlow)
	}
	if n := many(true, "192.0.2.1"); n != 24 {
		t.Errorf("%d of 96 places for one address", n)
	}
	for range family {
		if !come("192.0.2.2", false) {
			t.Error("no place for one of a household")
		}
	}
	for _, h := range hosts {
		h.Close(signalling.CloseDone)
	}
	wide := make([]string, 64)
	for i := range wide {
		wide[i] = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, byte(i), 15: 1}).String()
	}
	if n := many(true, wide...); n != 48 {
		t.Errorf("%d of 96 places for one /48", n)
	}
	if !come("2001:db8:2::1", true) || !come("192.0.2.3", true) {
		t.Error("no place for others beside a /48")
	}
}

// TestShare checks the numbers that Share returns.
func TestShare(t *testing.T) {
	for places, want := range map[int]int{1: 1, 2: 1, 8: 4, 16: 8, 24: 8, 32: 8, 96: 24, 192: 48} {
		if got := Share(places); got != want {
			t.Errorf("%d of %d places", got, places)
		}
	}
}
