package call

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
)

// udpMux carries the packets of all peer connections over one UDP port per
// local address, so that what is forwarded to many leaves in one system call.
// It is the ice.UDPMux of every peer, through [peerMux].
type udpMux struct {
	corks   atomic.Int32
	lister  func() []netip.Prefix                                  // localAddresses, but in tests
	listen  func(*net.UDPAddr) (*net.UDPConn, error)               // likewise: a socket of the system
	answers func(s *udpSocket, b []byte, from netip.AddrPort) bool // takes STUN responses that are not a peer's

	mu      sync.Mutex
	closed  bool
	asked   time.Time // when the machine's addresses were looked up
	current []netip.Prefix
	refused error // by the system, when a socket was last wanted; nil when one was opened since
	sockets map[netip.Addr]*udpSocket
	list    atomic.Pointer[[]*udpSocket]
	readers sync.WaitGroup
}

const (
	addressesAge = time.Second // how long a look at the interfaces is good
	readBuffer   = 4 << 20     // wanted; the system may give less
	writeBuffer  = 64 << 10    // see udpSocket.flush
	maxDatagram  = 1600
	maxQueue     = 128 // datagrams for one connection that pion has not read
	maxHeld      = 16  // addresses that a loopback connection waits for
	maxRemotes   = 128 // addresses of one connection
)

func newUDPMux() *udpMux {
	m := &udpMux{
		lister:  localAddresses,
		listen:  func(a *net.UDPAddr) (*net.UDPConn, error) { return net.ListenUDP("udp", a) },
		answers: func(*udpSocket, []byte, netip.AddrPort) bool { return false },
		sockets: make(map[netip.Addr]*udpSocket),
	}
	m.list.Store(new([]*udpSocket))
	return m
}

// cork holds back what is written from now on, uncork sends it. Corks of
// several goroutines may overlap.
func (m *udpMux) cork() { m.corks.Add(1) }

func (m *udpMux) uncork() {
	m.corks.Add(-1)
	for _, s := range *m.list.Load() {
		if s.pending.Load() > 0 {
			s.flush()
		}
	}
}

// addresses returns the local addresses, each with its socket. A machine that
// has changed networks gets new sockets; the old ones stay for whoever is
// connected through them.
func (m *udpMux) addresses() []*udpSocket {
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

// look looks at the machine's addresses now, and reports whether they are
// others than at the last look, or can be used for the first time.
func (m *udpMux) look() (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	return m.refresh()
}

// refresh opens sockets for new addresses, and closes those of addresses that
// have gone once nobody uses them. The caller holds the lock.
func (m *udpMux) refresh() (changed bool) {
	before, unusable := m.current, len(m.sockets) == 0
	m.current, m.asked = m.lister(), time.Now()
	// What one look finds shares a port. What a later one finds has another: a NAT
	// that remembers an address which has gone gives the same port behind a new one
	// a different port outside for each destination, as symmetric ones do.
	port := 0
	list := slices.Clone(*m.list.Load())
	for _, p := range m.current {
		a := p.Addr()
		if m.sockets[a] != nil {
			continue
		}
		s, err := m.open(a, port)
		if err != nil {
			m.refused = err
			continue // gone again, not ours to bind, or forbidden
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
		_ = s.conn.Close() // its address has gone, and so has what could fail
	}
	m.list.Store(&list)
	return !slices.Equal(before, m.current) || unusable && len(m.sockets) > 0
}

// owns reports whether a was among the machine's addresses at the last look.
// The caller holds the lock.
func (m *udpMux) owns(a netip.Addr) bool {
	return slices.ContainsFunc(m.current, func(p netip.Prefix) bool { return p.Addr() == a })
}

// has reports whether a was among the machine's addresses at the last look.
func (m *udpMux) has(a netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owns(a)
}

// broadcasts reports whether a reaches everybody on one of our networks.
func (m *udpMux) broadcasts(a netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.current, func(p netip.Prefix) bool {
		return a.Is4() && p.Bits() < 31 && p.Contains(a) &&
			(a == p.Masked().Addr() || !p.Contains(a.Next()))
	})
}

// localAddresses returns the addresses under which peers may reach this
// machine, loopback included: guests may be on this computer.
func localAddresses() []netip.Prefix {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addresses []netip.Prefix
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		bits, _ := n.Mask.Size()
		same := func(p netip.Prefix) bool { return p.Addr() == ip }
		// A link-local IPv6 address means nothing without its zone, which
		// candidates don't carry.
		if ok && !ip.IsUnspecified() && !ip.IsMulticast() && (ip.Is4() || !ip.IsLinkLocalUnicast()) &&
			!slices.ContainsFunc(addresses, same) {
			addresses = append(addresses, netip.PrefixFrom(ip, bits))
		}
	}
	// Of pairs of equal priority the agent takes the first: that of a network
	// before that of this computer alone.
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
func (m *udpMux) open(a netip.Addr, port int) (*udpSocket, error) {
	conn, err := m.listen(net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))))
	if err != nil && port != 0 {
		conn, err = m.listen(net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	}
	if err != nil {
		return nil, err
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	// Less than wanted still works.
	_ = conn.SetReadBuffer(readBuffer)
	_ = conn.SetWriteBuffer(writeBuffer)
	s := &udpSocket{
		mux: m, conn: conn, local: local,
		ufrags: make(map[string]*udpConn), remotes: make(map[netip.AddrPort]*udpConn),
		queue: sendQueue{age: lineAge}, stuck: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	m.readers.Go(s.read)
	m.readers.Go(s.drain)
	return s, nil
}

// socket returns the socket of a local address, or nil.
func (m *udpMux) socket(local netip.AddrPort) *udpSocket {
	for _, s := range *m.list.Load() {
		if s.local == local {
			return s
		}
	}
	return nil
}

func (m *udpMux) close() error {
	m.mu.Lock()
	var errs []error
	if !m.closed {
		m.closed = true
		for _, s := range m.sockets {
			errs = append(errs, s.conn.Close())
		}
	}
	m.mu.Unlock()
	m.readers.Wait()
	return errors.Join(errs...)
}

// udpSocket is the socket of one local address.
type udpSocket struct {
	mux   *udpMux
	conn  *net.UDPConn
	local netip.AddrPort
	io    socketIO    // of the system
	relay *allocation // nil for a socket of this machine; else conn is nil

	// rebound counts how often the NAT has given the socket another address.
	rebound atomic.Int32

	// Where datagrams go: by the address they come from, and until that is
	// known by the user name in the connectivity check.
	mu      sync.RWMutex
	ufrags  map[string]*udpConn
	remotes map[netip.AddrPort]*udpConn

	sendMu sync.Mutex // one batch at a time, so that order is kept
	out    []datagram // scratch
	queue  sendQueue
	stuck  chan struct{} // holds one: drain has something to do
	done   chan struct{} // closed when the socket is

	batchMu sync.Mutex
	urgent  []datagram // of the batch, what goes first
	batch   []datagram // and what follows
	pending atomic.Int32
}

// datagram is a packet to be sent. Its buffer belongs to the pool.
type datagram struct {
	buffer *[]byte
	to     netip.AddrPort

	// picture counts packets of pictures that found no room; nil for everything
	// else, which goes first.
	picture *atomic.Uint64
}

// free gives the buffer back.
func (d datagram) free() { buffers.Put(d.buffer) }

// drop gives the buffer of a picture back.
func (d datagram) drop() {
	d.picture.Add(1)
	d.free()
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, maxDatagram)
	return &b
}}

// queuedRetry is how long drain waits for a full line. The system wakes who waits for a
// socket only when half of its buffer is free, which takes long on a slow line.
const queuedRetry = time.Millisecond

const (
	maxBatch = 64
	lineAge  = 100 * time.Millisecond // that pictures may wait for a full line
)

// read takes what arrives until the socket is closed.
func (s *udpSocket) read() {
	r := newBatchReader(s)
	for {
		n, err := r.read()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			time.Sleep(time.Millisecond) // a peer's port is closed (ICMP): nobody else is concerned
			continue
		}
		s.mux.cork()
		for i := range n {
			b, from := r.datagram(i)
			s.receive(b, from)
		}
		s.mux.uncork()
	}
	close(s.done)
	s.shut()
}

// shut ends what connections read from the socket.
func (s *udpSocket) shut() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.ufrags {
		c.shut()
	}
}

// used reports whether a connection may use the socket.
func (s *udpSocket) used() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ufrags) > 0
}

// receive hands a datagram to its connection. b is valid only during the call.
func (s *udpSocket) receive(b []byte, from netip.AddrPort) {
	s.mu.RLock()
	c := s.remotes[from]
	s.mu.RUnlock()
	if stun.IsMessage(b) {
		if b[0]&1 != 0 && s.mux.answers(s, b, from) { // a response (RFC 8489 section 5)
			return
		}
		// A check that names another connection moves the address there: that
		// user name was told to one peer only.
		if named := s.named(b); named != nil && named != c {
			if !s.register(named, from) {
				return
			}
			c = named
			c.release(from)
		}
	}
	if c == nil {
		return
	}
	answer := isAnswer(b) && s.relay == nil
	if answer && !c.answeredBy(from) {
		return
	}
	c.deliver(b, from)
	if answer {
		c.answered()
	}
}

// isAnswer reports whether a datagram is a binding success response (RFC 8489
// section 5).
func isAnswer(b []byte) bool { return len(b) > 1 && b[0] == 1 && b[1] == 1 }

// named returns the connection that a binding request names (RFC 8445 section
// 7.2.2: the user name begins with the receiver's fragment), or nil.
func (s *udpSocket) named(b []byte) *udpConn {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return nil
	}
	var name stun.Username
	if name.GetFrom(&m) != nil {
		return nil
	}
	for i, c := range name {
		if c == ':' {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return s.ufrags[string(name[:i])]
		}
	}
	return nil
}

// register notes that an address is c's, and takes it from whoever had it. It
// returns false when c has too many: a peer has a few addresses, but can pretend
// to have any number.
func (s *udpSocket) register(c *udpConn, a netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.addresses >= maxRemotes {
		return false
	}
	if old := s.remotes[a]; old != nil {
		old.addresses--
	}
	s.remotes[a] = c
	c.addresses++
	return true
}

// knows notes that c talks to an address, unless another connection does. It
// returns false when nothing may be sent there yet: a loopback socket talks only
// to who has talked to it. Otherwise a pair of candidates with our loopback address
// could be nominated towards a browser that never sends to one (Firefox).
func (s *udpSocket) knows(c *udpConn, to netip.AddrPort) bool {
	s.mu.RLock()
	known := s.remotes[to]
	s.mu.RUnlock()
	if s.relay == nil && s.local.Addr().IsLoopback() {
		return known == c
	}
	if known != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remotes[to] == nil && !c.isClosed() && c.addresses < maxRemotes {
		s.remotes[to] = c
		c.addresses++
	}
	return true
}

// connection returns the connection of a user name fragment, new if need be.
func (s *udpSocket) connection(ufrag string, m peerMux) *udpConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.ufrags[ufrag]
	if c == nil {
		c = &udpConn{
			socket: s, ufrag: ufrag, take: m.take, answeredBy: m.answeredBy, answered: m.answered,
			filled: make(chan struct{}, 1), closed: make(chan struct{}),
		}
		s.ufrags[ufrag] = c
	}
	return c
}

func (s *udpSocket) forget(c *udpConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ufrags[c.ufrag] == c {
		delete(s.ufrags, c.ufrag)
	}
	for a, o := range s.remotes {
		if o == c {
			delete(s.remotes, a)
		}
	}
	c.addresses = 0
}

// send sends a buffer of the pool, at once or with the uncorking. It never blocks.
func (s *udpSocket) send(d datagram) {
	if s.relay != nil {
		s.relay.send(d)
		return
	}
	s.batchMu.Lock()
	if d.picture == nil {
		s.urgent = append(s.urgent, d)
	} else {
		s.batch = append(s.batch, d)
	}
	n := len(s.urgent) + len(s.batch)
	s.pending.Store(int32(n))
	s.batchMu.Unlock()
	if n >= maxBatch || s.mux.corks.Load() <= 0 {
		s.flush()
	}
}

// flush sends what is waiting for it. Whoever flushes reads for others, too, or
// would hold up those who do, so nobody waits here: what the system does not take at
// once goes into the queue, and drain sends that. The system's own buffer is small,
// so that most of what waits does so here, where sound overtakes pictures: 57 packets
// of pictures on Linux, 25 ms of a line of 20 Mbit/s.
func (s *udpSocket) flush() {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.batchMu.Lock()
	s.out = append(append(s.out[:0], s.urgent...), s.batch...)
	s.urgent, s.batch = s.urgent[:0], s.batch[:0]
	s.pending.Store(0)
	s.batchMu.Unlock()
	rest := s.out
	for len(rest) > 0 && s.queue.empty() {
		n := min(len(rest), maxBatch)
		sent := s.writeBatch(rest[:n])
		freeAll(rest[:sent])
		rest = rest[sent:]
		if sent < n {
			break
		}
	}
	if len(rest) == 0 {
		return
	}
	now := time.Now()
	for _, d := range rest {
		s.queue.put(d, now)
	}
	select {
	case s.stuck <- struct{}{}:
	default:
	}
}

func freeAll(sent []datagram) {
	for _, d := range sent {
		d.free()
	}
}

// drain sends what the line did not take at once, until the socket is closed.
func (s *udpSocket) drain() {
	defer func() {
		s.sendMu.Lock()
		defer s.sendMu.Unlock()
		s.queue.close()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.stuck:
		case <-s.done:
			return
		}
		for s.sendQueued() {
			timer.Reset(queuedRetry)
			select {
			case <-timer.C:
			case <-s.done:
				return
			}
		}
	}
}

// udpConn is one peer connection's part of a socket, as pion's agent sees it.
type udpConn struct {
	socket *udpSocket
	ufrag  string
	// take gets media, unless it returns false; then pion does.
	take func([]byte) bool
	// answeredBy is asked whether an answer to a check is to be handed over;
	// answered is called when it was.
	answeredBy func(from netip.AddrPort) bool
	answered   func()

	addresses int // in socket.remotes; guarded by its lock

	mu     sync.Mutex
	queue  []arrived
	held   []datagram // see udpSocket.knows
	filled chan struct{}
	closed chan struct{}
	shutMu sync.Once
}

type arrived struct {
	buffer *[]byte
	from   netip.AddrPort
}

// deliver hands over a datagram. Media is taken on this goroutine; checks and
// handshakes wait for pion.
func (c *udpConn) deliver(b []byte, from netip.AddrPort) {
	if len(b) > 0 && b[0] >= 128 && b[0] < 192 && c.take(b) { // RFC 7983
		return
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = append((*buffer)[:0], b...)
	c.mu.Lock()
	full := len(c.queue) >= maxQueue
	if !full {
		c.queue = append(c.queue, arrived{buffer, from})
	}
	c.mu.Unlock()
	if full {
		buffers.Put(buffer)
		return
	}
	select {
	case c.filled <- struct{}{}:
	default:
	}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *udpConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			first := c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			c.mu.Unlock()
			n := copy(b, *first.buffer)
			buffers.Put(first.buffer)
			return n, first.from, nil
		}
		c.mu.Unlock()
		select {
		case <-c.filled:
		case <-c.closed:
			return 0, netip.AddrPort{}, io.EOF
		}
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *udpConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.isClosed() {
		return 0, io.ErrClosedPipe
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if len(b) > maxDatagram || to.Addr().Is4() != c.socket.local.Addr().Is4() {
		return 0, errors.New("datagram for another network")
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = append((*buffer)[:0], b...)
	if c.socket.knows(c, to) {
		c.socket.send(datagram{buffer: buffer, to: to})
	} else {
		c.hold(datagram{buffer: buffer, to: to})
	}
	return len(b), nil
}

// hold keeps the newest datagram for an address that may not be written to yet.
func (c *udpConn) hold(d datagram) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.held {
		if c.held[i].to == d.to {
			buffers.Put(c.held[i].buffer)
			c.held[i] = d
			return
		}
	}
	if len(c.held) == maxHeld {
		buffers.Put(d.buffer)
		return
	}
	c.held = append(c.held, d)
}

// release sends what was held for an address.
func (c *udpConn) release(to netip.AddrPort) {
	c.mu.Lock()
	i := slices.IndexFunc(c.held, func(d datagram) bool { return d.to == to })
	var d datagram
	if i >= 0 {
		d = c.held[i]
		c.held = slices.Delete(c.held, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 {
		c.socket.send(d)
	}
}

// ReadFrom implements [net.PacketConn].
func (c *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements [net.PacketConn].
func (c *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	return c.WriteToAddrPort(b, a.AddrPort())
}

// LocalAddr implements [net.PacketConn].
func (c *udpConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.socket.local) }

// SetDeadline implements [net.PacketConn]. The agent sets one to end reading,
// and closes right after, which does.
func (c *udpConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.PacketConn].
func (c *udpConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.PacketConn].
func (c *udpConn) SetWriteDeadline(time.Time) error { return nil }

// Close implements [net.PacketConn]. It may be called twice.
func (c *udpConn) Close() error {
	c.shut()
	c.socket.forget(c)
	return nil
}

func (c *udpConn) shut() { c.shutMu.Do(func() { close(c.closed) }) }

func (c *udpConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// peerMux is the mux as one peer's agent sees it.
type peerMux struct {
	mux        *udpMux
	take       func([]byte) bool
	answeredBy func(from netip.AddrPort) bool
	answered   func()

	// relay returns the socket at a TURN server, nil for none. With relayOnly
	// there is no other.
	relay     func() *udpSocket
	relayOnly bool

	elsewhere bool // the other side is not on this computer
}

// sockets returns those that the peer may use now, the best first.
func (m peerMux) sockets() (sockets []*udpSocket) {
	if !m.relayOnly {
		sockets = m.mux.addresses()
	}
	if m.elsewhere {
		sockets = slices.DeleteFunc(sockets, func(s *udpSocket) bool { return s.local.Addr().IsLoopback() })
	}
	if r := m.relay(); r != nil {
		sockets = append(sockets, r)
	}
	return sockets
}

// socket returns the socket of a local address, or nil.
func (m peerMux) socket(local netip.AddrPort) *udpSocket {
	if r := m.relay(); r != nil && r.local == local {
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
	if r := m.relay(); r != nil {
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
