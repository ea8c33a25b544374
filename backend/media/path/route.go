package path

import "net/netip"

// Route is a path to a peer: the address to which its packets go, and the socket
// that sends them.
type Route struct {
	socket  *udpSocket
	remote  netip.AddrPort
	rebound int32 // the socket's count when the route was made
}

// Remote returns where packets go.
func (r *Route) Remote() netip.AddrPort { return r.remote }

// Local returns this machine's address at which the route begins. It is not valid if that is at a TURN server.
func (r *Route) Local() netip.Addr {
	if r.socket.relay != nil {
		return netip.Addr{}
	}
	return r.socket.local.Addr()
}

// Stalls returns a number that grows while packets wait at the begin of the route, because the system or the TURN server
// does not take them.
func (r *Route) Stalls() uint32 { return r.socket.stalls.Load() }

// TURN returns the address at a TURN server at which the route begins. It is nil if
// the route begins at this machine.
func (r *Route) TURN() *TURNSocket { return r.socket.relay }

// Route returns the route from a local address. It is nil if no socket has that
// address.
func (m PeerMux) Route(local, remote netip.AddrPort) *Route {
	s := m.socket(local)
	if s == nil {
		return nil
	}
	return &Route{s, remote, s.rebound.Load()}
}

// Stranded reports whether packets no longer get through. Either the machine or the
// call has lost the address at which the route begins, or a NAT has mapped it to
// another one.
func (m PeerMux) Stranded(r *Route) bool {
	switch {
	case r.socket.relay != nil:
		return r.socket != m.relaySocket()
	case !m.Mux.Has(r.socket.local.Addr()):
		return true
	}
	return r.rebound != r.socket.rebound.Load() && beyondNAT(r.remote.Addr())
}

// beyondNAT reports whether packets to an address pass through a NAT of ours, if
// there is one. Peers that we reach without a NAT are not affected when it rebinds.
func beyondNAT(a netip.Addr) bool {
	return !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}
