package path

import (
	"net/netip"
	"slices"

	"github.com/porch-call/porch/backend/kit/icecheck"
)

// Stranger is a connectivity check whose user name belongs to no connection.
type Stranger struct {
	icecheck.Check                // valid only during the call
	From           netip.AddrPort // where it came from
	socket         *udpSocket
	raw            []byte
}

// Hold keeps the check for the connection that it opens: see [PeerMux.First].
func (s Stranger) Hold() *HeldCheck { return &HeldCheck{s.socket, s.From, slices.Clone(s.raw)} }

// HeldCheck is a check that waits for its connection.
type HeldCheck struct {
	socket *udpSocket
	from   netip.AddrPort
	raw    []byte
}

// SetStrangers makes the mux call f for each connectivity check whose user name belongs to no connection, on the
// goroutine that reads the socket. If f reports false, the check goes where other datagrams from its address go. nil
// ends that.
func (m *Mux) SetStrangers(f func(Stranger) (taken bool)) {
	if f == nil {
		f = func(Stranger) bool { return false }
	}
	m.strangers.Store(&f)
}

// OpenSockets opens sockets for the machine's addresses if it has changed networks, and returns their addresses.
func (m *Mux) OpenSockets() (addresses []netip.AddrPort) {
	for _, s := range m.addresses() {
		addresses = append(addresses, s.local)
	}
	return addresses
}

// open gives a new connection the check for which it was made. The browser would repeat it only after 50 ms or more.
func (h *HeldCheck) open(c *udpConn) {
	if h == nil || h.socket != c.socket || !c.socket.register(c, h.from) {
		return
	}
	c.deliver(h.raw, h.from)
}

// check handles a connectivity check. It returns the connection that the datagram is for: c if the check names none of
// ours, and nil if nobody is to get it.
func (s *udpSocket) check(b []byte, from netip.AddrPort, c *udpConn) *udpConn {
	check, ok := icecheck.Read(b)
	if !ok {
		return c
	}
	s.mu.RLock()
	named := s.ufrags[string(check.Local)]
	s.mu.RUnlock()
	if named == nil {
		if s.relay == nil && (*s.mux.strangers.Load())(Stranger{check, from, s, b}) {
			return nil
		}
		return c
	}
	if named.vouch != nil && !named.vouch(check, from) {
		return nil
	}
	// A check that names another connection moves the address there: that user
	// name was told to one peer only.
	if named != c {
		if !s.register(named, from) {
			return nil
		}
		named.release(from)
	}
	return named
}
