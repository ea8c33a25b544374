package turn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// ports opens the relayed sockets.
type ports struct {
	first, last uint16
	addresses   []place // one for each family
}

// place is where relayed sockets of one family are.
type place struct {
	public netip.Addr // as clients are told it
	bind   string     // "" if this computer does not have public itself: behind a NAT
}

var errNoPort = errors.New("turn: no such port, or none left")

// newPorts finds out which of the public addresses this computer has itself.
func newPorts(first, last uint16, public, own []netip.Addr) (ports, error) {
	p := ports{first: first, last: last}
	for _, a := range public {
		if slices.ContainsFunc(p.addresses, func(b place) bool { return b.public.Is4() == a.Is4() }) {
			return ports{}, errors.New("turn: two public addresses of one kind")
		}
		here := place{public: a}
		if slices.Contains(own, a) {
			here.bind = a.String()
		}
		p.addresses = append(p.addresses, here)
	}
	return p, nil
}

// open binds a free port. It tries ports in an order that can't be predicted,
// because a stranger who knows a port can send to it.
func (p *ports) open(network string) (s *socket, relayed netip.AddrPort, err error) {
	for _, a := range p.addresses {
		if a.public.Is4() != (network == "udp4") {
			continue
		}
		for range 16 {
			port := p.first + uint16(rand.N(int(p.last-p.first)+1))
			s, err = openSocket(network, net.JoinHostPort(a.bind, strconv.Itoa(int(port))), relayBuffer, false)
			if err == nil {
				return s, netip.AddrPortFrom(a.public, port), nil
			}
		}
	}
	return nil, netip.AddrPort{}, errNoPort
}
