package netaddr

import (
	"net"
	"net/netip"
)

// Own returns all addresses of this machine, including those that only this
// computer can reach, each with the network that it is in.
func Own() ([]netip.Prefix, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	own := make([]netip.Prefix, 0, len(all))
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok {
			bits, _ := n.Mask.Size()
			own = append(own, netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	return own, nil
}

// Outward returns this computer's address on the way to the internet, or the zero
// Addr if there is no way. It connects a UDP socket, which asks the routing table
// and sends nothing. The destination is for documentation (RFC 5737).
func Outward() netip.Addr {
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
