package call

import (
	"net"
	"net/netip"
	"slices"
)

// peerMux is the mux as one peer's agent sees it.
type peerMux struct {
	mux        *udpMux
	take       func([]byte) bool
	answeredBy func(from netip.AddrPort) bool
	answered   func()

	// relay returns the address at a TURN server, nil for none, as a nil relay does.
	// With relayOnly there is no other.
	relay     func() *allocation
	relayOnly bool

	elsewhere bool // the other side is not on this computer
}

// relaySocket returns the socket at a TURN server, or nil.
func (m peerMux) relaySocket() *udpSocket {
	if m.relay == nil {
		return nil
	}
	if a := m.relay(); a != nil {
		return a.socket
	}
	return nil
}

// relayed reports whether local is the address at a TURN server.
func (m peerMux) relayed(local netip.AddrPort) bool {
	r := m.relaySocket()
	return r != nil && r.local == local
}

// sockets returns those that the peer may use now, the best first.
func (m peerMux) sockets() (sockets []*udpSocket) {
	if !m.relayOnly {
		sockets = m.mux.addresses()
	}
	if m.elsewhere {
		sockets = slices.DeleteFunc(sockets, func(s *udpSocket) bool { return s.local.Addr().IsLoopback() })
	}
	if r := m.relaySocket(); r != nil {
		sockets = append(sockets, r)
	}
	return sockets
}

// socket returns the socket of a local address, or nil.
func (m peerMux) socket(local netip.AddrPort) *udpSocket {
	if r := m.relaySocket(); r != nil && r.local == local {
		return r
	}
	if m.relayOnly {
		return nil
	}
	return m.mux.socket(local)
}

// GetListenAddresses implements ice.UDPMux. To the agent an address at a TURN
// server is one of this machine: see [allocation].
func (m peerMux) GetListenAddresses() []net.Addr {
	var addresses []net.Addr
	for _, s := range m.sockets() {
		addresses = append(addresses, net.UDPAddrFromAddrPort(s.local))
	}
	return addresses
}

// GetConn implements ice.UDPMux.
func (m peerMux) GetConn(ufrag string, local net.Addr) (net.PacketConn, error) {
	a, ok := local.(*net.UDPAddr)
	if !ok {
		return nil, net.InvalidAddrError("not a UDP address")
	}
	at := a.AddrPort()
	s := m.socket(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	if s == nil {
		return nil, net.ErrClosed
	}
	return s.connection(ufrag, m), nil
}

// RemoveConnByUfrag implements ice.UDPMux.
func (m peerMux) RemoveConnByUfrag(ufrag string) {
	list := *m.mux.list.Load()
	if r := m.relaySocket(); r != nil {
		list = append(slices.Clone(list), r)
	}
	for _, s := range list {
		s.mu.RLock()
		c := s.ufrags[ufrag]
		s.mu.RUnlock()
		if c != nil {
			_ = c.Close() // never fails
		}
	}
}

// Close implements ice.UDPMux: the sockets belong to the engine.
func (m peerMux) Close() error { return nil }
