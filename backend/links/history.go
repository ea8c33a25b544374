package links

import (
	"cmp"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/sealed"
)

// How many calls of a link are remembered, and how many visits of a call. The oldest calls are forgotten, and further
// visits are not recorded.
const (
	MaxCallsOfLink  = 60
	MaxVisitsOfCall = 200
)

// Call is a call of a link in which guests were.
type Call struct {
	Began          time.Time
	Ended          time.Time // zero while it goes on, and if the app died in it
	Sent, Received int64     // bytes of media
	Visits         []Visit   // in the order in which they came
}

// Visit is a guest's part in a call.
type Visit struct {
	Name string
	Came time.Time
	Gone time.Time // zero while the guest is in, and if the app died
}

// callKey is a call of a link.
type callKey struct {
	link  string
	began time.Time
}

// Come records that a guest has come into the call that began then, and returns the visit's number for Go. It is negative
// if the visit is not recorded.
func (b *Book) Come(id sealed.LinkID, began time.Time, name string) (visit int, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.Get(id); err != nil {
		return -1, err
	}
	c := b.call(id, began)
	if len(c.Visits) >= MaxVisitsOfCall || began.Before(b.erased[id]) {
		return -1, nil
	}
	c.Visits = append(slices.Clone(c.Visits), Visit{Name: name, Came: b.time()})
	return len(c.Visits) - 1, b.putCall(id, c, len(c.Visits)-1)
}

// Go records that a guest has left a call.
func (b *Book) Go(id sealed.LinkID, began time.Time, visit int) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	c := b.call(id, began)
	if visit < 0 || visit >= len(c.Visits) || !c.Visits[visit].Gone.IsZero() { // not recorded, or erased since
		return nil
	}
	c.Visits = slices.Clone(c.Visits)
	c.Visits[visit].Gone = b.time()
	return b.putCall(id, c, visit)
}

// EndCall records that a call has ended, and the bytes of media that were sent and received in it. A call in which no
// guest was is not recorded.
func (b *Book) EndCall(id sealed.LinkID, began time.Time, sent, received int64) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	c := b.call(id, began)
	if len(c.Visits) == 0 {
		return nil
	}
	c.Ended, c.Sent, c.Received = b.time(), sent, received
	c.Visits = slices.Clone(c.Visits)
	var left []int
	for i := range c.Visits {
		if c.Visits[i].Gone.IsZero() {
			c.Visits[i].Gone = c.Ended
			left = append(left, i)
		}
	}
	return b.putCall(id, c, left...)
}

// History returns the calls of a link in which guests were, the latest first.
func (b *Book) History(id sealed.LinkID) []Call {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var calls []Call
	for key, c := range b.calls {
		if key.link == string(id) {
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(x, y Call) int { return y.Began.Compare(x.Began) })
	return calls
}

// EraseHistory forgets who was in through a link, when, and who came by its copies. A call that goes on is not recorded
// from then on. A link that has ended is forgotten altogether.
func (b *Book) EraseHistory(id sealed.LinkID) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	l, err := b.Get(id)
	if err != nil {
		return err
	}
	if l.State.Ended() {
		return b.drop(id)
	}
	l.UsedAt = time.Time{}
	if err := b.repo.EraseHistory(l.record()); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links[id] = l
	b.forgetHistory(string(id))
	b.erased[id] = b.time()
	for device := range b.guests.visitors[string(id)] {
		b.guests.deleteVisitor(guestKey{string(id), device})
	}
	return nil
}

// call returns a call as it is recorded, or a new one. The caller holds b.writing.
func (b *Book) call(id sealed.LinkID, began time.Time) Call {
	began = precise(began)
	b.mu.RLock()
	defer b.mu.RUnlock()
	if c, ok := b.calls[callKey{string(id), began}]; ok {
		return c
	}
	return Call{Began: began}
}

// putCall writes a call with those of its visits that have changed, and forgets the oldest calls. The caller holds
// b.writing.
func (b *Book) putCall(id sealed.LinkID, c Call, changed ...int) error {
	visits := make([]VisitRecord, len(changed))
	for i, n := range changed {
		v := c.Visits[n]
		visits[i] = VisitRecord{LinkID: string(id), Began: c.Began, Number: n, Name: v.Name, Came: v.Came, Gone: v.Gone}
	}
	r := CallRecord{LinkID: string(id), Began: c.Began, Ended: c.Ended, Sent: c.Sent, Received: c.Received}
	if err := b.repo.PutCall(r, visits...); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	b.calls[callKey{string(id), c.Began}] = c
	b.mu.Unlock()
	history := b.History(id)
	for _, old := range history[min(len(history), MaxCallsOfLink):] {
		if err := b.repo.DeleteCall(string(id), old.Began); err != nil {
			return unavailable(err)
		}
		b.mu.Lock()
		delete(b.calls, callKey{string(id), old.Began})
		b.mu.Unlock()
	}
	return nil
}

// loadHistory loads the calls of the links that were loaded.
func (b *Book) loadHistory() error {
	calls, err := b.repo.Calls()
	if err != nil {
		return unavailable(err)
	}
	for _, r := range calls {
		b.calls[callKey{r.LinkID, r.Began}] = Call{Began: r.Began, Ended: r.Ended, Sent: r.Sent, Received: r.Received}
	}
	visits, err := b.repo.Visits()
	if err != nil {
		return unavailable(err)
	}
	slices.SortFunc(visits, func(x, y VisitRecord) int { return cmp.Compare(x.Number, y.Number) })
	for _, r := range visits {
		key := callKey{r.LinkID, r.Began}
		c, ok := b.calls[key]
		if !ok || len(c.Visits) != r.Number {
			continue
		}
		c.Visits = append(c.Visits, Visit{Name: r.Name, Came: r.Came, Gone: r.Gone})
		b.calls[key] = c
	}
	return nil
}

// forgetHistory forgets the calls of a link and the browsers that came by its copies. The caller holds b.mu.
func (b *Book) forgetHistory(link string) {
	for key := range b.calls {
		if key.link == link {
			delete(b.calls, key)
		}
	}
	for key := range b.browsers {
		if key.link == link {
			delete(b.browsers, key)
		}
	}
}

// drop forgets a link with all that belongs to it. The caller holds b.writing.
func (b *Book) drop(id sealed.LinkID) error {
	if err := b.repo.DeleteLink(string(id)); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.links, id)
	delete(b.erased, id)
	b.guests.deleteLink(string(id))
	b.forgetHistory(string(id))
	return nil
}
