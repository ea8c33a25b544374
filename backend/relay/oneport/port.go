package oneport

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
)

// Port accepts connections, counts them, and hands each to the listener of the
// protocol that it speaks.
type Port struct {
	listener net.Listener
	counts   *limit.PerAddress
	timeout  time.Duration // for the first byte
	proxies  *Proxies
	panics   *contain.Panics
	log      *slog.Logger
	plain    *subListener
	tls      *subListener
	closing  chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows
	open  map[*Conn]struct{}
	ended bool
}

// New takes connections from l until Stop. The first byte, and the header of a
// proxy before it, must come within timeout.
func New(l net.Listener, c *limit.PerAddress, timeout time.Duration, p *Proxies, panics *contain.Panics, log *slog.Logger) *Port {
	port := &Port{
		listener: l, counts: c, timeout: timeout, proxies: p, panics: panics, log: log,
		closing: make(chan struct{}), open: make(map[*Conn]struct{}),
	}
	port.plain = &subListener{port: port, ready: make(chan net.Conn), closed: make(chan struct{})}
	port.tls = &subListener{port: port, ready: make(chan net.Conn), closed: make(chan struct{})}
	port.wg.Go(port.accept)
	return port
}

// accept runs until Stop.
func (p *Port) accept() {
	pause := time.Duration(0)
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, or a connection that broke at once.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			p.log.Warn("relay: accept", "error", err)
			select {
			case <-time.After(pause):
				continue
			case <-p.closing:
				return
			}
		}
		pause = 0
		c := &Conn{Conn: raw, port: p, from: addrOf(raw.RemoteAddr())}
		if p.proxies.trust(c.from) {
			c.Conn = p.proxies.wrap(raw, p.timeout)
		}
		if !p.enter(c) {
			raw.Close()
			continue
		}
		p.wg.Go(func() {
			if !p.panics.Run(func() { p.route(c) }) {
				c.Close()
			}
		})
	}
}

// enter counts a connection. It reports false if there are too many.
func (p *Port) enter(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || !p.counts.Take(household.Of(c.from)) {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Port) leave(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	p.counts.Release(household.Of(c.from))
}

// move counts a connection for the address that a proxy has named. It reports
// false if that address has too many, or if the connection has ended.
func (p *Port) move(c *Conn, from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, open := p.open[c]; !open || !p.counts.Take(household.Of(from)) {
		return false
	}
	p.counts.Release(household.Of(c.from))
	c.from = from
	return true
}

// route reads the first byte and hands the connection to its listener.
func (p *Port) route(c *Conn) {
	if proxied, ok := c.Conn.(*proxyproto.Conn); ok {
		from, ok := p.proxies.source(proxied)
		if !ok || !p.move(c, from) {
			c.Close()
			return
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(p.timeout)) // an error shows at Read
	var first [1]byte
	if n, _ := c.Conn.Read(first[:]); n != 1 {
		c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	c.first, c.hasFirst = first[0], true
	switch sniff(first[0]) {
	case plainHTTP:
		p.plain.hand(c)
	case tlsHandshake:
		p.tls.hand(c)
	default:
		c.Close()
	}
}

// Plain returns the listener of plain HTTP.
func (p *Port) Plain() net.Listener { return p.plain }

// TLS returns the listener of TLS.
func (p *Port) TLS() net.Listener { return p.tls }

// Stop ends accepting. Open connections stay.
func (p *Port) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	close(p.closing)
	p.listener.Close()
}

// Cut closes every connection and waits for the Port's own goroutines. Call it
// after Stop.
func (p *Port) Cut() {
	p.mu.Lock()
	open := make([]*Conn, 0, len(p.open))
	for c := range p.open {
		open = append(open, c)
	}
	p.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	p.wg.Wait()
}

// Conn is one TCP connection whose first byte has been read.
type Conn struct {
	net.Conn
	port     *Port
	from     netip.Addr
	first    byte
	hasFirst bool
	once     sync.Once
	allow    atomic.Pointer[func(n int, now time.Time) bool] // nil means no limit
	tls      *tls.ConnectionState                            // set only if net/http can't see it; nil without TLS
}

// From returns the address that the connection comes from, or the zero Addr if
// that is not IP.
func (c *Conn) From() netip.Addr { return c.from }

// TLS returns the state of TLS if net/http can't see it, because a [TLSDemux]
// ended TLS. It returns nil if net/http can see it, and without TLS.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// Limit makes the connection ask allow about the bytes that arrive from now on.
// If allow says no, the connection ends with [ErrTooFast]. One goroutine reads at
// a time.
func (c *Conn) Limit(allow func(n int, now time.Time) bool) { c.allow.Store(&allow) }

// ErrTooFast is the end of a connection that sends more than it may.
var ErrTooFast error = fault.Newf(fault.TooFast, "more bytes than allowed")

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.hasFirst && len(p) > 0 {
		p[0], c.hasFirst = c.first, false
		return 1, nil
	}
	n, err := c.Conn.Read(p)
	if allow := c.allow.Load(); allow != nil && n > 0 && !(*allow)(n, time.Now()) {
		return 0, ErrTooFast
	}
	return n, err
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.port.leave(c)
		err = c.Conn.Close()
	})
	return err
}

type connKey struct{}

// ConnContext is http.Server's ConnContext. With it handlers find their
// connection beneath TLS and HTTP.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	for {
		switch v := c.(type) {
		case *Conn:
			return context.WithValue(ctx, connKey{}, v)
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return ctx
		}
	}
}

// ConnOf returns the connection that a request came by, or nil without
// [ConnContext].
func ConnOf(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// addrOf returns the address of a connection's other side, or the zero Addr if it
// is not IP.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
