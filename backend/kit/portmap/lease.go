package portmap

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

// Lease is a port of this computer, for as long as somebody wants it. It is safe
// for concurrent use.
type Lease struct {
	mapper    *Mapper
	protocol  Protocol
	port      func(local netip.Addr) uint16
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	four, six *half
	changed   chan struct{} // buffered 1; full means that news wait
	settled   chan struct{} // closed once each half has been answered or given up for the first time
	once      sync.Once
}

// Mapping is where packets from outside arrive.
type Mapping struct {
	External netip.AddrPort // on the internet
	Internal netip.AddrPort // on this computer
}

// Mappings returns what is open now: one for IPv4 and one for IPv6 at most.
func (l *Lease) Mappings() (open []Mapping) {
	l.mapper.mu.Lock()
	defer l.mapper.mu.Unlock()
	for _, h := range []*half{l.four, l.six} {
		if h.open.External.IsValid() {
			open = append(open, h.open)
		}
	}
	return open
}

// Changed receives after Mappings has changed. It is one channel for one reader.
func (l *Lease) Changed() <-chan struct{} { return l.changed }

// Settled is closed once routers have been asked for the first time.
func (l *Lease) Settled() <-chan struct{} { return l.settled }

// Again asks at once, because the port has changed.
func (l *Lease) Again() {
	l.four.wake()
	l.six.wake()
}

// Close withdraws the lease, which takes [undoWithin] at most, and waits. It may be
// called twice.
func (l *Lease) Close() {
	l.cancel()
	l.wg.Wait()
}

// half is the part of a lease for IPv4 or for IPv6. mapper.mu guards open, said and
// asked. The rest belongs to keep.
type half struct {
	lease *Lease
	six   bool
	woken chan struct{} // buffered 1; full means that keep is woken already

	open  Mapping
	said  Status
	asked bool

	have    grant
	granted target    // what have was granted for
	expires time.Time // of have
	nonce   [12]byte
}

// target is what a router is asked for.
type target struct {
	gateway netip.Addr
	local   netip.AddrPort
}

// grant is what a router has given.
type grant struct {
	external netip.AddrPort
	lifetime time.Duration
	by       string
	undo     func(context.Context) // nil if there is nothing to withdraw
}

func (h *half) wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

// keep asks, renews and withdraws until the lease ends.
func (h *half) keep() {
	l, retry := h.lease, retryFirst
	_, _ = rand.Read(h.nonce[:]) // never fails
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer h.withdraw()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-h.woken:
			retry = retryFirst
		case <-timer.C:
		}
		wanted, not := h.target()
		if wanted != h.granted {
			h.withdraw()
		}
		if not != (Status{State: Asking}) {
			h.say(not, Mapping{})
			h.settle()
			timer.Reset(retryMost)
			continue
		}
		wait := h.ask(wanted)
		if wait == 0 { // no answer, or a no
			wait = retry
			retry = min(2*retry, retryMost)
		} else {
			retry = retryFirst
		}
		h.settle()
		timer.Reset(wait)
	}
}

// target returns what is to be asked for now, or why nothing is.
func (h *half) target() (t target, not Status) {
	m := h.lease.mapper
	m.mu.Lock()
	g := m.v4
	if h.six {
		g = m.v6
	}
	enabled := m.on
	m.mu.Unlock()
	switch {
	case !enabled:
		return target{}, Status{}
	case g == (netaddr.Gateway{}):
		return target{}, Status{State: Silent}
	}
	port := h.lease.port(g.Local)
	if port == 0 {
		return target{}, Status{}
	}
	return target{g.Addr, netip.AddrPortFrom(g.Local, port)}, Status{State: Asking}
}

// ask asks the routers, and notes what they say. It returns the time until the
// grant is renewed, or 0 if there is none.
func (h *half) ask(t target) (renew time.Duration) {
	l := h.lease
	m := l.mapper
	ctx, cancel := context.WithTimeout(l.ctx, askWithin)
	defer cancel()
	w := wish{target: t, protocol: l.protocol, suggested: h.have.external.Port(), nonce: h.nonce, lifetime: m.o.Lifetime}
	if h.six {
		w.lifetime = min(w.lifetime, maxPinhole)
	}
	if w.suggested == 0 {
		w.suggested = t.local.Port()
	}
	g, err := m.ask(ctx, w, h.have.by)
	if l.ctx.Err() != nil {
		if err == nil {
			h.have = g // withdraw takes it back
		}
		return 0
	}
	if err == nil {
		err = sensible(g)
	}
	if err != nil {
		m.o.Logger.Debug("port mapping", "err", err)
		if time.Now().Before(h.expires) { // a router that is silent for once may go on mapping
			return 0
		}
		h.have = grant{}
		said := Status{State: Silent}
		var r refusal
		switch {
		case errors.As(err, &r):
			said = r.status()
		case errors.Is(err, errRefused), errors.Is(err, errLies):
			said.State = Refused
		}
		h.say(said, Mapping{})
		return 0
	}
	m.mu.Lock()
	seen := m.outside
	m.mu.Unlock()
	h.have, h.granted, h.expires = g, t, time.Now().Add(g.lifetime)
	said := Status{State: judge(g.external.Addr(), seen), External: g.external.Addr()}
	if said.State != Open {
		h.withdraw() // nobody outside could use it
		h.say(said, Mapping{})
		return 0
	}
	said.By, said.Until = g.by, h.expires
	h.say(said, Mapping{External: g.external, Internal: t.local})
	return min(g.lifetime/2, renewEvery)
}

// sensible checks what a router has granted.
func sensible(g grant) error {
	switch {
	case g.lifetime <= 0:
		return errLies
	case g.external.Port() < 1024: // nobody asked for it, and browsers refuse most of them
		return errLies
	case !g.external.Addr().IsValid():
		return errLies
	}
	return nil
}

// say publishes the state of this half.
func (h *half) say(s Status, open Mapping) {
	m := h.lease.mapper
	m.mu.Lock()
	moved := h.open != open
	h.said, h.open = s, open
	m.mu.Unlock()
	if moved {
		select {
		case h.lease.changed <- struct{}{}:
		default:
		}
	}
	m.changed()
}

// settle notes that this half has been asked for the first time.
func (h *half) settle() {
	m := h.lease.mapper
	m.mu.Lock()
	h.asked = true
	both := h.lease.four.asked && h.lease.six.asked
	m.mu.Unlock()
	if both {
		h.lease.once.Do(func() { close(h.lease.settled) })
	}
}

// withdraw takes back what the router has granted. It waits undoWithin at most.
func (h *half) withdraw() {
	undo := h.have.undo
	h.have, h.granted, h.expires = grant{}, target{}, time.Time{}
	if undo != nil {
		ctx, cancel := context.WithTimeout(context.Background(), undoWithin)
		undo(ctx)
		cancel()
	}
	h.say(Status{}, Mapping{})
}
