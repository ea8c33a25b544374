package path

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// STUNClient knows the place of a [Mux] in the network: the addresses of this machine, and how STUN servers (RFC 8489)
// see its sockets from outside. It asks from the sockets that carry media, so that the answer is about the NAT's
// mapping for them. It checks addresses and asks servers only while there is a watcher.
type STUNClient struct {
	// Refresh is the time between questions that were answered, plus up to a third at random. Tests change it before
	// the first use.
	Refresh time.Duration

	mux     *Mux
	logger  *slog.Logger
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	woken   chan struct{} // buffered 1; full means that run is woken already

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	servers  map[string]*stunServer // by host:port
	moves    int                    // of the mux, when the probes were last compared with it
	mapped   []Reflexive            // by routers; see SetMapped
	seen     func(local, outside netip.Addr)
}

// Watcher is told when the addresses of this machine or of its sockets outside change.
type Watcher struct {
	servers []string // host:port
	by      Named
	// notify is called after a change, on the client's goroutine. moved says that the machine has other addresses, or
	// that a NAT has given one of its sockets another one.
	notify func(moved bool)

	moves          int  // of the mux, when last compared
	changed, moved bool // what notify has not been told yet
}

// stunServer is a server that is asked.
type stunServer struct {
	name      string // host:port
	watchers  int
	addresses []netip.AddrPort
	resolved  time.Time // when the name must be looked up again
	resolving bool
	asked     time.Time // when it was first asked on this network, or since a recheck
	rechecked time.Time
	answered  bool // it has answered on this network
	silent    bool // it has not answered within silence
	probes    map[probeKey]*probe
}

type probeKey struct {
	socket *udpSocket
	server netip.AddrPort
}

// probe is one question, which is repeated.
type probe struct {
	id     [stun.TransactionIDSize]byte
	open   bool // the answer to id is still missing
	sent   int  // how often id was sent
	next   time.Time
	mapped netip.AddrPort // the newest answer
}

// Reflexive is a socket's address as seen from outside (RFC 8445 section 5.1.1.2). The port of Base is StreamPort if
// streams are taken there.
type Reflexive struct{ Base, Mapped netip.AddrPort }

const (
	lookEvery     = time.Second
	silence       = time.Second // without an answer for this long, UDP counts as blocked
	stunSends     = 4           // of one question, after 0, 200, 600 and 1400 ms
	stunInterval  = 200 * time.Millisecond
	recheckEvery  = 5 * time.Second
	stunRefresh   = 15 * time.Second // NATs forget after 30 s and more (RFC 4787 says two minutes)
	resolveEvery  = 10 * time.Minute
	resolveRetry  = 5 * time.Second
	maxSTUN       = 4 // servers of one watcher
	maxAddresses  = 2 // of one server, in each family
	resolveWithin = 5 * time.Second
)

// NewSTUNClient returns a client that asks from the sockets of mux. A mux has only one client.
func NewSTUNClient(mux *Mux, logger *slog.Logger) *STUNClient {
	c := &STUNClient{
		mux: mux, logger: logger,
		resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Refresh:  stunRefresh,
		woken:    make(chan struct{}, 1),
		watchers: make(map[*Watcher]struct{}),
		servers:  make(map[string]*stunServer),
		seen:     func(local, outside netip.Addr) {},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	mux.answers = c.answer
	c.workers.Go(c.run)
	return c
}

// Close ends the client's goroutines, and waits for them.
func (c *STUNClient) Close() {
	c.cancel()
	c.workers.Wait()
}

// wake makes run check everything now.
func (c *STUNClient) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Watch begins to check addresses and to ask servers. urls are "stun:host:port", and others are left out. notify must
// not block, and may be nil. stop may be called twice. A call of notify may still be running when stop returns.
func (c *STUNClient) Watch(urls []string, by Named, notify func(moved bool)) (w *Watcher, stop func()) {
	w = &Watcher{servers: stunNames(urls), by: by, notify: notify, moves: c.mux.look()}
	c.mu.Lock()
	c.watchers[w] = struct{}{}
	for _, name := range w.servers {
		s := c.servers[name]
		if s == nil {
			s = &stunServer{name: name, probes: make(map[probeKey]*probe)}
			c.servers[name] = s
		}
		s.watchers++
	}
	c.mu.Unlock()
	c.wake()
	return w, sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, w)
		for _, name := range w.servers {
			s := c.servers[name]
			if s.watchers--; s.watchers == 0 {
				delete(c.servers, name)
			}
		}
	})
}

// stunNames returns host and port of the STUN servers over UDP.
func stunNames(urls []string) (names []string) {
	for _, u := range urls {
		uri, err := stun.ParseURI(u)
		if err != nil || uri.Scheme != stun.SchemeTypeSTUN || uri.Proto != stun.ProtoTypeUDP {
			continue
		}
		name := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
		if len(names) < maxSTUN && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// run checks and asks until Close.
func (c *STUNClient) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.woken:
		case <-timer.C:
		}
		timer.Reset(c.step(time.Now()))
	}
}

// never is how long run waits while there is no watcher. Watch wakes it.
const never = 24 * time.Hour

// step does what is due and returns the time until more is due.
func (c *STUNClient) step(now time.Time) time.Duration {
	c.mu.Lock()
	watched := len(c.watchers) > 0
	c.mu.Unlock()
	if !watched {
		return never
	}
	moves := c.mux.look()
	sockets := c.mux.addresses()
	var out []question
	wait := lookEvery
	c.mu.Lock()
	for w := range c.watchers {
		if w.moves < moves { // not if it began to watch after this look
			w.moves = moves
			w.changed, w.moved = true, true
		}
	}
	moved := c.moves != moves
	c.moves = moves
	for _, s := range c.servers {
		if moved {
			s.asked, s.answered, s.silent = time.Time{}, false, false
			s.resolved = now
			for key, p := range s.probes {
				if slices.Contains(sockets, key.socket) {
					p.open, p.sent, p.next = false, 0, now
				} else {
					delete(s.probes, key)
				}
			}
		}
		out = c.ask(out, s, sockets, now)
		c.lookUp(s, now)
		if !s.asked.IsZero() && !s.answered && !s.silent {
			if since := now.Sub(s.asked); since < silence {
				wait = min(wait, silence-since)
			} else {
				s.silent = true
				c.changed(s)
			}
		}
		for _, p := range s.probes {
			wait = min(wait, max(p.next.Sub(now), time.Millisecond))
		}
	}
	var due []Watcher
	for w := range c.watchers {
		if w.changed && w.notify != nil {
			due = append(due, *w)
		}
		w.changed, w.moved = false, false
	}
	c.mu.Unlock()
	for _, q := range out {
		q.socket.send(datagram{buffer: q.buffer, to: q.server})
	}
	for _, w := range due {
		w.notify(w.moved)
	}
	return wait
}

// changed notes that the watchers of s must be notified. The caller holds the lock.
func (c *STUNClient) changed(s *stunServer) {
	for w := range c.watchers {
		if slices.Contains(w.servers, s.name) {
			w.changed = true
		}
	}
}

// lookUp resolves a server's name if that is due. The caller holds the lock.
func (c *STUNClient) lookUp(s *stunServer, now time.Time) {
	if s.resolving || now.Before(s.resolved) {
		return
	}
	s.resolving = true
	host, port, _ := net.SplitHostPort(s.name) // stunNames has made it
	number, _ := strconv.ParseUint(port, 10, 16)
	c.workers.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, resolveWithin)
		defer cancel()
		var all []netip.Addr
		var err error
		if a, notIP := netip.ParseAddr(host); notIP == nil {
			all = []netip.Addr{a}
		} else if all, err = c.resolve(ctx, host); err != nil {
			c.logger.Debug("name of a STUN server", "err", err)
		}
		var addresses []netip.AddrPort
		four, six := 0, 0
		for _, a := range all {
			a = a.Unmap().WithZone("")
			count := &six
			if a.Is4() {
				count = &four
			}
			if *count++; *count <= maxAddresses && !a.IsUnspecified() && !a.IsMulticast() {
				addresses = append(addresses, netip.AddrPortFrom(a, uint16(number)))
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		addresses = slices.DeleteFunc(addresses, func(a netip.AddrPort) bool { return !c.allowed(s, a.Addr()) })
		s.resolving = false
		s.resolved = time.Now().Add(resolveEvery)
		if len(addresses) == 0 { // the earlier addresses may still be right
			s.resolved = time.Now().Add(resolveRetry)
			return
		}
		s.addresses = addresses
		maps.DeleteFunc(s.probes, func(k probeKey, _ *probe) bool {
			return !slices.Contains(addresses, k.server)
		})
		c.wake()
	})
}

// allowed reports whether a watcher of this server may have it asked at this address. The caller holds the lock.
func (c *STUNClient) allowed(s *stunServer, a netip.Addr) bool {
	for w := range c.watchers {
		if slices.Contains(w.servers, s.name) && w.by.allows(a) {
			return true
		}
	}
	return false
}

// question is a binding request to be sent.
type question struct {
	socket *udpSocket
	server netip.AddrPort
	buffer *[]byte
}

// ask adds the questions that are due. The caller holds the lock.
func (c *STUNClient) ask(out []question, s *stunServer, sockets []*udpSocket, now time.Time) []question {
	for _, a := range s.addresses {
		for _, socket := range sockets {
			local := socket.local.Addr()
			if local.Is4() != a.Addr().Is4() || local.IsLoopback() != a.Addr().IsLoopback() {
				continue
			}
			key := probeKey{socket, a}
			p := s.probes[key]
			if p == nil {
				p = &probe{next: now}
				s.probes[key] = p
			}
			if now.Before(p.next) {
				continue
			}
			if p.sent == 0 {
				rand.Read(p.id[:]) // never fails
				p.open = true
			}
			if s.asked.IsZero() {
				s.asked = now
			}
			p.sent++
			p.next = now.Add(stunInterval << (p.sent - 1))
			if p.sent == stunSends {
				p.sent = 0
				p.next = now.Add(c.refreshAfter())
			}
			buffer := buffers.Get().(*[]byte)
			*buffer = append((*buffer)[:0], bindingRequest(p.id).Raw...)
			out = append(out, question{socket, a, buffer})
		}
	}
	return out
}

func (c *STUNClient) refreshAfter() time.Duration { return c.Refresh + mathrand.N(c.Refresh/3) }

func bindingRequest(id [stun.TransactionIDSize]byte) *stun.Message {
	m := &stun.Message{Type: stun.BindingRequest, TransactionID: id}
	m.Encode()
	return m
}

// answer takes a STUN response if it answers a question of ours. It runs on the goroutine that reads the socket.
func (c *STUNClient) answer(socket *udpSocket, b []byte, from netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		p := s.probes[probeKey{socket, from}]
		if p == nil {
			continue
		}
		if p.open && bytes.Equal(b[8:20], p.id[:]) { // IsMessage has checked the length
			p.open = false
			p.sent, p.next = 0, time.Now().Add(c.refreshAfter())
			if !s.answered {
				s.answered = true
				if s.silent {
					s.silent = false
					c.changed(s)
				}
			}
			c.learn(s, p, socket, mappedAddress(b, socket.local.Addr(), from.Addr()))
			return true
		}
	}
	return false
}

// learn notes how a server sees a socket. The caller holds the lock.
func (c *STUNClient) learn(s *stunServer, p *probe, socket *udpSocket, mapped netip.AddrPort) {
	if !mapped.IsValid() || mapped == p.mapped {
		return
	}
	before := p.mapped
	p.mapped = mapped
	c.seen(socket.local.Addr(), mapped.Addr())
	c.changed(s)
	if before.IsValid() {
		socket.rebound.Add(1)
		for w := range c.watchers {
			if slices.Contains(w.servers, s.name) {
				w.moved = true
			}
		}
	}
	c.wake()
}

// mappedAddress returns the address in a server's binding response, for a socket with this local address. It returns
// the zero AddrPort if the address can't be right.
func mappedAddress(b []byte, local, server netip.Addr) (none netip.AddrPort) {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingSuccess {
		return none
	}
	var x stun.XORMappedAddress
	if x.GetFrom(&m) != nil || x.Port <= 0 || x.Port > 65535 {
		return none
	}
	a, ok := netip.AddrFromSlice(x.IP)
	a = a.Unmap()
	if !ok || a.Is4() != local.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() ||
		a.IsLoopback() && !local.IsLoopback() || isPublic(server) && !isPublic(a) {
		return none
	}
	return netip.AddrPortFrom(a, uint16(x.Port))
}

// Recheck asks w's servers again at once, because a path was lost. This may be another network with the same addresses,
// or one that now blocks UDP.
func (c *STUNClient) Recheck(w *Watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, name := range w.servers {
		s := c.servers[name]
		if s == nil || now.Sub(s.rechecked) < recheckEvery {
			continue
		}
		s.rechecked = now
		s.asked, s.answered = time.Time{}, false
		for _, p := range s.probes {
			p.sent, p.next = 0, now
		}
	}
	c.wake()
}

// OnSeen makes f hear of each address under which a server sees a socket. f is called under the client's lock, and must
// not call the client. It is set before the first use.
func (c *STUNClient) OnSeen(f func(local, outside netip.Addr)) { c.seen = f }

// Mapped returns where routers let packets to our sockets in.
func (c *STUNClient) Mapped() []Reflexive {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mapped)
}

// SetMapped sets where routers let packets to our sockets in. All watchers are told.
func (c *STUNClient) SetMapped(open []Reflexive) {
	c.mu.Lock()
	c.mapped = open
	for w := range c.watchers {
		w.changed = true
	}
	c.mu.Unlock()
	c.wake()
}

// Reflexives returns what w's servers have answered, without addresses that this machine has itself, and what routers
// have mapped.
func (c *STUNClient) Reflexives(w *Watcher) (all []Reflexive) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all = append(all, c.mapped...)
	for _, name := range w.servers {
		s := c.servers[name]
		if s == nil {
			continue // no longer watched
		}
		for key, p := range s.probes {
			r := Reflexive{key.socket.local, p.mapped}
			if p.mapped.IsValid() && p.mapped != r.Base && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// Blocked reports whether w's servers were asked on this network, and none of
// them has answered.
func (c *STUNClient) Blocked(w *Watcher) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	silent := false
	for _, name := range w.servers {
		s := c.servers[name]
		if s == nil {
			continue
		}
		if s.answered {
			return false
		}
		silent = silent || s.silent
	}
	return silent
}

// Asks reports whether a is where a STUN server is asked.
func (c *STUNClient) Asks(a netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		if slices.Contains(s.addresses, a) {
			return true
		}
	}
	return false
}
