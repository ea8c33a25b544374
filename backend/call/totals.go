package call

import "sync"

// Totals sums what all calls since the start have counted.
type Totals struct {
	mu   sync.Mutex // a leaf but for Call.Stats
	done Stats
	live map[*Call]struct{}
}

// NewTotals returns totals of no calls.
func NewTotals() *Totals { return &Totals{live: make(map[*Call]struct{})} }

// Begin counts in a call.
func (t *Totals) Begin(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[c] = struct{}{}
}

// End adds a call that is closed.
func (t *Totals) End(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
	t.done = t.done.Plus(c.Stats())
	t.done.Participants = 0
}

// Sum sums what was counted so far.
func (t *Totals) Sum() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := t.done
	for c := range t.live {
		total = total.Plus(c.Stats())
	}
	return total
}

// Plus sums two stats.
func (s Stats) Plus(other Stats) Stats {
	return Stats{Participants: s.Participants + other.Participants, Counts: s.Counts.Plus(other.Counts)}
}
