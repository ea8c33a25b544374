package turn

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

const (
	streamRead = 16 << 10
	maxPending = 256 << 10 // bytes that may wait for a stream's client
	keptSpare  = 32 << 10  // bytes of that memory that are kept between two bursts
)

// streamTimes are how long a stream may take for each thing.
type streamTimes struct {
	idle  time.Duration // without an allocation
	frame time.Duration // from a frame's first byte to its last
	write time.Duration // for writing what is pending
}

var defaultStreamTimes = streamTimes{idle: 30 * time.Second, frame: 10 * time.Second, write: 10 * time.Second}

// stream is a connection of TCP or TLS. It is the net.Conn that pion holds, and
// its Read returns whole STUN messages, one at a time. Pion's own splitting would
// wait for a ninth byte, and keep in memory whatever comes.
type stream struct {
	server   *Server
	conn     net.Conn
	ends     ends
	messages chan []byte // for pion
	handling handling
	closed   chan struct{}
	once     sync.Once

	mu         sync.Mutex // guards what follows
	allocation *allocation
	idle       time.Time // since when it has had no allocation
	partial    time.Time // since when a frame lacks its end; zero if none does

	out     sync.Mutex // guards pending
	pending []byte
	filled  chan struct{} // buffered 1; full means that something is pending
}

func newStream(s *Server, conn net.Conn, at ends) *stream {
	return &stream{
		server: s, conn: conn, ends: at, idle: time.Now(),
		messages: make(chan []byte, 16), closed: make(chan struct{}), filled: make(chan struct{}, 1),
	}
}

// read takes what the client sends, until the stream ends.
func (s *stream) read() {
	defer s.Close()
	buffer := make([]byte, streamRead)
	filled := 0
	for {
		a := s.await(filled > 0)
		n, err := s.conn.Read(buffer[filled:])
		if err != nil {
			if isTimeout(err) {
				s.server.refuse(RefusedTooSlow)
			}
			return
		}
		if a == nil {
			a = s.owned() // pion may have made it meanwhile
		}
		filled += n
		used, err := s.take(buffer[:filled], a)
		if err != nil {
			return
		}
		if used > 0 {
			s.complete()
		}
		filled = copy(buffer, buffer[used:filled])
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// take relays the whole frames at the start of b, and returns their size.
func (s *stream) take(b []byte, a *allocation) (used int, err error) {
	batch := batches.Get().(*batch)
	defer batch.release()
	var bytes, packets int
	defer func() {
		if packets > 0 {
			a.count(&s.server.up, bytes, packets)
			batch.out.Flush(a.socket.many)
		}
	}()
	for {
		size, err := frameSize(b[used:])
		if err != nil {
			s.server.refuse(refusalOf(err))
			return used, err
		}
		if size == 0 || size > len(b)-used {
			return used, nil
		}
		frame := b[used : used+size]
		used += size
		switch {
		case isSTUN(frame[0]):
			if err := s.ask(a, frame); err != nil {
				return used, err
			}
		case a == nil || a.ended.Load():
			s.server.refuse(RefusedUnpermitted)
		default:
			if n, ok := a.fromClient(batch.out, frame); ok {
				bytes += n
				packets++
			}
		}
	}
}

// ask passes a STUN message to pion, and waits until pion takes it.
func (s *stream) ask(a *allocation, message []byte) error {
	now := time.Now()
	var allowed bool
	if a != nil {
		allowed = a.mayAsk(now)
	} else {
		allowed = s.server.strangers.Allow(household.Of(s.ends.remote.Addr()), now)
	}
	if !allowed {
		s.server.refuse(RefusedTooFast)
		return errTooFast
	}
	select {
	case s.messages <- append([]byte(nil), message...):
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

// await sets how long the next bytes may take, and returns the allocation.
func (s *stream) await(partial bool) *allocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if partial && s.partial.IsZero() {
		s.partial = time.Now()
	}
	s.rearm()
	return s.allocation
}

// complete records that a whole frame has come.
func (s *stream) complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partial = time.Time{}
}

// rearm sets the deadline for reading. The caller holds the lock.
func (s *stream) rearm() {
	var until time.Time
	if s.allocation == nil {
		until = s.idle.Add(s.server.streamTimes.idle)
	}
	if !s.partial.IsZero() {
		if end := s.partial.Add(s.server.streamTimes.frame); until.IsZero() || end.Before(until) {
			until = end
		}
	}
	_ = s.conn.SetReadDeadline(until) // an error shows at Read
}

func (s *stream) owned() *allocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allocation
}

// own gives the stream its allocation.
func (s *stream) own(a *allocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.ended.Load() {
		s.allocation = a
		s.rearm()
	}
}

// disown takes the allocation away. For streamTimes.idle, the client may ask for
// another.
func (s *stream) disown(a *allocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.allocation == a {
		s.allocation, s.idle = nil, time.Now()
		s.rearm()
	}
}

// offer queues a frame for write, padded (RFC 8656 section 12.5). It returns
// false if too much is pending. The frame is lost then, as on the network, so
// that nothing waits for a client that does not read.
func (s *stream) offer(frame []byte) bool {
	s.out.Lock()
	if len(s.pending)+len(frame)+3 > maxPending {
		s.out.Unlock()
		return false
	}
	s.pending = append(s.pending, frame...)
	for len(s.pending)%4 != 0 {
		s.pending = append(s.pending, 0)
	}
	s.out.Unlock()
	select {
	case s.filled <- struct{}{}:
	default:
	}
	return true
}

// write sends what is offered, as much at once as there is, until the stream
// ends.
func (s *stream) write() {
	defer s.Close()
	var spare []byte
	for {
		select {
		case <-s.filled:
		case <-s.closed:
			return
		}
		s.out.Lock()
		now := s.pending
		s.pending = spare[:0]
		s.out.Unlock()
		_ = s.conn.SetWriteDeadline(time.Now().Add(s.server.streamTimes.write)) // an error shows at Write
		if _, err := s.conn.Write(now); err != nil {
			if isTimeout(err) {
				s.server.refuse(RefusedTooSlow)
			}
			return
		}
		if spare = now; cap(spare) > keptSpare {
			spare = nil
		}
	}
}

// Read implements net.Conn for pion.
func (s *stream) Read(p []byte) (int, error) {
	s.handling.done()
	select {
	case m := <-s.messages:
		if len(m) > len(p) {
			return 0, io.ErrShortBuffer
		}
		s.handling.begin()
		return copy(p, m), nil
	case <-s.closed:
		return 0, net.ErrClosed
	}
}

// Write implements net.Conn for pion.
func (s *stream) Write(p []byte) (int, error) {
	if a := s.owned(); a != nil {
		a.answered(p)
	}
	if !s.offer(p) {
		s.Close() // an answer must not be lost
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// Close implements net.Conn. It may be called twice.
func (s *stream) Close() error {
	s.once.Do(func() {
		close(s.closed)
		if c, ok := s.conn.(interface{ NetConn() net.Conn }); ok {
			c.NetConn().Close() // TLS would wait up to 5 s to say goodbye
		}
		s.conn.Close()
		if a := s.owned(); a != nil {
			a.end()
		}
		s.server.forgetStream(s)
	})
	return nil
}

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// SetDeadline implements net.Conn. Pion sets none.
func (s *stream) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// streamListener is the net.Listener from which pion gets the streams.
type streamListener struct {
	ready   chan *stream
	closing chan struct{}
	once    sync.Once
}

func newStreamListener() *streamListener {
	return &streamListener{ready: make(chan *stream), closing: make(chan struct{})}
}

func (l *streamListener) hand(s *stream) {
	select {
	case l.ready <- s:
	case <-l.closing:
		s.Close()
	}
}

// Accept implements net.Listener.
func (l *streamListener) Accept() (net.Conn, error) {
	select {
	case s := <-l.ready:
		return s, nil
	case <-l.closing:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called twice.
func (l *streamListener) Close() error {
	l.once.Do(func() { close(l.closing) })
	return nil
}

// Addr implements net.Listener. Pion does not call it.
func (l *streamListener) Addr() net.Addr { return &net.TCPAddr{} }
