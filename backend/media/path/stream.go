package path

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/icecheck"
)

// ICE over TCP (RFC 6544) for guests whose networks block UDP: their browsers connect to us, and what would be datagrams
// comes as frames (RFC 4571). To Pion, a listener is one more UDP socket, and a stream one more remote address.

// StreamPort stands in place of a port in the local address by which a listener is known to Pion, so that it differs from
// that of the UDP socket at the same address and port. Nothing is ever sent to it (RFC 863).
const StreamPort = 9

const (
	maxOpenStreams  = 512             // of all listeners
	maxUnproved     = 64              // of them, on which we have sent nothing yet
	unprovedPerHome = 4               // of one address (IPv6: one /64)
	maxPeerStreams  = 8               // of one connection: a browser opens one for each of its ways
	proveWithin     = 3 * time.Second // from the connection to our first byte
	maxFirst        = 600             // bytes of a frame until then
	streamIdle      = time.Minute     // without a frame; browsers check every few seconds (RFC 7675)
	frameHeader     = 2               // bytes: the size of what follows
	maxStreamWrite  = 16 << 10        // bytes of frames that are written at once
)

// streams are all streams of a mux.
type streams struct {
	wanted    bool                           // guarded by Mux.mu
	listeners map[netip.Addr]*streamListener // guarded by Mux.mu
	list      atomic.Pointer[[]*streamListener]
	changed   chan struct{} // buffered 1; full means that news wait

	mu       sync.Mutex // guards what follows; no other lock is taken under it
	all      int
	unproved []*stream // the oldest first
	homes    *household.Tally[netip.Prefix]
}

func newStreams() *streams {
	t := &streams{
		listeners: make(map[netip.Addr]*streamListener), changed: make(chan struct{}, 1), homes: household.ByPrefix(),
	}
	t.list.Store(new([]*streamListener))
	return t
}

// enter counts a stream, if there is room. It returns the stream that gives way to it, if one must: strangers who say
// nothing must not keep guests out.
func (t *streams) enter(s *stream) (gone *stream, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all >= maxOpenStreams || !t.homes.Room(s.home, unprovedPerHome) {
		return nil, false
	}
	if len(t.unproved) == maxUnproved {
		gone = t.unproved[0]
		t.settle(gone)
	}
	t.all++
	t.homes.Add(s.home)
	t.unproved = append(t.unproved, s)
	return gone, true
}

// settle stops counting a stream as unproved. The caller holds the lock.
func (t *streams) settle(s *stream) {
	if i := slices.Index(t.unproved, s); i >= 0 {
		t.unproved = slices.Delete(t.unproved, i, i+1)
		t.homes.Drop(s.home)
	}
}

func (t *streams) leave(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all--
	t.settle(s)
}

// ListenStreams begins or ends to take streams, at the ports of the sockets as far as they are free.
func (m *Mux) ListenStreams(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams.wanted = on
	if !m.closed {
		m.refreshStreams()
	}
}

// StreamsChanged receives after the addresses at which streams are taken have changed. It is one channel for one reader.
func (m *Mux) StreamsChanged() <-chan struct{} { return m.streams.changed }

// StreamsAt returns the port at which streams are taken at one of this machine's addresses, or 0.
func (m *Mux) StreamsAt(local netip.Addr) uint16 {
	for _, l := range *m.streams.list.Load() {
		if l.socket.local.Addr() == local {
			return l.port
		}
	}
	return 0
}

// refreshStreams opens and closes listeners. The caller holds the lock.
func (m *Mux) refreshStreams() {
	t := m.streams
	list, changed := slices.Clone(*t.list.Load()), false
	for _, p := range m.current {
		a := p.Addr()
		s := m.sockets[a]
		if !t.wanted || s == nil || t.listeners[a] != nil {
			continue
		}
		l, err := m.listenStreams(s.local)
		if err != nil {
			continue // another program has the port; then there are no streams here
		}
		t.listeners[a] = l
		list, changed = append(list, l), true
	}
	for a, l := range t.listeners {
		if t.wanted && (m.owns(a) || l.socket.used()) { // as for the other sockets
			continue
		}
		delete(t.listeners, a)
		list, changed = slices.DeleteFunc(list, func(o *streamListener) bool { return o == l }), true
		l.close()
	}
	if !changed {
		return
	}
	t.list.Store(&list)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// streamListener takes streams at one local address.
type streamListener struct {
	mux      *Mux
	listener *net.TCPListener
	port     uint16
	socket   *udpSocket

	mu     sync.Mutex
	closed bool
	open   map[netip.AddrPort]*stream
}

func (m *Mux) listenStreams(at netip.AddrPort) (*streamListener, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	l := &streamListener{mux: m, listener: listener, port: at.Port(), open: make(map[netip.AddrPort]*stream)}
	l.socket = &udpSocket{
		mux: m, streams: l, local: netip.AddrPortFrom(at.Addr(), StreamPort),
		ufrags: make(map[string]*udpConn), remotes: make(map[netip.AddrPort]*udpConn),
	}
	m.readers.Go(l.accept)
	return l, nil
}

func (l *streamListener) accept() {
	for {
		conn, err := l.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptors are left: those of others will be
			continue
		}
		l.take(conn)
	}
}

func (l *streamListener) take(conn *net.TCPConn) {
	remote, _ := addrPortOf(conn.RemoteAddr())
	s := &stream{
		listener: l, conn: conn, remote: remote, home: household.Of(remote.Addr()),
		queue: sendQueue{age: relayAge}, filled: make(chan struct{}, 1), over: make(chan struct{}),
	}
	_ = conn.SetReadDeadline(time.Now().Add(proveWithin)) // fails if it is lost already
	keepShort(conn)
	gone, ok := l.mux.streams.enter(s)
	if gone != nil {
		gone.close()
	}
	l.mu.Lock()
	if ok && !l.closed {
		l.open[remote] = s
		l.mux.readers.Go(s.read)
		l.mux.readers.Go(s.write)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	if ok {
		l.mux.streams.leave(s)
	}
	_ = conn.Close()
}

// close ends the listener and all its streams. Mux.Close waits for their goroutines.
func (l *streamListener) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.closed = true
	all := make([]*stream, 0, len(l.open))
	for _, s := range l.open {
		all = append(all, s)
	}
	l.mu.Unlock()
	for _, s := range all {
		s.close()
	}
	l.socket.shut()
}

func (l *streamListener) at(remote netip.AddrPort) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[remote]
}

// send sends a buffer of the pool. It never blocks.
func (l *streamListener) send(d datagram) {
	if s := l.at(d.to); s != nil {
		s.send(d)
		return
	}
	d.free()
}

// end closes the stream of an address, if there is one.
func (l *streamListener) end(remote netip.AddrPort) {
	if s := l.at(remote); s != nil {
		s.close()
	}
}

// stream is one guest's connection, or a stranger's until its time is over.
type stream struct {
	listener *streamListener
	conn     *net.TCPConn
	remote   netip.AddrPort
	home     netip.Prefix
	proved   atomic.Bool // we have sent something, which Pion and package door do only to who holds a password
	once     sync.Once
	over     chan struct{} // closed with the stream

	mu     sync.Mutex
	queue  sendQueue
	filled chan struct{} // buffered 1; full means that write is woken already
}

func (s *stream) close() {
	s.once.Do(func() {
		close(s.over)
		_ = s.conn.Close()
	})
}

// read passes frames on until the stream ends. A stranger's may be checks only.
func (s *stream) read() {
	l := s.listener
	defer func() {
		s.close()
		l.mu.Lock()
		if l.open[s.remote] == s { // and not a later stream from there
			delete(l.open, s.remote)
			l.socket.release(s.remote)
		}
		l.mu.Unlock()
		l.mux.streams.leave(s)
	}()
	in := bufio.NewReaderSize(s.conn, maxDatagram)
	buffer := make([]byte, maxDatagram)
	var extended time.Time
	for {
		if now := time.Now(); s.proved.Load() && now.Sub(extended) > time.Second {
			extended = now
			_ = s.conn.SetReadDeadline(now.Add(streamIdle))
		}
		b, err := readFrame(in, buffer, s.most)
		if err != nil {
			return
		}
		if !s.proved.Load() {
			if _, isCheck := icecheck.Read(b); !isCheck {
				return
			}
		}
		l.mux.Cork()
		l.socket.receive(b, s.remote)
		l.mux.Uncork()
	}
}

var errFrame = errors.New("a frame of no size, or too large")

// most returns how many bytes a frame may have that begins now.
func (s *stream) most() int {
	if s.proved.Load() {
		return maxDatagram
	}
	return maxFirst
}

// readFrame reads a frame (RFC 4571 section 2) into b, which it returns as long as the frame is. It asks for its largest
// size once a frame has begun, because who waits for one may have been proved meanwhile.
func readFrame(r io.Reader, b []byte, most func() int) ([]byte, error) {
	if _, err := io.ReadFull(r, b[:frameHeader]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(b))
	if size == 0 || size > min(most(), len(b)) {
		return nil, errFrame
	}
	_, err := io.ReadFull(r, b[:size])
	return b[:size], err
}

// send queues a buffer of the pool. That it has to wait says that this guest is slow, and nothing of our line: it does not
// count as a stall of the route, which slows down what leaves for all.
func (s *stream) send(d datagram) {
	if !s.proved.Swap(true) {
		t := s.listener.mux.streams
		t.mu.Lock()
		t.settle(s)
		t.mu.Unlock()
		_ = s.conn.SetReadDeadline(time.Now().Add(streamIdle))
	}
	s.mu.Lock()
	s.queue.put(d, time.Now())
	s.mu.Unlock()
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// write sends what is queued. A guest who takes nothing for relayStall is cut off.
func (s *stream) write() {
	defer func() {
		s.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.close()
	}()
	out := impatient{s.conn}
	var b []byte
	for {
		select {
		case <-s.filled:
		case <-s.over:
			return
		}
		for b = s.frames(b[:0]); len(b) > 0; b = s.frames(b[:0]) {
			if _, err := out.Write(b); err != nil {
				return
			}
		}
	}
}

// frames appends to b what waits, at most maxStreamWrite bytes.
func (s *stream) frames(b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(b) < maxStreamWrite-maxDatagram {
		d, ok := s.queue.take(now)
		if !ok {
			break
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(*d.buffer))), *d.buffer...)
		d.free()
	}
	return b
}
