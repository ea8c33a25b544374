package call

import (
	"net/netip"
)

// link is a way to a peer: where its packets go, and from which socket.
type link struct {
	socket  *udpSocket
	remote  netip.AddrPort
	rebound int32 // what the socket's count was
}

// turn returns the address at a TURN server that the way begins at, nil if it begins at
// this machine.
func (l *link) turn() *allocation { return l.socket.relay }

// route returns the way from a local address, nil when no socket has that.
func (m peerMux) route(local, remote netip.AddrPort) *link {
	s := m.socket(local)
	if s == nil {
		return nil
	}
	return &link{s, remote, s.rebound.Load()}
}

// stranded reports whether packets have ceased to come through: the machine or the call
// has the address no longer that the way begins at, or a NAT has given it another one.
func (m peerMux) stranded(l *link) bool {
	switch {
	case l.socket.relay != nil:
		return l.socket != m.relaySocket()
	case !m.mux.has(l.socket.local.Addr()):
		return true
	}
	return l.rebound != l.socket.rebound.Load() && beyondNAT(l.remote.Addr())
}

// beyondNAT reports whether packets to an address go through a NAT of ours, if there is
// one. Peers that we reach without it are not affected when it rebinds.
func beyondNAT(a netip.Addr) bool {
	return !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}
