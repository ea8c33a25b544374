package netaddr

import (
	"cmp"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// defaultWays returns the ways to everywhere, the one with the lowest metric first
// (GetAdaptersAddresses with GAA_FLAG_INCLUDE_GATEWAYS).
func defaultWays() (routes []wayOut) {
	const flags = windows.GAA_FLAG_INCLUDE_GATEWAYS | windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST | windows.GAA_FLAG_SKIP_DNS_SERVER
	size := uint32(16 << 10)
	for range 4 { // the list may grow between two calls
		buffer := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buffer[0]))
		switch err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size); err {
		case nil:
		case windows.ERROR_BUFFER_OVERFLOW:
			continue
		default:
			return nil
		}
		for a := first; a != nil; a = a.Next {
			name := windows.UTF16PtrToString(a.FriendlyName)
			for g := a.FirstGatewayAddress; g != nil; g = g.Next {
				if ip, ok := netip.AddrFromSlice(g.Address.IP()); ok {
					ip = ip.Unmap()
					metric := a.Ipv4Metric
					if ip.Is6() {
						metric = a.Ipv6Metric
					}
					routes = append(routes, wayOut{ip, name, uint64(metric)})
				}
			}
		}
		slices.SortStableFunc(routes, func(a, b wayOut) int { return cmp.Compare(a.metric, b.metric) })
		return routes
	}
	return nil
}
