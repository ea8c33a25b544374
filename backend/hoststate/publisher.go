package hoststate

import (
	"context"
	"maps"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
)

// Publisher turns states into changes and delivers them to watchers. One
// goroutine publishes. Any goroutine may read.
type Publisher struct {
	state atomic.Pointer[State] // never changed once stored

	// Guards watchers and closed. Lock order: Publisher.mu before Watcher.mu. No
	// other lock is taken under it.
	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	closed   bool
}

// NewPublisher returns a publisher whose state is empty.
func NewPublisher() *Publisher {
	p := &Publisher{watchers: make(map[*Watcher]struct{})}
	p.state.Store(&State{})
	return p
}

// Snapshot returns the whole state. It never waits.
func (p *Publisher) Snapshot() State { return *p.state.Load() }

// Publish makes next the state, with a new revision, and tells the watchers what
// changed. If nothing changed, it does nothing. The caller must not change next's
// slices afterwards.
func (p *Publisher) Publish(next State) {
	before := p.state.Load()
	next.Revision = before.Revision
	change := diff(*before, next)
	if len(change) == 0 {
		return
	}
	next.Revision++
	change["from"], change["revision"] = before.Revision, next.Revision
	p.state.Store(&next)

	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.watchers {
		w.merge(change)
	}
}

// diff returns the keys of State whose values differ, with b's values.
func diff(a, b State) Change {
	c := Change{}
	put := func(key string, before, after any) {
		if !reflect.DeepEqual(before, after) {
			c[key] = after
		}
	}
	put("me", a.Me, b.Me)
	put("reach", a.Reach, b.Reach)
	diffRows(c, "links", a.Links, b.Links, func(l LinkView) string { return l.ID }, func(key string, before *LinkView, after LinkView) {
		if before == nil || !reflect.DeepEqual(*before, after) {
			c[key] = after
		}
	})
	diffRows(c, "requests", a.Requests, b.Requests, func(q RequestView) string { return q.ID }, func(key string, before *RequestView, after RequestView) {
		had := ""
		if before != nil {
			had, before.Picture = before.Picture, ""
		}
		has := after.Picture
		after.Picture = ""
		if before == nil || !reflect.DeepEqual(*before, after) {
			c[key] = after
		}
		if had != has {
			c[key+"/picture"] = has
		}
	})
	put("calls", a.Calls, b.Calls)
	put("enter", a.Enter, b.Enter)
	put("settings", a.Settings, b.Settings)
	put("engines", a.Engines, b.Engines)
	put("notice", a.Notice, b.Notice)
	put("standings", a.Standings, b.Standings)
	put("arrival", a.Arrival, b.Arrival)
	put("recorded", a.Recorded, b.Recorded)
	put("deeds", a.Deeds, b.Deeds)
	return c
}

// diffRows puts the rows of a list that differ into c. It calls put with the
// earlier row, or nil for a new one. A list whose rows are in another order is
// put as a whole.
func diffRows[T any](c Change, key string, before, after []T, id func(T) string, put func(key string, before *T, after T)) {
	place := make(map[string]int, len(after))
	for i, row := range after {
		place[id(row)] = i
	}
	known := make(map[string]T, len(before))
	last := -1
	for _, row := range before {
		known[id(row)] = row
		at, stays := place[id(row)]
		switch {
		case !stays:
		case at != last+1:
			c[key] = after
			return
		default:
			last = at
		}
	}
	for rowID := range known {
		if _, stays := place[rowID]; !stays {
			c[key+"/"+rowID] = nil
		}
	}
	for _, row := range after {
		rowKey := key + "/" + id(row)
		if old, ok := known[id(row)]; ok {
			put(rowKey, &old, row)
		} else {
			put(rowKey, nil, row)
		}
	}
}

// Pace of a window's watcher: how many changes in a burst, so that the bell is
// not late, and the time between later ones. Changes that come faster are merged.
const (
	paceBurst = 5
	paceEvery = 100 * time.Millisecond
)

// Watch returns a watcher of all changes from now on. Call it before Snapshot, so
// that no change is missed. The caller closes it.
func (p *Publisher) Watch() *Watcher { return p.watch(nil) }

// WatchPaced is Watch for a window. However much strangers do at the door, it
// delivers at most ten times a second, and the first changes at once.
func (p *Publisher) WatchPaced() *Watcher {
	return p.watch(rate.NewLimiter(rate.Every(paceEvery), paceBurst))
}

func (p *Publisher) watch(pace *rate.Limiter) *Watcher {
	w := &Watcher{publisher: p, signal: make(chan struct{}, 1), pace: pace}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.end()
		return w
	}
	p.watchers[w] = struct{}{}
	return w
}

// Close ends every watcher, after it has delivered what is pending.
func (p *Publisher) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for w := range p.watchers {
		w.end()
		delete(p.watchers, w)
	}
}

// Watcher delivers changes. A slow reader gets them merged, and never holds up
// the host.
type Watcher struct {
	publisher *Publisher
	signal    chan struct{} // buffered 1; full means already woken
	pace      *rate.Limiter // nil means no limit

	mu      sync.Mutex // guards what follows; no other lock is taken under it
	pending Change
	ended   bool
}

// Next waits for the next change. It returns ctx's error, or ShuttingDown.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	for {
		w.mu.Lock()
		if w.pace != nil && w.pending != nil && !w.ended {
			w.mu.Unlock()
			if err := w.pace.Wait(ctx); err != nil {
				return nil, err
			}
			w.mu.Lock()
		}
		change, ended := w.pending, w.ended
		w.pending = nil
		w.mu.Unlock()
		switch {
		case change != nil:
			return change, nil
		case ended:
			return nil, fault.New(fault.ShuttingDown, nil)
		}
		select {
		case <-w.signal:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the watcher. A second call has no effect.
func (w *Watcher) Close() {
	w.publisher.mu.Lock()
	delete(w.publisher.watchers, w)
	w.publisher.mu.Unlock()
	w.end()
}

func (w *Watcher) merge(c Change) {
	w.mu.Lock()
	if w.pending == nil {
		w.pending = make(Change, len(c))
	} else {
		c = maps.Clone(c)
		c["from"] = w.pending["from"]
		for key := range w.pending { // a whole list replaces earlier rows of it
			list, _, row := strings.Cut(key, "/")
			if _, whole := c[list]; row && whole {
				delete(w.pending, key)
			}
		}
	}
	maps.Copy(w.pending, c)
	w.mu.Unlock()
	w.wake()
}

func (w *Watcher) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.wake()
}

func (w *Watcher) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}
