package relay

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
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/relay/switchboard"
)

// gate accepts connections, counts them, and hands them on by what they
// speak: one port, two listeners.
type gate struct {
	listener net.Listener
	counts   *limit.PerAddress
	timeout  time.Duration // for the first byte
	proxies  *proxies
	panics   *contain.Panics
	log      *slog.Logger
	plain    *lane
	tls      *lane
	closing  chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex
	open  map[*connection]struct{}
	ended bool
}

func newGate(l net.Listener, c *limit.PerAddress, timeout time.Duration, p *proxies, panics *contain.Panics, log *slog.Logger) *gate {
	g := &gate{
		listener: l, counts: c, timeout: timeout, proxies: p, panics: panics, log: log,
		closing: make(chan struct{}), open: make(map[*connection]struct{}),
	}
	g.plain = &lane{g: g, ready: make(chan net.Conn), closed: make(chan struct{})}
	g.tls = &lane{g: g, ready: make(chan net.Conn), closed: make(chan struct{})}
	g.wg.Go(g.accept)
	return g
}

// accept runs until stop.
func (g *gate) accept() {
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
		c := &connection{Conn: raw, g: g, from: addrOf(raw.RemoteAddr())}
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

// enter registers a connection, unless there are too many.
func (g *gate) enter(c *connection) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || !g.counts.Take(household.Of(c.from)) {
		return false
	}
	g.open[c] = struct{}{}
	return true
}

func (g *gate) leave(c *connection) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
	g.counts.Release(household.Of(c.from))
}

// move counts a connection for the address that a proxy has named, unless that
// has too many or the connection has ended.
func (g *gate) move(c *connection, from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, open := g.open[c]; !open || !g.counts.Take(household.Of(from)) {
		return false
	}
	g.counts.Release(household.Of(c.from))
	c.from = from
	return true
}

// route reads the first byte and hands the connection to its lane.
func (g *gate) route(c *connection) {
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

// stop ends accepting. Connections that are open stay.
func (g *gate) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	g.ended = true
	close(g.closing)
	g.listener.Close()
}

// cut closes every connection and waits for the gate's own goroutines. It
// comes after stop.
func (g *gate) cut() {
	g.mu.Lock()
	open := make([]*connection, 0, len(g.open))
	for c := range g.open {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	g.wg.Wait()
}

// lane is the net.Listener of one protocol.
type lane struct {
	g      *gate
	ready  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *lane) hand(c *connection) {
	select {
	case l.ready <- c:
	case <-l.closed:
		c.Close()
	case <-l.g.closing:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *lane) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-l.g.closing:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *lane) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *lane) Addr() net.Addr { return l.g.listener.Addr() }

// connection is one TCP connection, whose first byte has been looked at.
type connection struct {
	net.Conn
	g        *gate
	from     netip.Addr
	first    byte
	hasFirst bool
	once     sync.Once
	budget   atomic.Pointer[budget] // nil is no limit
	tls      *tls.ConnectionState   // that net/http can't see; nil when it can, and without TLS
}

// budget limits the bytes that arrive from one guest, in proportion to the
// frames that it may send just now: at once three quarters of what may wait
// for the host, and as much as that again in the time fill. One goroutine
// reads at a time.
type budget struct {
	limit func() int // Frames.Limit
	fill  time.Duration

	of int
	l  *rate.Limiter
}

func (b *budget) allow(n int, now time.Time) bool {
	if limit := b.limit(); b.l == nil || limit != b.of {
		burst := switchboard.Held(limit) * 3 / 4
		b.of, b.l = limit, rate.NewLimiter(rate.Limit(float64(burst)/b.fill.Seconds()), burst)
	}
	return b.l.AllowN(now, n)
}

// errTooFast is how a connection ends that sends more than its budget.
var errTooFast = errors.New("relay: more bytes than allowed")

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	if c.hasFirst && len(p) > 0 {
		p[0], c.hasFirst = c.first, false
		return 1, nil
	}
	n, err := c.Conn.Read(p)
	if b := c.budget.Load(); b != nil && n > 0 && !b.allow(n, time.Now()) {
		return 0, errTooFast
	}
	return n, err
}

// Close implements net.Conn.
func (c *connection) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.g.leave(c)
		err = c.Conn.Close()
	})
	return err
}

type connectionKey struct{}

// connectionContext is http.Server's ConnContext: handlers find their
// connection beneath TLS and HTTP.
func connectionContext(ctx context.Context, c net.Conn) context.Context {
	for {
		switch v := c.(type) {
		case *connection:
			return context.WithValue(ctx, connectionKey{}, v)
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return ctx
		}
	}
}

func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}
