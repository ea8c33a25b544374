package path

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// This app has no reason to trust servers that a relay names. The relay could name a target that it can't reach itself,
// for example a service of this machine or a device at home, and learn from what happens.

// nearby are the addresses of this machine and its networks, and addresses of other forms that lead there (the IANA
// special-purpose address registries).
var nearby = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "224.0.0.0/3",
		"2001::/32", // Teredo
		"2002::/16", // 6to4
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

var globalUnicast, nat64 = netip.MustParsePrefix("2000::/3"), netip.MustParsePrefix("64:ff9b::/96")

// isPublic reports whether an address is on the internet.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) { // RFC 6052: how the IPv4 internet looks from a network without IPv4
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.IsValid() && a.Zone() == "" && (a.Is4() || globalUnicast.Contains(a)) &&
		!slices.ContainsFunc(nearby, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Named says where servers may be that a relay has named: on the internet, or as near as that relay. relay returns
// where the relay was reached, or the zero Addr if that is unknown. A nil Named is for servers that we chose ourselves,
// which may be anywhere.
type Named func() (relay netip.Addr)

func (n Named) allows(a netip.Addr) bool {
	a = a.Unmap()
	if n == nil || isPublic(a) {
		return true
	}
	relay := n().Unmap()
	switch {
	case a.IsUnspecified(), a.IsMulticast(), !relay.IsValid(), isPublic(relay):
		return false
	case a == relay:
		return true
	case a.IsLoopback():
		return relay.IsLoopback()
	case a.IsLinkLocalUnicast():
		return relay.IsLinkLocalUnicast()
	}
	return true
}

var errNearby = errors.New("the relay names a server that is not on the internet")

// dialer connects to allowed addresses only. It checks each address to which a name has led, before it sends anything
// there. So a name can't lead to another address the second time.
func (n Named) dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !n.allows(a.Addr().WithZone("")) {
			return errNearby
		}
		return nil
	}}
}
