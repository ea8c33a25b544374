package lobby

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
	"golang.org/x/time/rate"
)

// maxDeclines is how often a device may be declined before it may not knock again.
const maxDeclines = 2

// queue is the state of a lobby. It has neither a goroutine nor a clock: the lobby's goroutine calls it and passes
// the time.
type queue struct {
	o         Options  // with the defaults filled in
	waiting   []*entry // in the order of their knocks, at most o.Limit
	devices   *devices
	addresses *limit.Buckets[string] // limit knocks by address
	total     *rate.Limiter
	worked    *rate.Limiter        // as total, of guests who have done the work
	shut      map[string]time.Time // addresses from which a guest was blocked, and until when
	locked    bool
	silenced  bool
	closed    Outcome // "" while open
	changed   bool    // since the last snapshot
}

// entry is a waiting request.
type entry struct {
	request   Request
	ticket    *Ticket
	address   string    // as in Knock
	local     bool      // as in Knock
	weight    int       // how much speaks for the guest; see [weigh]
	awayUntil time.Time // valid while request.Away is true
}

func newQueue(o Options) *queue {
	return &queue{
		o: o, devices: newDevices(o), total: o.TotalRate.Bucket(),
		worked: o.Worked.Bucket(), shut: make(map[string]time.Time),
		addresses: limit.NewBuckets(o.AddressRate, o.Devices, household.WideKey),
		locked:    o.Locked, silenced: o.Silenced,
	}
}

func (q *queue) knock(k Knock, now time.Time) (*Ticket, error) {
	if code, ok := q.closed.closing(); ok {
		return nil, fault.New(code, nil)
	}
	dev := q.devices.touch(k.Device)
	if dev.blocked {
		return nil, fault.New(fault.Blocked, nil)
	}
	// A waiting device is found before its pace is checked, because a guest whose connection comes and goes must not
	// lose the place by coming back.
	if e := q.byBrowser(k); e != nil && e.request.Name == k.Name {
		q.replace(e, k)
		e.ticket.paced = limit.Take(dev.pace, now) == 0
		return e.ticket, nil
	}
	if p := q.takePromise(dev, now); p != nil && p.name == k.Name {
		t := newTicket(rand.Text(), k)
		t.decide(p.verdict)
		dev.decided = t
		return t, nil
	}
	if dev.declines >= maxDeclines {
		return nil, fault.New(fault.DeclinedForGood, nil)
	}
	if wait := limit.Take(dev.pace, now); wait > 0 {
		return nil, tooFast(wait)
	}
	if e := q.byBrowser(k); e != nil {
		q.rename(e, k, now)
		e.ticket.paced = true
		return e.ticket, nil
	}
	if q.locked {
		return nil, fault.New(fault.LobbyLocked, nil)
	}
	if k.Standing && !q.outside(k.Device, k.Key) {
		t := newTicket(rand.Text(), k)
		t.paced = true
		t.decide(Verdict{Outcome: Admitted, Standing: true})
		dev.declines, dev.decided = 0, t
		q.devices.rerank(dev)
		return t, nil
	}
	if err := q.makeRoom(k, now); err != nil {
		return nil, err
	}
	e := &entry{address: k.Address, local: k.Local, weight: weigh(k), request: Request{
		ID: rand.Text(), Device: k.Device, Name: k.Name, Known: k.Known, Key: k.Key, Hints: k.Hints,
		Since: now, Retry: dev.declines > 0,
	}}
	e.ticket = newTicket(e.request.ID, k)
	e.ticket.paced = true
	q.announce(e, now)
	q.waiting = append(q.waiting, e)
	return e.ticket, nil
}

func tooFast(wait time.Duration) error {
	return &fault.Error{Code: fault.TooFast, After: wait}
}

// replace gives a waiting device's place to its newer page. The request stays the same, and the host is not told of
// another one.
func (q *queue) replace(e *entry, k Knock) {
	e.ticket.decide(Verdict{Outcome: Replaced})
	q.changed = q.changed || e.request.Away || e.request.Known != k.Known || e.request.Hints != k.Hints
	e.request.Known, e.request.Hints, e.request.Away = k.Known, k.Hints, false
	q.take(e, k)
	e.ticket, e.address = newTicket(e.request.ID, k), k.Address
	e.ticket.ring(e.request.bell())
}

// rename gives a waiting device's place to its newer page under another name, as a new request. A decision on the
// name that the host saw must not apply to a name that the host did not see.
func (q *queue) rename(e *entry, k Knock, now time.Time) {
	e.ticket.decide(Verdict{Outcome: Replaced})
	e.request.ID = rand.Text()
	e.request.Name, e.request.Known, e.request.Picture, e.request.Away = k.Name, k.Known, "", false
	e.request.Hints = k.Hints
	q.take(e, k)
	e.ticket, e.address = newTicket(e.request.ID, k), k.Address
	q.announce(e, now)
}

// picture shows the host a picture of the ticket's guest.
func (q *queue) picture(t *Ticket, picture string) {
	if e := q.byTicket(t); e != nil && e.request.Picture != picture {
		e.request.Picture = picture
		q.changed = true
	}
}

func (q *queue) admit(id string, now time.Time) bool {
	e := q.byID(id)
	if e == nil {
		return false
	}
	q.devices.touch(e.ticket.device).declines = 0
	q.setOutside(false, []string{e.request.Device}, e.request.Key)
	q.decide(e, Verdict{Outcome: Admitted}, now)
	return true
}

func (q *queue) decline(id string, now time.Time) bool {
	e := q.byID(id)
	if e == nil {
		return false
	}
	dev := q.devices.touch(e.ticket.device)
	dev.declines++
	q.decide(e, Verdict{Outcome: Declined, MayRetry: dev.declines < maxDeclines}, now)
	return true
}

func (q *queue) block(id string, now time.Time) bool {
	e := q.byID(id)
	if e == nil {
		return false
	}
	q.shutAddress(e, now)
	q.blockDevice(e.ticket.device, now)
	return true
}

func (q *queue) blockDevice(device string, now time.Time) {
	if q.closed != "" {
		return
	}
	dev := q.devices.touch(device)
	dev.blocked, dev.promise = true, nil
	q.devices.rerank(dev)
	if e := q.byDevice(device); e != nil {
		q.decide(e, Verdict{Outcome: Blocked}, now)
	}
}

// decide ends a request. If its guest is away, the host's decision is kept for the device's return. An older promise
// is dropped in any case.
func (q *queue) decide(e *entry, v Verdict, now time.Time) {
	q.remove(e)
	e.ticket.decide(v)
	dev := q.devices.touch(e.ticket.device)
	dev.promise, dev.decided = nil, e.ticket
	if e.request.Away && e.ticket.take() {
		dev.promise = &promise{name: e.request.Name, verdict: v, until: now.Add(q.o.AwayGrace)}
	}
	q.devices.rerank(dev)
}

// takePromise removes the decision that waits for a device's return. It returns nil if there is none or it has
// expired.
func (q *queue) takePromise(dev *device, now time.Time) *promise {
	p := dev.promise
	dev.promise = nil
	q.devices.rerank(dev)
	if p != nil && !now.Before(p.until) {
		return nil
	}
	return p
}

func (q *queue) leave(t *Ticket, now time.Time) {
	if e := q.byTicket(t); e != nil {
		q.decide(e, Verdict{Outcome: Left}, now)
	}
}

func (q *queue) away(t *Ticket, now time.Time) {
	if e := q.byTicket(t); e != nil {
		if !e.request.Away {
			e.request.Away, e.awayUntil = true, now.Add(q.o.AwayGrace)
			q.changed = true
		}
		return
	}
	if q.closed != "" {
		return
	}
	// The request was decided just when the connection was lost. The decision is not kept if the device got another
	// answer since: it waits again, was decided again, or is blocked.
	dev := q.devices.touch(t.device)
	if !dev.blocked && dev.decided == t && q.byDevice(t.device) == nil && t.take() {
		dev.promise = &promise{name: t.name, verdict: t.verdict, until: now.Add(q.o.AwayGrace)}
		q.devices.rerank(dev)
	}
}

func (q *queue) setLocked(on bool) {
	q.changed = q.changed || q.locked != on
	q.locked = on
}

// take makes an entry that of a browser's newer page. Whoever was put out of the call is so also by a key that they
// prove only now.
func (q *queue) take(e *entry, k Knock) {
	e.request.Device, e.request.Key, e.local = k.Device, k.Key, k.Local
	e.weight = max(e.weight, weigh(k))
	if e.request.Outside {
		q.setOutside(true, []string{k.Device}, k.Key)
	}
}

// expire does what the time brings: it ends the requests that waited for too long at now, or were away for too long,
// and rings the bell again for others.
func (q *queue) expire(now time.Time) {
	for _, e := range slices.Clone(q.waiting) {
		switch {
		case !now.Before(e.request.Since.Add(q.o.Timeout)):
			q.decide(e, Verdict{Outcome: TimedOut}, now)
		case e.request.Away && !now.Before(e.awayUntil):
			q.decide(e, Verdict{Outcome: Left}, now)
		}
	}
	q.ringAgain(now)
}

// next returns when expire must run next. ok is false if no request waits.
func (q *queue) next() (at time.Time, ok bool) {
	for _, e := range q.waiting {
		end := e.request.Since.Add(q.o.Timeout)
		if e.request.Away && e.awayUntil.Before(end) {
			end = e.awayUntil
		}
		if ring, rings := q.nextRing(e); rings && ring.Before(end) {
			end = ring
		}
		if !ok || end.Before(at) {
			at, ok = end, true
		}
	}
	return at, ok
}

// close answers all waiting guests. Promises end with the lobby.
func (q *queue) close(o Outcome) {
	for _, e := range q.waiting {
		e.ticket.decide(Verdict{Outcome: o})
	}
	q.waiting, q.devices = nil, newDevices(q.o)
	q.closed, q.changed = o, true
}

func (q *queue) snapshot() Snapshot {
	s := Snapshot{
		Requests: make([]Request, len(q.waiting)),
		Locked:   q.locked, Silenced: q.silenced, Closed: q.closed != "",
	}
	for i, e := range q.waiting {
		s.Requests[i] = e.request
	}
	return s
}

func (q *queue) remove(e *entry) {
	q.waiting = slices.DeleteFunc(q.waiting, func(w *entry) bool { return w == e })
	q.changed = true
}

func (q *queue) byID(id string) *entry {
	return q.find(func(e *entry) bool { return e.request.ID == id })
}

func (q *queue) byDevice(device string) *entry {
	return q.find(func(e *entry) bool { return e.ticket.device == device })
}

// byBrowser returns the request of the device that knocks, or of the browser that has proved the same key.
func (q *queue) byBrowser(k Knock) *entry {
	if e := q.byDevice(k.Device); e != nil || k.Key == "" {
		return e
	}
	return q.find(func(e *entry) bool { return e.request.Key == k.Key })
}

func (q *queue) byTicket(t *Ticket) *entry {
	return q.find(func(e *entry) bool { return e.ticket == t })
}

func (q *queue) find(is func(*entry) bool) *entry {
	if i := slices.IndexFunc(q.waiting, is); i >= 0 {
		return q.waiting[i]
	}
	return nil
}
