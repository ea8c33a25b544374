package netaddr

import (
	"net"
	"net/netip"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// defaultWays returns the ways to everywhere, in the order of the routing table
// (route(4)): the one in use comes first.
func defaultWays() (routes []wayOut) {
	rib, err := route.FetchRIB(unix.AF_UNSPEC, route.RIBTypeRoute, 0)
	if err != nil {
		return nil
	}
	messages, err := route.ParseRIB(route.RIBTypeRoute, rib)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		r, ok := m.(*route.RouteMessage)
		if !ok || r.Flags&unix.RTF_GATEWAY == 0 || len(r.Addrs) <= unix.RTAX_NETMASK {
			continue
		}
		i, err := net.InterfaceByIndex(r.Index)
		if err != nil {
			continue
		}
		destination, gateway := address(r.Addrs[unix.RTAX_DST]), address(r.Addrs[unix.RTAX_GATEWAY])
		mask := r.Addrs[unix.RTAX_NETMASK]
		if destination.IsValid() && destination.IsUnspecified() && (mask == nil || address(mask).IsUnspecified()) {
			routes = append(routes, wayOut{gateway.WithZone(""), i.Name, uint64(len(routes))})
		}
	}
	return routes
}

// address returns an address of a routing message, or the zero Addr.
func address(a route.Addr) netip.Addr {
	switch a := a.(type) {
	case *route.Inet4Addr:
		return netip.AddrFrom4(a.IP)
	case *route.Inet6Addr:
		return netip.AddrFrom16(a.IP)
	}
	return netip.Addr{}
}
