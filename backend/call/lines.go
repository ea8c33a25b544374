package call

import (
	"net/netip"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
)

// way is a way out of this machine.
type way uint8

const (
	wayLoopback way = iota // never short
	wayNetwork             // the local network
	wayInternet            // what is beyond it, also by a TURN server
	ways
)

// firstUplink is what a way out is taken to carry before its receivers have said what arrives.
const firstUplink = 4 * rate.Mbit

// lines are the ways out that the receivers of all calls share. They outlive a call, so that the next one begins with
// what the last one has found. It is safe for concurrent use.
type lines struct {
	uplinks [ways]*rate.Uplink // nil for the loopback

	mu        sync.Mutex // guards what follows; acquired before the locks of package rate
	receivers map[*rate.Estimator]*forward.Outbound
	ticked    time.Time
}

// lineTick is the shortest time between two looks at the ways out.
const lineTick = 90 * time.Millisecond

func newLines() *lines {
	l := &lines{receivers: make(map[*rate.Estimator]*forward.Outbound)}
	for w := wayNetwork; w < ways; w++ {
		l.uplinks[w] = rate.NewUplink(firstUplink)
	}
	return l
}

// wayOf returns the way out that leads to an address from this machine, which has own addresses in their networks.
func wayOf(a netip.Addr, own []netip.Prefix) way {
	a = a.Unmap()
	if a.IsLoopback() {
		return wayLoopback
	}
	for _, n := range own {
		switch {
		case n.Addr() == a:
			return wayLoopback
		case n.Contains(a):
			return wayNetwork
		}
	}
	return wayInternet
}

// join makes p's receiver share a way out, and no other one. It does nothing once p is closed.
func (l *lines) join(p *peer, w way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(p.out)
	select {
	case <-p.done:
		return
	default:
	}
	if u := l.uplinks[w]; u != nil {
		u.Join(p.out.Estimator())
		l.receivers[p.out.Estimator()] = p.out
	}
}

// leave undoes join, after p was closed.
func (l *lines) leave(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(p.out)
}

func (l *lines) forget(out *forward.Outbound) {
	for _, u := range l.uplinks {
		if u != nil {
			u.Leave(out.Estimator())
		}
	}
	delete(l.receivers, out.Estimator())
}

// tick shares the ways out anew, and begins a probe where one is of use. All calls call it.
func (l *lines) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.ticked) < lineTick {
		return
	}
	l.ticked = now
	for _, u := range l.uplinks {
		if u == nil {
			continue
		}
		u.Tick(now)
		if e, p, ok := u.Probe(now); ok {
			l.receivers[e].Probe(now, p)
		}
	}
}

// watchLine follows the line of p, and limits what leaves for it. The call's reporter calls it.
func (p *peer) watchLine(now time.Time) {
	e, lines := p.out.Estimator(), p.call.engine.lines
	if r := p.path.Load(); r != nil && r != p.route {
		if p.route != nil {
			e.Moved(now)
		}
		p.route = r
		w := wayInternet
		if r.TURN() == nil {
			own, _ := netaddr.Own() // without a list, everything is beyond the local network
			w = wayOf(r.Remote().Addr(), own)
		}
		p.way.Store(uint32(w))
		lines.join(p, w)
	}
	e.RTT(p.out.RoundTrip())
	e.Tick(now)
	if e.State() == rate.Overuse {
		p.call.hurry.Store(true)
	}
	if way(p.way.Load()) == wayLoopback {
		p.out.Unlimit()
		return
	}
	p.out.Limit(now, e.Share())
}

// paceEvery is how often packets that wait are looked at.
const paceEvery = 5 * time.Millisecond

// pace is the goroutine that sends the pictures that wait. While none waits it rests.
func (c *Call) pace() {
	ticker := time.NewTicker(paceEvery)
	defer ticker.Stop()
	for {
		ticker.Stop()
		select {
		case <-c.waiting:
		case <-c.done:
			return
		}
		ticker.Reset(paceEvery)
		for more := true; more; {
			select {
			case now := <-ticker.C:
				more = c.paceOnce(now)
			case <-c.done:
				return
			}
		}
	}
}

// paceOnce sends what may leave now. more reports that packets wait.
func (c *Call) paceOnce(now time.Time) (more bool) {
	c.engine.cork()
	defer c.engine.uncork()
	for _, m := range *c.members.Load() {
		p := m.connection.Load()
		if p == nil {
			continue
		}
		if !c.engine.panics.Run(func() { more = p.out.Pace(now) || more }) {
			p.failed(errPanic)
		}
	}
	return more
}

// wakePacer wakes pace. It never blocks.
func (c *Call) wakePacer() {
	select {
	case c.waiting <- struct{}{}:
	default:
	}
}
