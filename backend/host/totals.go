package host

import (
	"sync"

	"github.com/porch-call/porch/backend/call"
)

// totals sums what all calls since the start have counted.
type totals struct {
	mu   sync.Mutex // a leaf but for Call.Stats
	done call.Stats
	live map[*call.Call]struct{}
}

// newTotals returns totals of no calls.
func newTotals() *totals { return &totals{live: make(map[*call.Call]struct{})} }

// begin counts in a call.
func (t *totals) begin(c *call.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[c] = struct{}{}
}

// end adds a call that is closed.
func (t *totals) end(c *call.Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
	t.done = plus(t.done, c.Stats())
	t.done.Participants = 0
}

// total sums what was counted so far.
func (t *totals) total() call.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.done
	for c := range t.live {
		total = plus(total, c.Stats())
	}
	return total
}

func plus(a, b call.Stats) call.Stats {
	return call.Stats{Participants: a.Participants + b.Participants, Counts: a.Plus(b.Counts)}
}
