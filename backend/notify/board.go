package notify

import (
	"slices"
	"time"
)

// The pace of notifications: at most burst notes of single requests in any
// window, and a summary at most once a summaryPause. The first four of a family
// that arrives together are named; a flood is one note.
const (
	burst        = 4
	window       = 20 * time.Second
	summaryPause = 10 * time.Second
)

// board is what the system was asked to show. It is pure: it is told what waits
// and what the time is, and says what to do next, one step at a time.
type board struct {
	shown     []string        // notes of single requests, oldest first
	summed    map[string]bool // requests that the summary stands for; true once it was shown with them
	summary   bool            // the summary is shown
	summaryAt time.Time       // when it was last
	recent    []time.Time     // when single notes were last shown, at most burst
}

// step is what to do next: one of its fields, or nothing.
type step struct {
	show     *Note
	withdraw string
	wait     time.Duration // and then ask again
}

// next says what to do so that the board comes closer to what waits, and takes
// it for done. waiting is oldest first and without those that are not to be
// announced.
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
	if b.summary && len(b.summed) == 0 {
		b.summary = false
		return step{withdraw: SummaryID}
	}
	for _, r := range waiting {
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
	for _, told := range b.summed {
		if told {
			continue
		}
		if pause := b.summaryAt.Add(summaryPause).Sub(now); pause > 0 && !b.summaryAt.IsZero() {
			return step{wait: pause}
		}
		for id := range b.summed {
			b.summed[id] = true
		}
		b.summary, b.summaryAt = true, now
		note := t.summary(len(waiting))
		return step{show: &note}
	}
	return step{}
}
