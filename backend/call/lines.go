package call

import (
	"time"

	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/media/rate"
)

// watchLine follows the line of p, and limits what leaves for it. The call's reporter calls it.
func (p *peer) watchLine(now time.Time) {
	e, all := p.out.Estimator(), p.call.engine.lines
	w := lines.Way(p.way.Load())
	if r := p.path.Load(); r != nil {
		if r != p.route {
			if p.route != nil {
				e.Moved(now)
			}
			p.route, p.stalls = r, r.Stalls()
			w = lines.Internet
			if r.TURN() == nil {
				own, _ := netaddr.Own() // without a list, everything is beyond the local network
				w = lines.WayOf(r.Remote().Addr(), own)
			}
			p.way.Store(uint32(w))
			all.Join(p.out, w, p.done)
			all.Uses(w, r.Local(), p.call.engine.mux.Has, now)
		}
		if n := r.Stalls(); n != p.stalls {
			p.stalls = n
			all.Full(w)
		}
	}
	e.RTT(p.out.RoundTrip())
	e.Tick(now)
	if n := e.Excused(); e.State() == rate.Overuse || n != p.excused {
		p.excused = n
		p.call.hurry.Store(true)
	}
	if w == lines.Loopback {
		p.out.Unlimit()
		return
	}
	p.out.Limit(now, e.Share(), all.Gate(w))
}

// load is what a call makes this computer do.
type load struct {
	machine       rate.Machine
	at            time.Time
	packets, size uint64  // forwarded until then; size is bytes
	rate          float64 // bits per second that leave
}

// perPacket is what headers and the tag add to a packet's payload on the wire, in bytes.
const perPacket = 70

// watchMachine notices that this computer does not read in time what comes. Then less leaves. The reporter calls it.
func (c *Call) watchMachine(now time.Time) {
	if c.engine.mux == nil {
		return
	}
	l, counts := &c.load, c.counters.Counts()
	bytes := counts.ForwardedBytes - l.size + perPacket*(counts.ForwardedPackets-l.packets)
	if passed := now.Sub(l.at).Seconds(); passed > 0 {
		l.rate += (float64(bytes)*8/passed - l.rate) / 4
	}
	l.at, l.packets, l.size = now, counts.ForwardedPackets, counts.ForwardedBytes
	dropped, fill := c.engine.mux.Entrance()
	l.machine.Tick(now, dropped, fill, rate.Bitrate(l.rate))
	limit, _ := l.machine.Limit()
	if before := c.limit.Swap(int64(limit)); int64(limit) < before || before == 0 && limit > 0 {
		c.hurry.Store(true)
	}
	c.counters.Overrun.Store(l.machine.Overrun())
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
		for more, turn := true, 0; more; turn++ {
			select {
			case now := <-ticker.C:
				more = c.paceOnce(now, turn)
			case <-c.done:
				return
			}
		}
	}
}

// paceOnce sends what may leave now. The receivers take turns to be the first, because the way may have no room for
// all. more reports that packets wait.
func (c *Call) paceOnce(now time.Time, turn int) (more bool) {
	c.engine.cork()
	defer c.engine.uncork()
	members := *c.members.Load()
	for i := range members {
		p := members[(i+turn)%len(members)].connection.Load()
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
