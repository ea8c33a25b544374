package notify

import (
	"maps"
	"slices"
	"time"
)

// The pace of notifications: at most burst notes of single requests in any window, and a summary at most once in
// summaryPause. So the first four of a family that arrives together are named, and a flood becomes one note.
const (
	burst        = 4
	window       = 20 * time.Second
	summaryPause = 10 * time.Second
)

// board is what the system was asked to show. It is pure: it takes the waiting requests and the time, and returns
// what to do next, one step at a time.
type board struct {
	shown     []string        // notes of single requests, oldest first
	summed    map[string]bool // requests that the summary stands for; true once it was shown with them
	summary   bool            // the summary is shown
	summaryAt time.Time       // when it was last shown
	removed   map[string]int  // requests whose note was removed, and how often the bell had rung by then
	rings     map[string]int  // how often the bell has rung for each request
	recent    []time.Time     // when single notes were last shown, at most burst entries
}

// step is what to do next. At most one field is set.
type step struct {
	show     *Note
	withdraw string
	wait     time.Duration // ask again after this time
}

// expired says that the system, or the host, removed a note. It comes back when the bell rings again.
func (b *board) expired(id string) {
	if id == SummaryID && b.summary {
		b.summary = false
		for id := range b.summed {
			b.remove(id)
		}
		return
	}
	if i := slices.Index(b.shown, id); i >= 0 {
		b.shown = slices.Delete(b.shown, i, i+1)
		b.remove(id)
	}
}

func (b *board) remove(id string) {
	if b.removed == nil {
		b.removed = make(map[string]int)
	}
	b.removed[id] = b.rings[id]
}

// next returns the next step that brings the board closer to what waits, and assumes that the step will be done.
// waiting is ordered, oldest first, and leaves out requests that are not announced.
func (b *board) next(waiting []Request, t Texts, now time.Time) step {
	waits := func(id string) bool {
		return slices.ContainsFunc(waiting, func(r Request) bool { return r.ID == id })
	}
	for i, id := range b.shown {
		if !waits(id) {
			b.shown = slices.Delete(b.shown, i, i+1)
			return step{withdraw: id}
		}
	}
	for id := range b.summed {
		if !waits(id) {
			delete(b.summed, id)
		}
	}
	maps.DeleteFunc(b.removed, func(id string, _ int) bool { return !waits(id) })
	b.rings = make(map[string]int, len(waiting))
	for _, r := range waiting {
		b.rings[r.ID] = r.Rings
	}
	if b.summary && len(b.summed) == 0 {
		b.summary = false
		return step{withdraw: SummaryID}
	}
	for _, r := range waiting {
		if rings, removed := b.removed[r.ID]; removed {
			if r.Rings <= rings || r.Seen {
				continue
			}
			delete(b.removed, r.ID)
			if _, summed := b.summed[r.ID]; summed {
				b.summed[r.ID] = false
			}
		}
		if _, summed := b.summed[r.ID]; summed || slices.Contains(b.shown, r.ID) {
			continue
		}
		if len(b.recent) == burst {
			if now.Sub(b.recent[0]) < window {
				if b.summed == nil {
					b.summed = make(map[string]bool)
				}
				b.summed[r.ID] = false
				continue
			}
			b.recent = b.recent[1:]
		}
		b.recent = append(b.recent, now)
		b.shown = append(b.shown, r.ID)
		note := t.request(r)
		return step{show: &note}
	}
	var wait time.Duration // until the summary may be shown again
	for _, told := range b.summed {
		if told {
			continue
		}
		if pause := b.summaryAt.Add(summaryPause).Sub(now); pause > 0 && !b.summaryAt.IsZero() {
			wait = pause
			break
		}
		for id := range b.summed {
			b.summed[id] = true
		}
		b.summary, b.summaryAt = true, now
		note := t.summary(len(waiting))
		return step{show: &note}
	}
	return step{wait: wait}
}
