// Package outside keeps what a call knows of this machine beyond its own addresses: how its sockets look to STUN servers
// (RFC 8489), and an address at a TURN server (RFC 8656) for as long as the call needs one.
package outside

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// Config says how guests outside this network reach a call. The zero value
// serves guests on this network. It concerns guests only, because the host's own
// window is on this machine.
type Config struct {
	// STUN are servers ("stun:host:port", at most 4) that tell how this machine's
	// sockets look from outside. They are asked as long as the call lasts. Guests
	// are offered their answers as they arrive.
	STUN []string

	// Servers returns TURN servers with credentials: "turn:" over UDP or TCP,
	// "turns:" over TCP, at most 8 URLs. It is called only when they are needed:
	// with RelayOnly, or if no STUN server answers within a second, so that UDP
	// must be blocked. It is called again when an address at a server was lost. It
	// must return when ctx ends. nil means that there are none.
	Servers func(ctx context.Context) ([]signalling.ICEServer, error)

	// Relay returns the address of the relay that named these servers, or the zero
	// Addr if it is unknown. The servers may be on the internet, or as near as the
	// relay. nil means that we chose the servers ourselves, so they may be
	// anywhere.
	Relay func() netip.Addr

	// RelayOnly hides this machine's addresses. Guests are told only addresses at
	// TURN servers, and wait for their offer until there is one.
	RelayOnly bool
}

// Options are what an [Outside] needs of its call and of the engine.
type Options struct {
	Config Config
	Mux    *path.Mux
	STUN   *path.STUNClient // nil on a virtual network, where there is nothing outside
	TURN   path.TURNClient
	Logger *slog.Logger

	// Changed is called on the STUN client's goroutine when it has news. moved says that paths may be dead although no
	// side has noticed it yet. The call then calls Update.
	Changed func(moved bool)
	// TURNChanged is called when there is another address at a TURN server.
	TURNChanged func()
}

// Outside is safe for concurrent use, except Update.
type Outside struct {
	o       Options
	known   atomic.Pointer[view]
	turn    atomic.Pointer[path.TURNSocket] // nil while there is none
	wanted  chan struct{}                   // buffered 1; full means that keepTURN is woken already
	watcher *path.Watcher                   // nil on a virtual network
	unwatch func()
	cancel  context.CancelFunc // ends keepTURN
	keeping sync.WaitGroup
}

// view is what STUN servers have told. It is never changed.
type view struct {
	reflexives []path.Reflexive
	blocked    bool // the network or this machine blocks UDP
}

// Open starts what guests outside this network need to reach a call.
func Open(o Options) *Outside {
	s := &Outside{o: o, wanted: make(chan struct{}, 1), unwatch: func() {}, cancel: func() {}}
	s.known.Store(new(view))
	if o.STUN == nil {
		return s
	}
	var urls []string
	if !o.Config.RelayOnly {
		urls = o.Config.STUN
	}
	s.watcher, s.unwatch = o.STUN.Watch(urls, o.Config.Relay, o.Changed)
	s.take() // what is known already causes no call of Changed
	if o.Config.Servers != nil {
		var ctx context.Context
		ctx, s.cancel = context.WithCancel(context.Background())
		s.keeping.Go(func() { s.keepTURN(ctx) })
		if o.Config.RelayOnly {
			s.wantTURN()
		}
	}
	return s
}

// Close gives up the address at a TURN server, and waits until that is done.
func (s *Outside) Close() {
	s.unwatch()
	s.cancel()
	s.keeping.Wait()
}

// Update takes the news that Changed has announced.
func (s *Outside) Update(moved bool) {
	s.take()
	if a := s.turn.Load(); a != nil && moved {
		a.Moved()
	}
}

// take stores what the STUN client knows.
func (s *Outside) take() {
	n := s.o.STUN
	v := &view{reflexives: n.Reflexives(s.watcher), blocked: n.Blocked(s.watcher) || !s.o.Mux.Usable()}
	s.known.Store(v)
	if v.blocked {
		s.wantTURN()
	}
}

// Reflexives returns how our sockets look from outside, as far as servers have told. The caller must not change it.
func (s *Outside) Reflexives() []path.Reflexive { return s.known.Load().reflexives }

// Recheck asks the STUN servers again, because a path was lost.
func (s *Outside) Recheck() {
	if s.watcher != nil {
		s.o.STUN.Recheck(s.watcher)
	}
}

// TURN returns the address at a TURN server, or nil.
func (s *Outside) TURN() *path.TURNSocket {
	if a := s.turn.Load(); a != nil && !a.Over() {
		return a
	}
	return nil
}

// NeedsTURN reports whether the call should have an address at a TURN server.
func (s *Outside) NeedsTURN() bool { return s.o.Config.RelayOnly || s.known.Load().blocked }

// wantTURN wakes keepTURN, which allocates a TURN address if the call needs one.
func (s *Outside) wantTURN() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

const (
	turnPause     = time.Second // before the second try of a TURN server; it doubles
	maxTURNPause  = 30 * time.Second
	serversWithin = 10 * time.Second // for Config.Servers to return
)

// keepTURN keeps an address at a TURN server for as long as the call needs one. It
// runs until ctx ends.
func (s *Outside) keepTURN(ctx context.Context) {
	defer func() { s.swapTURN(nil) }()
	pause := turnPause
	for {
		current := s.turn.Load()
		var lost <-chan struct{}
		if current != nil {
			lost = current.Gone()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		case <-lost:
		}
		if current != nil && !current.Over() {
			continue
		}
		if !s.NeedsTURN() {
			s.swapTURN(nil)
			continue
		}
		next, err := s.newTURNSocket(ctx)
		if err == nil {
			pause = turnPause
			s.swapTURN(next)
			s.o.TURNChanged()
			continue
		}
		s.o.Logger.Info("no TURN server", "code", string(fault.CodeOf(err)))
		s.o.Logger.Debug("no TURN server", "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, maxTURNPause)
		s.wantTURN()
	}
}

// swapTURN puts another address at a TURN server to use (nil for none), and gives
// the earlier one back.
func (s *Outside) swapTURN(next *path.TURNSocket) {
	if old := s.turn.Swap(next); old != nil {
		old.Close()
	}
}

// newTURNSocket asks for credentials and allocates an address with them.
func (s *Outside) newTURNSocket(ctx context.Context) (*path.TURNSocket, error) {
	within, cancel := context.WithTimeout(ctx, serversWithin)
	defer cancel()
	servers, err := s.o.Config.Servers(within)
	if err != nil {
		return nil, err
	}
	return s.o.TURN.Allocate(ctx, servers, s.o.Config.Relay)
}
