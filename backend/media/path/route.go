package path

import "net/netip"

// Route is a way to a peer: where its packets go, and from which socket.
type Route struct {
	socket  *udpSocket
	remote  netip.AddrPort
	rebound int32 // what the socket's count was
}

// TURN returns the address at a TURN server that the way begins at, nil if it begins at
// this machine.
func (r *Route) TURN() *TURNSocket { return r.socket.relay }

// Route returns the way from a local address, nil when no socket has that.
func (m PeerMux) Route(local, remote netip.AddrPort) *Route {
	s := m.socket(local)
	if s == nil {
		return nil
	}
	return &Route{s, remote, s.rebound.Load()}
}

// Stranded reports whether packets have ceased to come through: the machine or the call
// has the address no longer that the way begins at, or a NAT has given it another one.
func (m PeerMux) Stranded(r *Route) bool {
	switch {
	case r.socket.relay != nil:
		return r.socket != m.relaySocket()
	case !m.Mux.Has(r.socket.local.Addr()):
		return true
	}
	return r.rebound != r.socket.rebound.Load() && beyondNAT(r.remote.Addr())
}

// beyondNAT reports whether packets to an address go through a NAT of ours, if there is
// one. Peers that we reach without it are not affected when it rebinds.
func beyondNAT(a netip.Addr) bool {
	return !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}
