package portmap

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

// Protocol is UDP or TCP, by its number in IP.
type Protocol uint8

const (
	TCP Protocol = 6
	UDP Protocol = 17
)

func (p Protocol) String() string {
	if p == TCP {
		return "TCP"
	}
	return "UDP"
}

// State is what routers have said, in one word.
type State string

const (
	Off        State = "off"
	Asking     State = "asking"
	Open       State = "open"
	Refused    State = "refused"     // a router answers, and maps nothing
	Silent     State = "silent"      // no router answers
	Shared     State = "shared"      // the provider shares the router's address with others (carrier-grade NAT)
	TwoRouters State = "two-routers" // the router's address is one of another router's network
	NoAddress  State = "no-address"  // the router has no address on the internet, and does not say which one it has
)

// Status is what the window shows.
type Status struct {
	State    State
	External netip.Addr // of the router, if it told
	Router   netip.Addr // the zero Addr if there is none
	By       string     // "PCP", "NAT-PMP" or "UPnP"; "" unless Open
	Until    time.Time  // when the lease ends, unless it is renewed
	Pinhole  bool       // an IPv6 address is open, too
}

// tells returns how much a status says: of two leases, the one that says more is shown.
func (s Status) tells() int {
	return slices.Index([]State{Silent, Refused, NoAddress, TwoRouters, Shared, Open}, s.State)
}

// Options are for [New]. The zero value is what the app uses.
type Options struct {
	// Gateways returns the routers. nil means netaddr.Gateways.
	Gateways func() (v4, v6 netaddr.Gateway)
	// Lifetime is what routers are asked for; 0 means an hour.
	Lifetime time.Duration
	// OnChange is called after a change of Status, on a goroutine of the mapper. It
	// may be nil, and must not block.
	OnChange func()
	Logger   *slog.Logger // nil logs nothing

	// For tests: the ports of routers, where 0 means 5351 and 1900; the only protocol
	// that is asked, "" for all; and shorter times than pauses and searchWithin.
	pcpPort, ssdpPort uint16
	only              string
	pauses            []time.Duration
	search            time.Duration
}

const (
	maxLifetime = time.Hour
	askWithin   = 8 * time.Second // for all ways together
	undoWithin  = 2 * time.Second
	// renewEvery bounds the time until a router is noticed that has forgotten
	// everything, or has another address outside, and does not say so.
	renewEvery = 3 * time.Minute
	retryFirst = 30 * time.Second
	retryMost  = 15 * time.Minute
	// maxPinhole is shorter, because miniupnpd 2.3.1 on nftables keeps a pinhole
	// that was withdrawn until its lease ends (seen in the laboratory).
	maxPinhole = 20 * time.Minute
)

// Mapper asks routers for leases. It is off at first. It is safe for concurrent
// use.
type Mapper struct {
	o    Options
	wg   sync.WaitGroup // of leases
	upnp places         // where UPnP was found

	mu      sync.Mutex // guards what follows; no other lock is taken under it
	on      bool
	closed  bool
	leases  map[*Lease]struct{}
	outside netip.Addr // as STUN servers see this network; the zero Addr if unknown
	v4, v6  netaddr.Gateway
	said    Status       // what OnChange was last called for
	news    *net.UDPConn // where announcements arrive; nil for nowhere
}

// New returns a mapper that is off. The caller closes it.
func New(o Options) *Mapper {
	if o.Gateways == nil {
		o.Gateways = netaddr.Gateways
	}
	if o.Lifetime <= 0 || o.Lifetime > maxLifetime {
		o.Lifetime = maxLifetime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	if o.pcpPort == 0 {
		o.pcpPort = 5351
	}
	if o.ssdpPort == 0 {
		o.ssdpPort = 1900
	}
	if o.pauses == nil {
		o.pauses = pauses
	}
	if o.search == 0 {
		o.search = searchWithin
	}
	m := &Mapper{o: o, leases: make(map[*Lease]struct{})}
	m.said.State = Off
	return m
}

// Enable begins to ask for all leases, or withdraws them.
func (m *Mapper) Enable(on bool) {
	m.mu.Lock()
	if m.closed || m.on == on {
		m.mu.Unlock()
		return
	}
	m.on = on
	m.look()
	m.tune()
	m.mu.Unlock()
	m.wakeAll()
	m.changed()
}

// NetworkChanged says that this computer may be in another network. Leases of
// routers that are gone are given up, and the routers of now are asked.
func (m *Mapper) NetworkChanged() {
	m.mu.Lock()
	before4, before6 := m.v4, m.v6
	m.look()
	same := before4 == m.v4 && before6 == m.v6
	if !same {
		m.tune()
	}
	m.mu.Unlock()
	if !same {
		m.upnp.forget()
		m.wakeAll()
		m.changed()
	}
}

// look finds the routers. The caller holds the lock.
func (m *Mapper) look() {
	if m.on {
		m.v4, m.v6 = m.o.Gateways()
	}
}

// SeenFrom tells under which IPv4 address a STUN server sees one of this computer's
// addresses. A router that names another one stands behind one more router.
func (m *Mapper) SeenFrom(local, outside netip.Addr) {
	m.mu.Lock()
	same := !outside.Is4() || m.outside == outside || m.on && local != m.v4.Local
	if !same {
		m.outside = outside
	}
	m.mu.Unlock()
	if !same {
		m.wakeAll()
	}
}

// Want asks for a port of this computer until ctx ends or the lease is closed. It
// returns at once, and does nothing while the mapper is off.
func (m *Mapper) Want(ctx context.Context, p Protocol, inner uint16) *Lease {
	return m.WantAt(ctx, p, func(netip.Addr) uint16 { return inner })
}

// WantAt is Want for sockets whose port differs by the address to which they are
// bound. port returns 0 for an address that has no socket.
func (m *Mapper) WantAt(ctx context.Context, p Protocol, port func(local netip.Addr) uint16) *Lease {
	l := &Lease{mapper: m, protocol: p, port: port, changed: make(chan struct{}, 1), settled: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.four = &half{lease: l, woken: make(chan struct{}, 1)}
	l.six = &half{lease: l, six: true, woken: make(chan struct{}, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		l.cancel()
		close(l.settled)
		return l
	}
	m.leases[l] = struct{}{}
	l.wg.Go(func() { l.four.keep() })
	l.wg.Go(func() { l.six.keep() })
	m.wg.Go(func() {
		l.wg.Wait()
		m.mu.Lock()
		delete(m.leases, l)
		m.mu.Unlock()
		m.changed()
	})
	return l
}

// Status returns what routers have said.
func (m *Mapper) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status()
}

// status is Status. The caller holds the lock.
func (m *Mapper) status() Status {
	if !m.on {
		return Status{State: Off}
	}
	s := Status{State: Asking, Router: m.v4.Addr}
	if len(m.leases) == 0 && !m.v4.Addr.IsValid() && !m.v6.Addr.IsValid() {
		s.State = Silent
	}
	for l := range m.leases {
		if said := l.four.said; said.tells() > s.tells() || said.tells() == s.tells() && said.Until.After(s.Until) {
			said.Router, said.Pinhole = s.Router, s.Pinhole
			s = said
		}
		s.Pinhole = s.Pinhole || l.six.said.State == Open
	}
	if s.Pinhole && (s.State == Silent || s.State == Asking) {
		s.State = Open
	}
	return s
}

// changed calls OnChange if the status has changed.
func (m *Mapper) changed() {
	m.mu.Lock()
	s := m.status()
	same := s == m.said
	m.said = s
	m.mu.Unlock()
	if !same {
		m.o.OnChange()
	}
}

func (m *Mapper) wakeAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for l := range m.leases {
		l.four.wake()
		l.six.wake()
	}
}

// Close withdraws all leases, which takes [undoWithin] at most, and waits.
func (m *Mapper) Close() {
	m.mu.Lock()
	m.closed = true
	m.tune()
	leases := make([]*Lease, 0, len(m.leases))
	for l := range m.leases {
		leases = append(leases, l)
	}
	m.mu.Unlock()
	for _, l := range leases {
		l.cancel()
	}
	m.wg.Wait()
}

// Errors of a way.
var (
	errRefused = errors.New("the router refuses")
	errSilent  = errors.New("no answer")
	errLies    = errors.New("an answer that can't be right")
)

// refusal is the error of a router that refuses because of its own address.
type refusal struct{ external netip.Addr }

func (r refusal) Error() string { return "the router has no address on the internet" }

func (r refusal) Unwrap() error { return errRefused }

// status returns what the window shows then.
func (r refusal) status() Status {
	state := judge(r.external, netip.Addr{})
	if state == Refused || state == Open {
		return Status{State: NoAddress}
	}
	return Status{State: state, External: r.external}
}

// judge says what it means that a router has this address outside.
func judge(external, seen netip.Addr) State {
	switch {
	case !external.IsGlobalUnicast():
		return Refused
	case carrier.Contains(external):
		return Shared
	case external.IsPrivate():
		return TwoRouters
	case external.Is4() && seen.Is4() && seen != external:
		return Shared
	default:
		return Open
	}
}

// carrier is for networks behind carrier-grade NAT (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")
