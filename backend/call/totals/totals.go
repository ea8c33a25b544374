// Package totals sums what all calls of an app have counted.
package totals

import (
	"maps"
	"sync"

	"github.com/porch-call/porch/backend/call"
)

// Totals sums what all calls have counted since the start.
type Totals struct {
	mu   sync.Mutex // guards what follows; held while call.Call.Stats runs, and no other lock is taken under it
	done call.Stats
	live map[*call.Call]struct{}
}

// New returns the totals of no calls.
func New() *Totals { return &Totals{live: make(map[*call.Call]struct{})} }

// Begin adds a call that has begun.
func (t *Totals) Begin(c *call.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[c] = struct{}{}
}

// End keeps the counts of a call that is closed.
func (t *Totals) End(c *call.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
	t.done = Plus(t.done, c.Stats())
	t.done.Participants, t.done.Estimates = 0, nil
}

// Sum returns what was counted so far.
func (t *Totals) Sum() call.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.done
	for c := range t.live {
		total = Plus(total, c.Stats())
	}
	return total
}

// Plus returns the sum of two stats, of calls with different participants.
func Plus(s, other call.Stats) call.Stats {
	sum := call.Stats{Participants: s.Participants + other.Participants, Counts: s.Plus(other.Counts)}
	if len(s.Estimates)+len(other.Estimates) > 0 {
		sum.Estimates = make(map[string]uint64)
		maps.Copy(sum.Estimates, s.Estimates)
		maps.Copy(sum.Estimates, other.Estimates)
	}
	return sum
}
