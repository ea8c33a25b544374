// Package lines knows the ways out of this machine, which the receivers of all calls share.
package lines

import (
	"net/netip"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
)

// Way is a way out of this machine.
type Way uint8

// Ways out.
const (
	Loopback Way = iota // never short
	Network             // the local network
	Internet            // what is beyond it, also by a TURN server
	Ways
)

// firstUplink is what a way out is taken to carry before its receivers have said what arrives.
const firstUplink = 4 * rate.Mbit

// Lines are the ways out. They outlive a call, so that the next one begins with what the last one has found. They are
// safe for concurrent use.
type Lines struct {
	uplinks [Ways]*rate.Uplink // nil for the loopback

	mu        sync.Mutex // guards what follows; acquired before the locks of package rate
	receivers map[*rate.Estimator]*forward.Outbound
	from      [Ways]netip.Addr // this machine's address that the way was last used from
	ticked    time.Time
}

// tickEvery is the shortest time between two looks at the ways out.
const tickEvery = 90 * time.Millisecond

// New returns the ways out of a process.
func New() *Lines {
	l := &Lines{receivers: make(map[*rate.Estimator]*forward.Outbound)}
	for w := Network; w < Ways; w++ {
		l.uplinks[w] = rate.NewUplink(firstUplink)
	}
	return l
}

// WayOf returns the way out that leads to an address from this machine, which has own addresses in their networks.
func WayOf(a netip.Addr, own []netip.Prefix) Way {
	a = a.Unmap()
	if a.IsLoopback() {
		return Loopback
	}
	for _, n := range own {
		switch {
		case n.Addr() == a:
			return Loopback
		case n.Contains(a):
			return Network
		}
	}
	return Internet
}

// Join makes a receiver share a way out, and no other one. It does nothing once done is closed.
func (l *Lines) Join(out *forward.Outbound, w Way, done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(out)
	select {
	case <-done:
		return
	default:
	}
	if u := l.uplinks[w]; u != nil {
		u.Join(out.Estimator())
		l.receivers[out.Estimator()] = out
	}
}

// Uses says that a way is used from an address of this machine. If that of before is lost, this machine has changed
// networks, and the way is another one. has tells whether the machine has an address. An address that is not valid says
// nothing.
func (l *Lines) Uses(w Way, from netip.Addr, has func(netip.Addr) bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, u := l.from[w], l.uplinks[w]
	if u == nil || !from.IsValid() || from == before {
		return
	}
	l.from[w] = from
	if before.IsValid() && !has(before) {
		u.Moved(now)
	}
}

// Leave undoes Join, after the receiver's done was closed.
func (l *Lines) Leave(out *forward.Outbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(out)
}

func (l *Lines) forget(out *forward.Outbound) {
	for _, u := range l.uplinks {
		if u != nil {
			u.Leave(out.Estimator())
		}
	}
	delete(l.receivers, out.Estimator())
}

// Full says that a socket took no more packets for a way.
func (l *Lines) Full(w Way) {
	if u := l.uplinks[w]; u != nil {
		u.Full()
	}
}

// Known reports whether a way out was full once, so that its capacity is what it carries.
func (l *Lines) Known(w Way) bool {
	u := l.uplinks[w]
	return u != nil && u.Known()
}

// Capacity returns what a way carries. It must not be the loopback.
func (l *Lines) Capacity(w Way) rate.Bitrate { return l.uplinks[w].Capacity() }

// Excused counts how often a way's capacity was taken back up. It must not be the loopback.
func (l *Lines) Excused(w Way) uint32 { return l.uplinks[w].Excused() }

// Gate returns what holds back the pictures for all receivers of a way; nil for the loopback.
func (l *Lines) Gate(w Way) *rate.Gate {
	if u := l.uplinks[w]; u != nil {
		return u.Gate()
	}
	return nil
}

// Tick shares the ways out anew, and begins a probe where one is of use. All calls call it.
func (l *Lines) Tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.ticked) < tickEvery {
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
