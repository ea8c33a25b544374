package notify

import (
	"slices"
	"time"
)

// The pace of notifications: at most burst notes of single requests in any window, and a summary at most once in
// summaryPause. So the first four of a family that arrives together are named, and a flood becomes one note.
const (
	burst        = 4
	window       = 20 * time.Second
	summaryPause = 10 * time.Second
	againAfter   = 20 * time.Second // until a note that the system removed is shown again, while its guest waits
)

// board is what the system was asked to show. It is pure: it takes the waiting requests and the time, and returns
// what to do next, one step at a time.
type board struct {
	shown     []string             // notes of single requests, oldest first
	summed    map[string]bool      // requests that the summary stands for; true once it was shown with them
	summary   bool                 // the summary is shown
	summaryAt time.Time            // when it was last shown
	again     map[string]time.Time // when to show the notes again that the system removed
	recent    []time.Time          // when single notes were last shown, at most burst entries
}

// step is what to do next. At most one field is set.
type step struct {
	show     *Note
	withdraw string
	wait     time.Duration // ask again after this time
}

// expired says that the system removed a note.
func (b *board) expired(id string, now time.Time) {
	if id == SummaryID && b.summary {
		b.summary, b.summaryAt = false, now
		for id := range b.summed {
			b.summed[id] = false
		}
		return
	}
	if i := slices.Index(b.shown, id); i >= 0 {
		b.shown = slices.Delete(b.shown, i, i+1)
		if b.again == nil {
			b.again = make(map[string]time.Time)
		}
		b.again[id] = now.Add(againAfter)
	}
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
	for id := range b.again {
		if !waits(id) {
			delete(b.again, id)
		}
	}
	if b.summary && len(b.summed) == 0 {
		b.summary = false
		return step{withdraw: SummaryID}
	}
	var wait time.Duration // until the first note that is shown again
	for _, r := range waiting {
		if later := b.again[r.ID].Sub(now); later > 0 {
			if wait == 0 || later < wait {
				wait = later
			}
			continue
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
		delete(b.again, r.ID)
		note := t.request(r)
		return step{show: &note}
	}
	for _, told := range b.summed {
		if told {
			continue
		}
		if pause := b.summaryAt.Add(summaryPause).Sub(now); pause > 0 && !b.summaryAt.IsZero() {
			if wait == 0 || pause < wait {
				wait = pause
			}
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
