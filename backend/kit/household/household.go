// Package household tells which addresses count as one, for limits.
package household

import "net/netip"

// Of returns the prefix that counts as one household: an IPv4 address, or an IPv6
// /64, which is what one household gets (RFC 6177). It returns the zero Prefix
// for the zero Addr.
func Of(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails only for the zero Addr
	return p
}
