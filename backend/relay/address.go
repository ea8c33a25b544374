package relay

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

// networkInterface is what counts of a net.Interface.
type networkInterface struct {
	name      string
	up        bool // administratively up, with a carrier
	tunnel    bool // leads into another network: a VPN, a modem
	virtual   bool // leads to virtual machines or containers in this computer
	routed    bool // has a way to the internet of its own, if perhaps not the one in use
	addresses []netip.Addr
}

// networkAddress is an address that others on a network can open.
type networkAddress struct {
	addr   netip.Addr
	tunnel string // as in Address
}

// networkInterfaces asks the system. Interfaces that can't be read are left
// out.
func networkInterfaces() []networkInterface {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	routed := defaultRoutes()
	var out []networkInterface
	for _, i := range list {
		const live = net.FlagUp | net.FlagRunning
		n := networkInterface{
			name: i.Name, up: i.Flags&live == live, routed: slices.Contains(routed, i.Name),
			tunnel: isTunnel(i), virtual: named(i.Name, virtualNames),
		}
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

// What interfaces are called, in lower case, that look like a cable or Wi-Fi
// (flags, addresses) and are none.
var (
	tunnelNames = []string{"tun", "utun", "tap", "wg", "tailscale", "zt", "feth", "ipsec", "ppp", "nordlynx", "proton",
		"openvpn", "wireguard", "zerotier", "cloudflarewarp", "mullvad", "hamachi"}
	virtualNames = []string{"docker", "br-", "veth", "virbr", "vboxnet", "vmnet", "vnic", "lxc", "lxd", "podman", "cni", "bridge1",
		"vethernet", "virtualbox", "vmware"}
)

func named(name string, prefixes []string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// isTunnel tells whether an interface leads into another network. A house's
// network is one of broadcast; Windows says so of Wi-Fi and Ethernet alone.
func isTunnel(i net.Interface) bool {
	switch {
	case i.Flags&net.FlagLoopback != 0:
		return false
	case i.Flags&net.FlagPointToPoint != 0, i.Flags&net.FlagBroadcast == 0:
		return true
	}
	return isTap(i.Name) || named(i.Name, tunnelNames)
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
// unless that is a tunnel, then others that have such a way, private addresses,
// public ones, what is inside this computer, and tunnels. IPv6 stands in where an
// interface has no IPv4; addresses of a link need a zone, which browsers don't
// take.
func networkAddresses(interfaces []networkInterface, outward netip.Addr) []networkAddress {
	type candidate struct {
		networkAddress
		of networkInterface
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
			c := candidate{networkAddress{addr: best}, i}
			if i.tunnel {
				c.tunnel = i.name
			}
			found = append(found, c)
		}
	}
	rank := func(c candidate) int {
		switch {
		case c.of.tunnel && c.addr == outward:
			return 6
		case c.of.tunnel:
			return 7
		case c.addr == outward:
			return 0
		case c.of.virtual:
			return 5
		case c.of.routed && c.addr.Is4():
			return 1
		case c.addr.Is4() && c.addr.IsPrivate():
			return 2
		case c.addr.Is4():
			return 3
		}
		return 4
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
	out := make([]networkAddress, len(found))
	for i, c := range found {
		out[i] = c.networkAddress
	}
	return out
}

// addressesFor lists where a relay is found that is bound to bound, which is
// unspecified for all interfaces.
func addressesFor(bound netip.AddrPort, network []networkAddress) []Address {
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
		if bound.Addr().Is4() && a.addr.Is6() {
			continue // bound to 0.0.0.0
		}
		there := secure(a.addr)
		there.Tunnel = a.tunnel
		out = append(out, there)
	}
	return out
}
