package rate

import (
	"sync/atomic"
	"time"
)

const (
	gateDepth = 15 * time.Millisecond  // of what is in front of a way: more pictures wait until it is less
	gateMost  = 100 * time.Millisecond // of what is counted; a longer queue is a clock that was set back
)

// Gate holds back the pictures for all receivers of a way. Each receiver's [Pacer] lets short bursts pass, and several
// bursts at once would make a queue in front of the way in which everybody's sound waits. The gate reckons that queue
// from what leaves, and lets pictures pass while it is short. It is safe for concurrent use and takes no lock. The zero
// value, and nil, are open.
type Gate struct {
	rate  atomic.Int64 // bits per second, 0 for open
	until atomic.Int64 // when what has left so far will have passed, in nanoseconds of Unix time
}

// Set says what the way carries.
func (g *Gate) Set(r Bitrate) { g.rate.Store(int64(r)) }

// Pass counts a packet of size bytes that leaves.
func (g *Gate) Pass(now time.Time, size int) {
	if g == nil {
		return
	}
	r := g.rate.Load()
	if r <= 0 {
		return
	}
	at, cost := now.UnixNano(), int64(size)*8*int64(time.Second)/r
	for {
		old := g.until.Load()
		next := at + cost
		if ahead := old - at; ahead > 0 && ahead <= int64(gateMost) {
			next = min(old+cost, at+int64(gateMost))
		}
		if g.until.CompareAndSwap(old, next) {
			return
		}
	}
}

// Has reports whether a picture's packet may leave now.
func (g *Gate) Has(now time.Time) bool {
	if g == nil || g.rate.Load() <= 0 {
		return true
	}
	ahead := time.Duration(g.until.Load() - now.UnixNano())
	return ahead <= gateDepth || ahead > gateMost
}
