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
	g := &Port{
		listener: l, counts: c, timeout: timeout, proxies: p, panics: panics, log: log,
		closing: make(chan struct{}), open: make(map[*Conn]struct{}),
	}
	g.plain = &subListener{g: g, ready: make(chan net.Conn), closed: make(chan struct{})}
	g.tls = &subListener{g: g, ready: make(chan net.Conn), closed: make(chan struct{})}
	g.wg.Go(g.accept)
	return g
}

// accept runs until Stop.
func (g *Port) accept() {
	pause := time.Duration(0)
	for {
		raw, err := g.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, or a connection that broke at once.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.log.Warn("relay: accept", "error", err)
			select {
			case <-time.After(pause):
				continue
			case <-g.closing:
				return
			}
		}
		pause = 0
		c := &Conn{Conn: raw, g: g, from: addrOf(raw.RemoteAddr())}
		if g.proxies.trust(c.from) {
			c.Conn = g.proxies.wrap(raw, g.timeout)
		}
		if !g.enter(c) {
			raw.Close()
			continue
		}
		g.wg.Go(func() {
			if !g.panics.Run(func() { g.route(c) }) {
				c.Close()
			}
		})
	}
}

// enter counts a connection. It reports false if there are too many.
func (g *Port) enter(c *Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || !g.counts.Take(household.Of(c.from)) {
		return false
	}
	g.open[c] = struct{}{}
	return true
}

func (g *Port) leave(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
	g.counts.Release(household.Of(c.from))
}

// move counts a connection for the address that a proxy has named. It reports
// false if that address has too many, or if the connection has ended.
func (g *Port) move(c *Conn, from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, open := g.open[c]; !open || !g.counts.Take(household.Of(from)) {
		return false
	}
	g.counts.Release(household.Of(c.from))
	c.from = from
	return true
}

// route reads the first byte and hands the connection to its listener.
func (g *Port) route(c *Conn) {
	if p, ok := c.Conn.(*proxyproto.Conn); ok {
		from, ok := g.proxies.source(p)
		if !ok || !g.move(c, from) {
			c.Close()
			return
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(g.timeout)) // an error shows at Read
	var first [1]byte
	if n, _ := c.Conn.Read(first[:]); n != 1 {
		c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	c.first, c.hasFirst = first[0], true
	switch sniff(first[0]) {
	case plainHTTP:
		g.plain.hand(c)
	case tlsHandshake:
		g.tls.hand(c)
	default:
		c.Close()
	}
}

// Plain returns the listener of plain HTTP.
func (g *Port) Plain() net.Listener { return g.plain }

// TLS returns the listener of TLS.
func (g *Port) TLS() net.Listener { return g.tls }

// Stop ends accepting. Open connections stay.
func (g *Port) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.ended = true
	close(g.closing)
	g.listener.Close()
}

// Cut closes every connection and waits for the Port's own goroutines. Call it
// after Stop.
func (g *Port) Cut() {
	g.mu.Lock()
	open := make([]*Conn, 0, len(g.open))
	for c := range g.open {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	g.wg.Wait()
}

// Conn is one TCP connection whose first byte has been read.
type Conn struct {
	net.Conn
	g        *Port
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
var ErrTooFast = errors.New("relay: more bytes than allowed")

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
		c.g.leave(c)
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
