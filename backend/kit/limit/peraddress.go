package limit

import (
	"net/netip"
	"sync"

	"github.com/porch-call/porch/backend/kit/household"
)

// PerAddress counts how many of something are open, in all and for each address;
// see household.Tally.
type PerAddress struct {
	most, mostPerAddress int
	changed              func(delta int)

	mu    sync.Mutex // guards what follows
	total int
	of    *household.Tally[netip.Prefix]
}

// NewPerAddress returns a count of at most `most`, and at most mostPerAddress for
// each address. It calls changed with each change, which must return at once;
// changed may be nil.
func NewPerAddress(most, mostPerAddress int, changed func(delta int)) *PerAddress {
	if changed == nil {
		changed = func(int) {}
	}
	return &PerAddress{most: most, mostPerAddress: mostPerAddress, changed: changed, of: household.ByPrefix()}
}

// Take counts one more, unless that is too many. It reports whether it did.
func (c *PerAddress) Take(p netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.most || !c.of.Room(p, c.mostPerAddress) {
		return false
	}
	c.total++
	c.of.Add(p)
	c.changed(1)
	return true
}

// Release gives back what Take took.
func (c *PerAddress) Release(p netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	c.changed(-1)
	c.of.Drop(p)
}

// Has reports whether an address has one that is open.
func (c *PerAddress) Has(p netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.of.Room(p, 1)
}
