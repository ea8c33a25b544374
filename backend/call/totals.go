package call

import (
	"maps"
	"sync"
)

// Totals sums what all calls have counted since the start.
type Totals struct {
	mu   sync.Mutex // guards what follows; held while Call.Stats runs, and no other lock is taken under it
	done Stats
	live map[*Call]struct{}
}

// NewTotals returns the totals of no calls.
func NewTotals() *Totals { return &Totals{live: make(map[*Call]struct{})} }

// Begin adds a call that has begun.
func (t *Totals) Begin(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[c] = struct{}{}
}

// End keeps the counts of a call that is closed.
func (t *Totals) End(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
	t.done = t.done.Plus(c.Stats())
	t.done.Participants, t.done.Estimates = 0, nil
}

// Sum returns what was counted so far.
func (t *Totals) Sum() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.done
	for c := range t.live {
		total = total.Plus(c.Stats())
	}
	return total
}

// Plus returns the sum of two stats, of calls with different participants.
func (s Stats) Plus(other Stats) Stats {
	sum := Stats{Participants: s.Participants + other.Participants, Counts: s.Counts.Plus(other.Counts)}
	if len(s.Estimates)+len(other.Estimates) > 0 {
		sum.Estimates = make(map[string]uint64)
		maps.Copy(sum.Estimates, s.Estimates)
		maps.Copy(sum.Estimates, other.Estimates)
	}
	return sum
}
