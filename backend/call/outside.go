package call

import (
	"context"
	"net/netip"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// ICEConfig says how guests outside this network reach a call. The zero value serves
// those on it. It concerns guests only: the host's own window is on this machine.
type ICEConfig struct {
	// STUN are servers ("stun:host:port", at most 4) that say how this machine's
	// sockets look from outside. They are asked while the call lasts; what they
	// say is offered to guests as it becomes known.
	STUN []string

	// Servers returns TURN servers with credentials: "turn:" over UDP or TCP,
	// "turns:" over TCP, at most 8 URLs. It is asked only when they are needed
	// (no STUN server answers within a second, so UDP is taken to be blocked; or
	// RelayOnly), and again when an address at one was lost. It must return when
	// ctx ends. nil: there are none.
	Servers func(ctx context.Context) ([]signalling.ICEServer, error)

	// Relay returns where the relay was reached that has named these servers, the
	// zero Addr if that is not known: they may be on the internet, or as near as
	// the relay. nil: they are of our own choice, and may be anywhere.
	Relay func() netip.Addr

	// RelayOnly hides this machine's addresses: guests are told no other than
	// those at TURN servers, and wait for their offer until there is one.
	RelayOnly bool
}

// outside is what a call's peers offer beyond this machine's own addresses. It is
// never changed.
type outside struct {
	reflexives []path.Reflexive
	blocked    bool // UDP is: by the network, or by this machine
}

// begin starts what a call needs to be reached from outside.
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
	c.takeOutside() // what is known already is no change that we would be told of
	if c.iceConfig.Servers != nil {
		c.workers.Go(func() { c.keepRelay(ctx) })
		if c.iceConfig.RelayOnly {
			c.wantRelay()
		}
	}
}

// networkChanged runs on the STUN client's goroutine.
func (c *Call) networkChanged(moved bool) {
	c.post(func() {
		c.takeOutside()
		if a := c.relay.Load(); a != nil && moved {
			a.Moved()
		}
		for _, m := range *c.members.Load() {
			if p := m.peer; p != nil {
				p.enqueue(func() { p.outsideChanged(moved) })
			}
		}
	})
}

// takeOutside takes over what the STUN client knows.
func (c *Call) takeOutside() {
	n := c.engine.stun
	o := &outside{reflexives: n.Reflexives(c.watcher), blocked: n.Blocked(c.watcher) || !c.engine.mux.Usable()}
	c.outside.Store(o)
	if o.blocked {
		c.wantRelay()
	}
}

// needsRelay reports whether the call should have an address at a TURN server.
func (c *Call) needsRelay() bool { return c.iceConfig.RelayOnly || c.outside.Load().blocked }

// wantRelay has keepRelay see to it.
func (c *Call) wantRelay() {
	select {
	case c.relayWanted <- struct{}{}:
	default:
	}
}

// turnSocket returns the address at a TURN server, or nil.
func (c *Call) turnSocket() *path.TURNSocket {
	if a := c.relay.Load(); a != nil && !a.Over() {
		return a
	}
	return nil
}

// relayChanged tells the peers of another address at a TURN server.
func (c *Call) relayChanged() {
	for _, m := range *c.members.Load() {
		if p := m.peer; p != nil {
			p.enqueue(p.relayChanged)
		}
	}
}

const (
	relayPause    = time.Second // before a TURN server is tried again, at first
	maxRelayPause = 30 * time.Second
	serversWithin = 10 * time.Second // that ICEConfig.Servers may take
)

// keepRelay sees to it that the call has an address at a TURN server as long as
// it needs one. It runs until ctx ends.
func (c *Call) keepRelay(ctx context.Context) {
	defer func() { c.swapRelay(nil) }()
	pause := relayPause
	for {
		current := c.relay.Load()
		var lost <-chan struct{}
		if current != nil {
			lost = current.Gone()
		}
		select {
		case <-ctx.Done():
			return
		case <-c.relayWanted:
		case <-lost:
		}
		if current != nil && !current.Over() {
			continue
		}
		if !c.needsRelay() {
			c.swapRelay(nil)
			continue
		}
		next, err := c.newRelay(ctx)
		if err == nil {
			pause = relayPause
			c.swapRelay(next)
			c.post(c.relayChanged)
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
		pause = min(2*pause, maxRelayPause)
		c.wantRelay()
	}
}

// swapRelay uses another address at a TURN server, nil for none, and gives the
// one before back.
func (c *Call) swapRelay(next *path.TURNSocket) {
	if old := c.relay.Swap(next); old != nil {
		old.Close()
	}
}

// newRelay asks for credentials and uses them.
func (c *Call) newRelay(ctx context.Context) (*path.TURNSocket, error) {
	within, cancel := context.WithTimeout(ctx, serversWithin)
	defer cancel()
	servers, err := c.iceConfig.Servers(within)
	if err != nil {
		return nil, err
	}
	return c.engine.turn.Allocate(ctx, servers, c.iceConfig.Relay)
}
