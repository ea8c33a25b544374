package hosts

import (
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/metering"
)

// TestCredentialsOfAnAddress checks that the address of open hosts has a number
// of credentials a day, because their keys cost nothing, and that a stranger who
// takes them all takes none from an invited host.
func TestCredentialsOfAnAddress(t *testing.T) {
	p := &Policy{Open: true, PerAddress: AddressQuotas{Credentials: 3}}
	tenants := newTenants(p, metering.None{})
	here := household.Of(netip.MustParseAddr("192.0.2.1"))
	now := time.Unix(1_000_000, 0)
	given := 0
	for range 10 {
		if tenants.takeCredential(&hostConn{from: here, grant: grant{open: true}}, now) {
			given++
		}
	}
	if given != 3 {
		t.Errorf("%d credentials", given)
	}
	if !tenants.takeCredential(&hostConn{from: here}, now) {
		t.Error("an invited host of the same address gets none")
	}
	if !tenants.takeCredential(&hostConn{from: household.Of(netip.MustParseAddr("192.0.2.2")), grant: grant{open: true}}, now) {
		t.Error("another address gets none")
	}
	if !tenants.takeCredential(&hostConn{from: here, grant: grant{open: true}}, now.Add(24*time.Hour)) {
		t.Error("the next day begins with what was given")
	}
}

// TestOwners checks that the owner of an open host's credentials tells its
// address, as a key, and that of an invited host does not.
func TestOwners(t *testing.T) {
	s := &Server{o: Options{KeyOf: func(p netip.Prefix) string { return "key of " + p.String() }}}
	owner := OwnerOf(make([]byte, 32))
	h := &hostConn{s: s, owner: owner, from: household.Of(netip.MustParseAddr("192.0.2.1"))}
	if host, address := SplitOwner(h.turnOwner()); host != owner || address != "" {
		t.Errorf("%q %q", host, address)
	}
	h.grant.open = true
	if host, address := SplitOwner(h.turnOwner()); host != owner || address != s.o.KeyOf(h.from) || address == "" {
		t.Errorf("%q %q", host, address)
	}
}
