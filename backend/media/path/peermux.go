package path

import (
	"net"
	"net/netip"
	"slices"

	"github.com/porch-call/porch/backend/kit/icecheck"
)

// PeerMux is the mux as one peer's agent sees it.
type PeerMux struct {
	Mux *Mux

	// Take gets media on the goroutine that reads the socket. If it reports false,
	// pion gets the packet. It must not keep the packet.
	Take func([]byte) bool

	// AnsweredBy reports whether pion gets an answer to a check. Answered is called
	// after pion got one.
	AnsweredBy func(from netip.AddrPort) bool
	Answered   func()

	// TURN returns the address at a TURN server, or nil. TURN itself may be nil,
	// too. With RelayOnly the peer uses no other address.
	TURN      func() *TURNSocket
	RelayOnly bool

	Elsewhere bool // the other side is not on this computer
	Streams   bool // the other side may come by TCP

	// Vouch is asked for each check that names the connection, on the goroutine that
	// reads the socket. If it reports false, the check is dropped, and its address
	// stays whose it was. nil takes all checks, and leaves it to pion to judge them.
	Vouch func(check icecheck.Check, from netip.AddrPort) bool

	// First is the check for which the connection was made, or nil. The agent gets it
	// with the connection, which it asks for later than it first gives it up (through
	// its Restart).
	First *HeldCheck
}

// relaySocket returns the socket at a TURN server, or nil.
func (m PeerMux) relaySocket() *udpSocket {
	if m.TURN == nil {
		return nil
	}
	if s := m.TURN(); s != nil {
		return s.socket
	}
	return nil
}

// Relayed reports whether local is the address at a TURN server.
func (m PeerMux) Relayed(local netip.AddrPort) bool {
	r := m.relaySocket()
	return r != nil && r.local == local
}

// sockets returns the sockets that the peer may use now, the best first.
func (m PeerMux) sockets() (sockets []*udpSocket) {
	if !m.RelayOnly {
		sockets = m.Mux.addresses()
	}
	if m.Streams {
		for _, l := range *m.Mux.streams.list.Load() {
			sockets = append(sockets, l.socket)
		}
	}
	if m.Elsewhere {
		sockets = slices.DeleteFunc(sockets, func(s *udpSocket) bool { return s.local.Addr().IsLoopback() })
	}
	if r := m.relaySocket(); r != nil {
		sockets = append(sockets, r)
	}
	return sockets
}

// socket returns the socket of a local address, or nil.
func (m PeerMux) socket(local netip.AddrPort) *udpSocket {
	if r := m.relaySocket(); r != nil && r.local == local {
		return r
	}
	if m.RelayOnly {
		return nil
	}
	return m.Mux.socket(local)
}

// GetListenAddresses implements ice.UDPMux. To the agent, an address at a TURN
// server is an address of this machine (see [TURNSocket]).
func (m PeerMux) GetListenAddresses() []net.Addr {
	var addresses []net.Addr
	for _, s := range m.sockets() {
		addresses = append(addresses, net.UDPAddrFromAddrPort(s.local))
	}
	return addresses
}

// GetConn implements ice.UDPMux.
func (m PeerMux) GetConn(ufrag string, local net.Addr) (net.PacketConn, error) {
	a, ok := local.(*net.UDPAddr)
	if !ok {
		return nil, net.InvalidAddrError("not a UDP address")
	}
	at := a.AddrPort()
	s := m.socket(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	if s == nil {
		return nil, net.ErrClosed
	}
	c := s.connection(ufrag, m)
	m.First.open(c)
	return c, nil
}

// RemoveConnByUfrag implements ice.UDPMux.
func (m PeerMux) RemoveConnByUfrag(ufrag string) {
	list := slices.Clone(*m.Mux.list.Load())
	for _, l := range *m.Mux.streams.list.Load() {
		list = append(list, l.socket)
	}
	if r := m.relaySocket(); r != nil {
		list = append(list, r)
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

// Close implements ice.UDPMux. It does nothing, because the sockets belong to the
// engine.
func (m PeerMux) Close() error { return nil }
