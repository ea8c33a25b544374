package path

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"

	"github.com/porch-call/porch/backend/kit/batchudp"
)

// udpSocket is the socket of one local address.
type udpSocket struct {
	mux   *Mux
	conn  *net.UDPConn
	local netip.AddrPort
	many  *batchudp.Conn // conn, for many datagrams at once
	relay *TURNSocket    // nil for a socket of this machine; else conn is nil

	streams *streamListener // takes streams in place of datagrams; nil for other sockets; else conn is nil

	// rebound counts how often the NAT has given the socket another address.
	rebound atomic.Int32
	stalls  atomic.Uint32 // see Route.Stalls
	overrun uint32        // see Mux.Entrance

	// Where datagrams go: by the address they come from, and until that is
	// known by the user name in the connectivity check.
	mu      sync.RWMutex
	ufrags  map[string]*udpConn
	remotes map[netip.AddrPort]*udpConn

	sendMu sync.Mutex // one batch at a time, so that order is kept
	out    []datagram // scratch
	burst  *batchudp.Out
	queue  sendQueue
	stuck  chan struct{} // holds one: drain has something to do
	done   chan struct{} // closed when the socket is

	// urgentMark marks sound, and checks like it (RFC 8445 section 7.2.2). The socket
	// itself marks the rest, pictures: a control message costs the system time, and most
	// datagrams are pictures. nil where the system takes no marks.
	urgentMark *batchudp.Mark

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

// drop gives the buffer back of what found no room. Pictures are counted.
func (d datagram) drop() {
	if d.picture != nil {
		d.picture.Add(1)
	}
	d.free()
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, maxDatagram)
	return &b
}}

// queuedRetry is how long drain waits for a full line. The system wakes who waits for a
// socket only when half of its buffer is free, which takes long on a slow line.
const queuedRetry = time.Millisecond

// Traffic classes (RFC 8837 section 5).
const (
	classEF   = 46 << 2 // sound
	classAF41 = 34 << 2 // pictures
)

const (
	maxDatagram = 1600
	maxRemotes  = 128                    // addresses of one connection
	maxBatch    = 64                     // datagrams sent with one system call
	readBatch   = 32                     // datagrams read with one system call
	lineAge     = 100 * time.Millisecond // that pictures may wait for a full line
)

// incoming is the memory of one read. A socket has one.
type incoming struct {
	buffers [][]byte
	in      *batchudp.In
}

func newIncoming() *incoming {
	b := make([][]byte, readBatch)
	for i := range b {
		b[i] = make([]byte, maxDatagram)
	}
	return &incoming{buffers: b, in: batchudp.NewIn(b)}
}

// Incoming returns what a read fills.
func (b *incoming) Incoming() *batchudp.In { return b.in }

// read takes what arrives until the socket is closed.
func (s *udpSocket) read() {
	batch := newIncoming()
	r := batchudp.NewReader(s.many, func() *incoming { return batch }, func(*incoming) {})
	for {
		_, n, err := r.Read()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			time.Sleep(time.Millisecond) // a peer's port is closed (ICMP): nobody else is concerned
			continue
		}
		s.mux.Cork()
		for i := range n {
			if size, from, whole := batch.in.Datagram(i); whole {
				s.receive(batch.buffers[i][:size], from)
			}
		}
		s.mux.Uncork()
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
		c = s.check(b, from, c)
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

// register notes that an address is c's, and takes it from whoever had it. It
// returns false when c has too many: a peer has a few addresses, but can pretend
// to have any number.
func (s *udpSocket) register(c *udpConn, a netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.addresses >= maxRemotes || s.streams != nil && c.addresses >= maxPeerStreams {
		return false
	}
	if old := s.remotes[a]; old != nil {
		old.addresses--
	}
	s.remotes[a] = c
	c.addresses++
	return true
}

// answersOnly reports whether the socket talks only to who has talked to it: one that takes streams, and a loopback
// socket. Otherwise a pair of candidates with our loopback address could be nominated towards a browser that never sends
// to one (Firefox).
func (s *udpSocket) answersOnly() bool {
	return s.streams != nil || s.relay == nil && s.local.Addr().IsLoopback()
}

// knows notes that c talks to an address, unless another connection does. It
// returns false when nothing may be sent there yet: see answersOnly.
func (s *udpSocket) knows(c *udpConn, to netip.AddrPort) bool {
	s.mu.RLock()
	known := s.remotes[to]
	s.mu.RUnlock()
	if s.answersOnly() {
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
func (s *udpSocket) connection(ufrag string, m PeerMux) *udpConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.ufrags[ufrag]
	if c == nil {
		c = &udpConn{
			socket: s, ufrag: ufrag, take: m.Take, answeredBy: m.AnsweredBy, answered: m.Answered,
			vouch: m.Vouch, filled: make(chan struct{}, 1), closed: make(chan struct{}),
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
		if o != c {
			continue
		}
		delete(s.remotes, a)
		if s.streams != nil {
			s.streams.end(a)
		}
	}
	c.addresses = 0
}

// release forgets an address, because its stream has ended.
func (s *udpSocket) release(a netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.remotes[a]; c != nil {
		delete(s.remotes, a)
		c.addresses--
	}
}

// send sends a buffer of the pool, at once or with the uncorking. It never blocks.
func (s *udpSocket) send(d datagram) {
	switch {
	case s.relay != nil:
		s.relay.send(d)
		return
	case s.streams != nil:
		s.streams.send(d)
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

// writeBatch sends at most maxBatch datagrams, as far as the system takes them at once,
// and returns how many are done with. One that the system refuses is lost, as on the
// network. The caller holds sendMu.
func (s *udpSocket) writeBatch(batch []datagram) (done int) {
	for _, d := range batch {
		mark := s.urgentMark
		if d.picture != nil {
			mark = nil
		}
		s.burst.AddMarked(s.many, *d.buffer, d.to, mark)
	}
	return s.burst.Try(s.many)
}

// stallAfter is how long something must wait until the line counts as full, and not only a burst as too long for the
// system's buffer.
const stallAfter = 20 * time.Millisecond

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
	if s.queue.waited(now) > stallAfter {
		s.stalls.Add(1)
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
