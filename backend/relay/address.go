package relay

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

// Reach says from where an address can be opened.
type Reach string

// The reaches.
const (
	ReachComputer Reach = "computer" // this computer only
	ReachNetwork  Reach = "network"  // this network
	ReachAnywhere Reach = "anywhere" // a public relay
)

// Address is where guests find this relay.
type Address struct {
	Base  string `json:"base"` // scheme, host and port: "http://localhost:7674"
	Reach Reach  `json:"reach"`
	// Tunnel names the interface when the network is not the house's but one
	// that a tunnel leads to, such as a VPN's. "" for all others.
	Tunnel string `json:"tunnel,omitempty"`
}

// addressesFor lists the addresses of a relay that listens at bound. An
// unspecified address there stands for all interfaces.
func addressesFor(bound netip.AddrPort, network []netaddr.Address) []Address {
	port := strconv.Itoa(int(bound.Port()))
	local := Address{Base: "http://localhost:" + port, Reach: ReachComputer}
	secure := func(a netip.Addr) Address {
		return Address{Base: "https://" + net.JoinHostPort(a.String(), port), Reach: ReachNetwork}
	}
	ip := bound.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		if ip.Is4() && ip != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			local.Base = "http://" + net.JoinHostPort(ip.String(), port) // another address of 127.0.0.0/8
		}
		return []Address{local}
	case !ip.IsUnspecified():
		return []Address{secure(ip.WithZone(""))}
	}
	out := []Address{local}
	for _, a := range network {
		if bound.Addr().Is4() && a.Addr.Is6() {
			continue // bound to 0.0.0.0
		}
		there := secure(a.Addr)
		there.Tunnel = a.Tunnel
		out = append(out, there)
	}
	return out
}
