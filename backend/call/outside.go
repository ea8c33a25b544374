package call

import (
	"context"
	"net/netip"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// ICEConfig says how guests outside this network reach a call. The zero value
// serves guests on this network. It concerns guests only, because the host's own
// window is on this machine.
type ICEConfig struct {
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

// outside holds what a call's peers offer beyond this machine's own addresses. It
// is never changed.
type outside struct {
	reflexives []path.Reflexive
	blocked    bool // the network or this machine blocks UDP
}

// begin starts what guests outside this network need to reach the call.
func (c *Call) begin(ctx context.Context) {
	c.outside.Store(new(outside))
	n := c.engine.stun
	if n == nil {
		return
	}
	var urls []string
	if !c.iceConfig.RelayOnly {
		urls = c.iceConfig.STUN
	}
	c.watcher, c.unwatch = n.Watch(urls, c.iceConfig.Relay, c.networkChanged)
	c.takeOutside() // what is known already causes no call of networkChanged
	if c.iceConfig.Servers != nil {
		c.workers.Go(func() { c.keepTURN(ctx) })
		if c.iceConfig.RelayOnly {
			c.wantTURN()
		}
	}
}

// networkChanged runs on the STUN client's goroutine.
func (c *Call) networkChanged(moved bool) {
	c.post(func() {
		c.takeOutside()
		if a := c.turn.Load(); a != nil && moved {
			a.Moved()
		}
		for _, m := range *c.members.Load() {
			if p := m.peer; p != nil {
				p.enqueue(func() { p.outsideChanged(moved) })
			}
		}
	})
}

// takeOutside stores what the STUN client knows.
func (c *Call) takeOutside() {
	n := c.engine.stun
	o := &outside{reflexives: n.Reflexives(c.watcher), blocked: n.Blocked(c.watcher) || !c.engine.mux.Usable()}
	c.outside.Store(o)
	if o.blocked {
		c.wantTURN()
	}
}

// needsTURN reports whether the call should have an address at a TURN server.
func (c *Call) needsTURN() bool { return c.iceConfig.RelayOnly || c.outside.Load().blocked }

// wantTURN wakes keepTURN, which allocates a TURN address if the call needs one.
func (c *Call) wantTURN() {
	select {
	case c.turnWanted <- struct{}{}:
	default:
	}
}

// turnSocket returns the address at a TURN server, or nil.
func (c *Call) turnSocket() *path.TURNSocket {
	if a := c.turn.Load(); a != nil && !a.Over() {
		return a
	}
	return nil
}

// turnChanged tells the peers of another address at a TURN server.
func (c *Call) turnChanged() {
	for _, m := range *c.members.Load() {
		if p := m.peer; p != nil {
			p.enqueue(p.turnChanged)
		}
	}
}

const (
	turnPause     = time.Second // before the second try of a TURN server; it doubles
	maxTURNPause  = 30 * time.Second
	serversWithin = 10 * time.Second // for ICEConfig.Servers to return
)

// keepTURN keeps an address at a TURN server for as long as the call needs one. It
// runs until ctx ends.
func (c *Call) keepTURN(ctx context.Context) {
	defer func() { c.swapTURN(nil) }()
	pause := turnPause
	for {
		current := c.turn.Load()
		var lost <-chan struct{}
		if current != nil {
			lost = current.Gone()
		}
		select {
		case <-ctx.Done():
			return
		case <-c.turnWanted:
		case <-lost:
		}
		if current != nil && !current.Over() {
			continue
		}
		if !c.needsTURN() {
			c.swapTURN(nil)
			continue
		}
		next, err := c.newTURNSocket(ctx)
		if err == nil {
			pause = turnPause
			c.swapTURN(next)
			c.post(c.turnChanged)
			continue
		}
		c.engine.logger.Info("no TURN server", "code", string(fault.CodeOf(err)))
		c.engine.logger.Debug("no TURN server", "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, maxTURNPause)
		c.wantTURN()
	}
}

// swapTURN puts another address at a TURN server to use (nil for none), and gives
// the earlier one back.
func (c *Call) swapTURN(next *path.TURNSocket) {
	if old := c.turn.Swap(next); old != nil {
		old.Close()
	}
}

// newTURNSocket asks for credentials and allocates an address with them.
func (c *Call) newTURNSocket(ctx context.Context) (*path.TURNSocket, error) {
	within, cancel := context.WithTimeout(ctx, serversWithin)
	defer cancel()
	servers, err := c.iceConfig.Servers(within)
	if err != nil {
		return nil, err
	}
	return c.engine.turn.Allocate(ctx, servers, c.iceConfig.Relay)
}
