package turn

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

// meter allows so many events a second, and a burst of them (the generic cell
// rate algorithm). Its zero value allows nothing.
type meter struct{ next atomic.Int64 } // nanoseconds: when the bucket will be full again

func (m *meter) allow(now time.Time, every, burst time.Duration) bool {
	at := now.UnixNano()
	for {
		next := m.next.Load()
		due := max(next, at)
		if due-at > int64(burst) {
			return false
		}
		if m.next.CompareAndSwap(next, due+int64(every)) {
			return true
		}
	}
}

// meters has a meter for each address, in memory of one size whoever knocks:
// addresses that fall together share one. An IPv6 /48 has one as well.
type meters struct {
	every, burst time.Duration
	seed         maphash.Seed
	of           [8192]meter
}

func newMeters(perSecond, burst int) *meters {
	every := time.Second / time.Duration(perSecond)
	return &meters{every: every, burst: every * time.Duration(burst), seed: maphash.MakeSeed()}
}

func (m *meters) allow(p netip.Prefix, now time.Time) bool {
	if !m.at(p).allow(now, m.every, m.burst) {
		return false
	}
	wide, ok := household.Wide(p)
	return !ok || m.at(wide).allow(now, m.every/household.WideFactor, m.burst)
}

func (m *meters) at(p netip.Prefix) *meter {
	return &m.of[maphash.Comparable(m.seed, p)%uint64(len(m.of))]
}

// counts is how many of something are open, in all and for each address; see household.Tally.
type counts struct {
	max, maxPerAddress int

	mu    sync.Mutex
	total int
	of    *household.Tally[netip.Prefix]
}

func newCounts(limit, perAddress int) *counts {
	return &counts{max: limit, maxPerAddress: perAddress, of: household.ByPrefix()}
}

// take counts one more, unless that is too many.
func (c *counts) take(p netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.max || !c.of.Room(p, c.maxPerAddress) {
		return false
	}
	c.total++
	c.of.Add(p)
	return true
}

// release gives back what take took.
func (c *counts) release(p netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	c.of.Drop(p)
}
