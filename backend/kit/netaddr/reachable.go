package netaddr

import (
	"cmp"
	"net/netip"
	"slices"
)

// Address is an address that others on a network can open.
type Address struct {
	Addr   netip.Addr
	Tunnel string // the interface, if it leads into another network; "" for the house's own
}

// Reachable picks one address of each interface that others on a network can
// open, the likeliest first: the one on the way to the internet, unless that is a
// tunnel, then others that have such a way, private addresses, public ones, those
// inside this computer, and tunnels. It takes IPv6 where an interface has no
// IPv4. It leaves out link-local addresses, because they need a zone and browsers
// take none.
func Reachable(interfaces []Interface, outward netip.Addr) []Address {
	type candidate struct {
		Address
		of Interface
	}
	var found []candidate
	for _, i := range interfaces {
		if !i.Up {
			continue
		}
		var best netip.Addr
		for _, a := range i.Addresses {
			if !a.IsGlobalUnicast() || a.Zone() != "" {
				continue
			}
			switch {
			case !best.IsValid(), a == outward, best != outward && best.Is6() && a.Is4():
				best = a
			}
		}
		if best.IsValid() && !slices.ContainsFunc(found, func(c candidate) bool { return c.Addr == best }) {
			c := candidate{Address{Addr: best}, i}
			if i.Tunnel {
				c.Tunnel = i.Name
			}
			found = append(found, c)
		}
	}
	rank := func(c candidate) int {
		switch {
		case c.of.Tunnel && c.Addr == outward:
			return 6
		case c.of.Tunnel:
			return 7
		case c.Addr == outward:
			return 0
		case c.of.Virtual:
			return 5
		case c.of.Routed && c.Addr.Is4():
			return 1
		case c.Addr.Is4() && c.Addr.IsPrivate():
			return 2
		case c.Addr.Is4():
			return 3
		}
		return 4
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
	out := make([]Address, len(found))
	for i, c := range found {
		out[i] = c.Address
	}
	return out
}
