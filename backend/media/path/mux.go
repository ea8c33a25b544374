package path

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/kit/batchudp"
	"github.com/porch-call/porch/backend/kit/netaddr"
)

// Mux carries the packets of all peer connections over one UDP port for each local
// address, so that packets for many peers leave with one system call. It is the
// ice.UDPMux of every peer, through [PeerMux].
type Mux struct {
	// Lister returns the machine's addresses, and Listen opens a socket of the
	// system. Tests set others before the first use.
	Lister func() []netip.Prefix
	Listen func(*net.UDPAddr) (*net.UDPConn, error)

	// Preferred is the port of the first sockets, if it is free; 0 for any. Sockets of
	// addresses that come later have another: see refresh.
	Preferred uint16

	corks     atomic.Int32
	strangers atomic.Pointer[func(Stranger) bool]                    // never nil
	answers   func(s *udpSocket, b []byte, from netip.AddrPort) bool // takes STUN responses that are not for a peer

	mu      sync.Mutex
	closed  bool
	asked   time.Time // when the machine's addresses were looked up
	moves   int       // see look
	current []netip.Prefix
	refused error // why the system refused the last socket that was wanted; nil after one was opened
	sockets map[netip.Addr]*udpSocket
	streams *streams
	list    atomic.Pointer[[]*udpSocket]
	readers sync.WaitGroup

	entranceMu sync.Mutex // guards overrun, here and in the sockets
	overrun    uint64     // datagrams that the system has dropped
}

const (
	addressesAge = time.Second // how long the list of addresses stays valid
	readBuffer   = 4 << 20     // asked for; the system may give less
	writeBuffer  = 64 << 10    // see udpSocket.flush
)

// NewMux returns a mux without sockets. The first look at the addresses opens them.
func NewMux() *Mux {
	m := &Mux{
		Lister:  localAddresses,
		Listen:  func(a *net.UDPAddr) (*net.UDPConn, error) { return net.ListenUDP("udp", a) },
		answers: func(*udpSocket, []byte, netip.AddrPort) bool { return false },
		sockets: make(map[netip.Addr]*udpSocket),
		streams: newStreams(),
	}
	m.list.Store(new([]*udpSocket))
	m.SetStrangers(nil)
	return m
}

// Cork holds back all packets that are written from now on, until Uncork sends
// them. Corks of several goroutines may overlap.
func (m *Mux) Cork() { m.corks.Add(1) }

// Uncork ends a Cork.
func (m *Mux) Uncork() {
	m.corks.Add(-1)
	for _, s := range *m.list.Load() {
		if s.pending.Load() > 0 {
			s.flush()
		}
	}
}

// addresses returns the local addresses, each with its socket. A machine that has
// changed networks gets new sockets. The old ones stay as long as peers are
// connected through them.
func (m *Mux) addresses() []*udpSocket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	if time.Since(m.asked) > addressesAge {
		m.refresh()
	}
	var sockets []*udpSocket
	for _, a := range m.current {
		if s := m.sockets[a.Addr()]; s != nil {
			sockets = append(sockets, s)
		}
	}
	return sockets
}

// look reads the machine's addresses now. It returns the number of moves since the
// mux was made. At a move the addresses differ from those of the look before, or
// can be used for the first time. A caller that compares two numbers also notices a
// move that [Mux.addresses] saw first. The first look is no move.
func (m *Mux) look() (moves int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.refresh()
	}
	return m.moves
}

// refresh opens sockets for new addresses, and closes those of lost addresses once
// they are not used. It counts moves. The caller holds the lock.
func (m *Mux) refresh() {
	first, before, unusable := m.asked.IsZero(), m.current, len(m.sockets) == 0
	m.current, m.asked = m.Lister(), time.Now()
	// All addresses that one look finds share a port. Those of a later look have
	// another one. A NAT may still remember a lost address. It would then map the
	// same port of a new address to a different outside port for each destination,
	// as symmetric NATs do.
	port := 0
	if first {
		port = int(m.Preferred)
	}
	list := slices.Clone(*m.list.Load())
	for _, p := range m.current {
		a := p.Addr()
		if m.sockets[a] != nil {
			continue
		}
		s, err := m.open(a, port)
		if err != nil {
			m.refused = err
			continue // lost again, not ours to bind, or forbidden
		}
		m.refused = nil
		port = int(s.local.Port())
		m.sockets[a] = s
		list = append(list, s)
	}
	for a, s := range m.sockets {
		if m.owns(a) || s.used() {
			continue
		}
		delete(m.sockets, a)
		list = slices.DeleteFunc(list, func(o *udpSocket) bool { return o == s })
		_ = s.conn.Close() // its address is lost, so an error changes nothing
	}
	m.list.Store(&list)
	m.refreshStreams()
	if !first && (!slices.Equal(before, m.current) || unusable && len(m.sockets) > 0) {
		m.moves++
	}
}

// owns reports whether a was among the machine's addresses at the last look.
// The caller holds the lock.
func (m *Mux) owns(a netip.Addr) bool {
	return slices.ContainsFunc(m.current, func(p netip.Prefix) bool { return p.Addr() == a })
}

// Port returns the port of the socket at one of this machine's addresses, or 0 if there is none.
func (m *Mux) Port(local netip.Addr) uint16 {
	for _, s := range m.addresses() {
		if s.local.Addr() == local {
			return s.local.Port()
		}
	}
	return 0
}

// Has reports whether a was among the machine's addresses at the last look.
func (m *Mux) Has(a netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owns(a)
}

// Broadcasts reports whether a is a broadcast address of one of our networks.
func (m *Mux) Broadcasts(a netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.current, func(p netip.Prefix) bool {
		return a.Is4() && p.Bits() < 31 && p.Contains(a) &&
			(a == p.Masked().Addr() || !p.Contains(a.Next()))
	})
}

// localAddresses returns the addresses at which peers may reach this machine. They
// include loopback, because guests may be on this computer.
func localAddresses() []netip.Prefix {
	all, err := netaddr.Own()
	if err != nil {
		return nil
	}
	var addresses []netip.Prefix
	for _, p := range all {
		ip := p.Addr()
		same := func(o netip.Prefix) bool { return o.Addr() == ip }
		// A link-local IPv6 address means nothing without its zone, which
		// candidates don't carry.
		if !ip.IsUnspecified() && !ip.IsMulticast() && (ip.Is4() || !ip.IsLinkLocalUnicast()) &&
			!slices.ContainsFunc(addresses, same) {
			addresses = append(addresses, p)
		}
	}
	// Of pairs with equal priority the agent takes the first one. So addresses in a
	// network come before loopback addresses.
	slices.SortStableFunc(addresses, func(a, b netip.Prefix) int {
		switch {
		case a.Addr().IsLoopback() == b.Addr().IsLoopback():
			return 0
		case a.Addr().IsLoopback():
			return 1
		default:
			return -1
		}
	})
	return addresses
}

// open binds a socket, to this port if it is free there.
func (m *Mux) open(a netip.Addr, port int) (*udpSocket, error) {
	conn, err := m.Listen(net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))))
	if err != nil && port != 0 {
		conn, err = m.Listen(net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	}
	if err != nil {
		return nil, err
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	// Less than wanted still works.
	_ = conn.SetReadBuffer(readBuffer)
	_ = conn.SetWriteBuffer(writeBuffer)
	many, err := batchudp.New(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &udpSocket{
		mux: m, conn: conn, local: local,
		many: many, burst: batchudp.NewOut(maxBatch), urgentMark: batchudp.NewMark(many, classAF41, classEF),
		ufrags: make(map[string]*udpConn), remotes: make(map[netip.AddrPort]*udpConn),
		queue: sendQueue{age: lineAge}, stuck: make(chan struct{}, 1), done: make(chan struct{}),
	}
	m.readers.Go(s.read)
	m.readers.Go(s.drain)
	return s, nil
}

// socket returns the socket of a local address, or nil.
func (m *Mux) socket(local netip.AddrPort) *udpSocket {
	for _, s := range *m.list.Load() {
		if s.local == local {
			return s
		}
	}
	for _, l := range *m.streams.list.Load() {
		if l.socket.local == local {
			return l.socket
		}
	}
	return nil
}

// Close closes the sockets and waits for their readers. It may be called twice.
func (m *Mux) Close() error {
	m.mu.Lock()
	var errs []error
	if !m.closed {
		m.closed = true
		for _, s := range m.sockets {
			errs = append(errs, s.conn.Close())
		}
		m.streams.wanted = false
		m.refreshStreams()
	}
	m.mu.Unlock()
	m.readers.Wait()
	return errors.Join(errs...)
}

// Usable reports whether the system gave us a socket.
func (m *Mux) Usable() bool { return len(m.addresses()) > 0 }

// Refusal returns why the system refused the last socket that was wanted, or nil if
// it opened one.
func (m *Mux) Refusal() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}
