package relay

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
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
}

// networkInterface is what counts of a net.Interface.
type networkInterface struct {
	up        bool // administratively up, with a carrier
	toPeer    bool // point to point: a tunnel
	addresses []netip.Addr
}

// networkInterfaces asks the system. Interfaces that can't be read are left
// out.
func networkInterfaces() []networkInterface {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []networkInterface
	for _, i := range list {
		const live = net.FlagUp | net.FlagRunning
		n := networkInterface{up: i.Flags&live == live, toPeer: i.Flags&net.FlagPointToPoint != 0}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if ipnet, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
					n.addresses = append(n.addresses, ip.Unmap())
				}
			}
		}
		out = append(out, n)
	}
	return out
}

// outwardAddress is this computer's address on the way to the internet, the
// zero Addr when there is no way. Connecting a UDP socket asks the routing
// table and sends nothing; the destination is for documentation (RFC 5737).
func outwardAddress() netip.Addr {
	c, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	if u, ok := c.LocalAddr().(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// networkAddresses picks one address of each interface that others on a
// network can open, the likeliest first: the one on the way to the internet,
// then networks before tunnels, private addresses before public ones. IPv6
// stands in where an interface has no IPv4; addresses of a link need a zone,
// which browsers don't take.
func networkAddresses(interfaces []networkInterface, outward netip.Addr) []netip.Addr {
	type candidate struct {
		addr   netip.Addr
		toPeer bool
	}
	var found []candidate
	for _, i := range interfaces {
		if !i.up {
			continue
		}
		var best netip.Addr
		for _, a := range i.addresses {
			if !a.IsGlobalUnicast() || a.Zone() != "" {
				continue
			}
			switch {
			case !best.IsValid(), a == outward, best != outward && best.Is6() && a.Is4():
				best = a
			}
		}
		if best.IsValid() && !slices.ContainsFunc(found, func(c candidate) bool { return c.addr == best }) {
			found = append(found, candidate{best, i.toPeer})
		}
	}
	rank := func(c candidate) int {
		switch {
		case c.addr == outward:
			return 0
		case c.toPeer:
			return 4
		case c.addr.Is4() && c.addr.IsPrivate():
			return 1
		case c.addr.Is4():
			return 2
		}
		return 3
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
	out := make([]netip.Addr, len(found))
	for i, c := range found {
		out[i] = c.addr
	}
	return out
}

// addressesFor lists where a relay is found that is bound to bound, which is
// unspecified for all interfaces.
func addressesFor(bound netip.AddrPort, network []netip.Addr) []Address {
	port := strconv.Itoa(int(bound.Port()))
	local := Address{Base: "http://localhost:" + port, Reach: ReachComputer}
	secure := func(a netip.Addr) Address {
		return Address{Base: "https://" + net.JoinHostPort(a.String(), port), Reach: ReachNetwork}
	}
	ip := bound.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		if ip.Is4() && ip != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			local.Base = "http://" + net.JoinHostPort(ip.String(), port) // another of 127.0.0.0/8
		}
		return []Address{local}
	case !ip.IsUnspecified():
		return []Address{secure(ip.WithZone(""))}
	}
	out := []Address{local}
	for _, a := range network {
		if bound.Addr().Is4() && a.Is6() {
			continue // bound to 0.0.0.0
		}
		out = append(out, secure(a))
	}
	return out
}
