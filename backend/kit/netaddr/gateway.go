package netaddr

import (
	"net"
	"net/netip"
)

// Gateway is a router of this computer, and this computer's address towards it.
type Gateway struct {
	Addr      netip.Addr // with a zone if it is link-local
	Local     netip.Addr
	Interface string
}

// wayOut is a way to everywhere through a router.
type wayOut struct {
	gateway netip.Addr // without a zone
	name    string     // of the interface
	metric  uint64     // the lowest is the way in use
}

// Gateways returns the routers of the house's own network, for IPv4 and IPv6. Those
// behind a tunnel are not among them, even if the way to the internet leads through
// it. A zero Gateway means that there is none.
func Gateways() (v4, v6 Gateway) {
	interfaces := make(map[string]Interface)
	for _, i := range Interfaces() {
		interfaces[i.Name] = i
	}
	for _, r := range defaultWays() {
		i := interfaces[r.name]
		if !i.Up || i.Tunnel || !r.gateway.IsValid() || r.gateway.IsUnspecified() {
			continue
		}
		g := Gateway{Addr: r.gateway, Local: towards(r.gateway, i), Interface: r.name}
		if g.Addr.Is6() && g.Addr.IsLinkLocalUnicast() {
			g.Addr = g.Addr.WithZone(r.name)
		}
		switch {
		case !g.Local.IsValid():
		case g.Addr.Is4() && !v4.Addr.IsValid():
			v4 = g
		case g.Addr.Is6() && !v6.Addr.IsValid():
			v6 = g
		}
	}
	return v4, v6
}

// towards returns the address of an interface from which packets to a router
// leave. For IPv6 it is a global one, because that is what guests reach.
func towards(gateway netip.Addr, i Interface) (found netip.Addr) {
	if gateway.Is4() {
		c, err := net.Dial("udp4", netip.AddrPortFrom(gateway, 9).String()) // sends nothing
		if err == nil {
			defer c.Close()
			if u, ok := c.LocalAddr().(*net.UDPAddr); ok {
				return u.AddrPort().Addr().Unmap()
			}
		}
		return netip.Addr{}
	}
	for _, a := range i.Addresses {
		if a.Is6() && a.IsGlobalUnicast() && !a.IsPrivate() {
			return a
		}
	}
	return netip.Addr{}
}
