package netaddr

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Interface is the part of a net.Interface that matters here.
type Interface struct {
	Name      string
	Up        bool // administratively up, with a carrier
	Tunnel    bool // leads into another network: a VPN, a modem
	Virtual   bool // leads to virtual machines or containers on this computer
	Routed    bool // has a way to the internet of its own, perhaps not the one in use
	Addresses []netip.Addr
}

// Interfaces lists the system's interfaces. It leaves out those that can't be
// read.
func Interfaces() []Interface {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	routed := defaultRoutes()
	var out []Interface
	for _, i := range list {
		const live = net.FlagUp | net.FlagRunning
		n := Interface{
			Name: i.Name, Up: i.Flags&live == live, Routed: slices.Contains(routed, i.Name),
			Tunnel: isTunnel(i), Virtual: named(i.Name, virtualNames),
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if ipnet, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
					n.Addresses = append(n.Addresses, ip.Unmap())
				}
			}
		}
		out = append(out, n)
	}
	return out
}

// Names, in lower case, of interfaces that look like a cable or Wi-Fi (flags,
// addresses) and are neither.
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

// isTunnel reports whether an interface leads into another network. A house's
// network has broadcast. On Windows only Wi-Fi and Ethernet report it.
func isTunnel(i net.Interface) bool {
	switch {
	case i.Flags&net.FlagLoopback != 0:
		return false
	case i.Flags&net.FlagPointToPoint != 0, i.Flags&net.FlagBroadcast == 0:
		return true
	}
	return isTap(i.Name) || named(i.Name, tunnelNames)
}
