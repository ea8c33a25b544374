package limit

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

// Hashed is a token bucket for each address, and one for each IPv6 /48, in memory
// of a fixed size. Addresses that fall on the same bucket share it. It is for
// UDP, whose senders may forge their address. A hundred thousand forged ones a
// second put twelve on each bucket; they would fill [Buckets] and leave all
// strangers one bucket. Hashed takes no lock and allocates nothing.
type Hashed struct {
	every, burst time.Duration
	seed         maphash.Seed
	of           [8192]cell
}

// NewHashed returns buckets with a rate of perSecond tokens and a burst of burst.
// One more than the burst is allowed at once.
func NewHashed(perSecond, burst int) *Hashed {
	every := time.Second / time.Duration(perSecond)
	return &Hashed{every: every, burst: every * time.Duration(burst), seed: maphash.MakeSeed()}
}

// Allow takes a token of an address, and one of its IPv6 /48.
func (h *Hashed) Allow(p netip.Prefix, now time.Time) bool {
	if !h.at(p).allow(now, h.every, h.burst) {
		return false
	}
	wide, ok := household.Wide(p)
	return !ok || h.at(wide).allow(now, h.every/household.WideFactor, h.burst)
}

func (h *Hashed) at(p netip.Prefix) *cell {
	return &h.of[maphash.Comparable(h.seed, p)%uint64(len(h.of))]
}

// cell is a token bucket of eight bytes: the generic cell rate algorithm (ITU-T
// I.371). It holds the time at which the bucket will be full again, in
// nanoseconds since 1970.
type cell struct{ next atomic.Int64 }

func (c *cell) allow(now time.Time, every, burst time.Duration) bool {
	at := now.UnixNano()
	for {
		next := c.next.Load()
		due := max(next, at)
		if due-at > int64(burst) {
			return false
		}
		if c.next.CompareAndSwap(next, due+int64(every)) {
			return true
		}
	}
}
