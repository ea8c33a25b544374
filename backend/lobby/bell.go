package lobby

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// The bell goes on while a guest waits and the host has not looked: at 10, 20 and 40 seconds, and then each minute. It
// is a schedule of times only. How loud the bell is does not change.

// pause returns the time from a request's ring, the first one being 1, to its next.
func pause(rings int) time.Duration {
	switch {
	case rings <= 2:
		return 10 * time.Second
	case rings == 3:
		return 20 * time.Second
	default:
		return time.Minute
	}
}

// nextRing returns when the bell rings for a request again. ok is false if it does not: the host has looked or asked
// to wait without a time, the guest is away, or the bell is silenced.
func (q *queue) nextRing(e *entry) (at time.Time, ok bool) {
	r := &e.request
	switch {
	case r.Away || q.silenced:
		return time.Time{}, false
	case r.Bell == signalling.BellAskWait:
		return r.WaitUntil, !r.WaitUntil.IsZero()
	case r.Bell != signalling.BellRung || r.Seen:
		return time.Time{}, false
	}
	return r.BellSince.Add(pause(r.Rings)), true
}

// ringAgain rings for the requests whose time has come. Those that would ring soon after ring with them, so that many
// guests who wait are one bell.
func (q *queue) ringAgain(now time.Time) {
	due := false
	for _, e := range q.waiting {
		if at, ok := q.nextRing(e); ok && !now.Before(at) {
			q.strike(e, now)
			due = true
		}
	}
	if due {
		q.ringAlong(now)
	}
}

// ringAlong rings for the requests of which half of the pause is over, because the bell rings anyway.
func (q *queue) ringAlong(now time.Time) {
	for _, e := range q.waiting {
		at, ok := q.nextRing(e)
		if ok && e.request.Bell == signalling.BellRung && !now.Before(at.Add(-pause(e.request.Rings)/2)) {
			q.strike(e, now)
		}
	}
}

// announce tells the host of a request for the first time.
func (q *queue) announce(e *entry, now time.Time) {
	e.request.Rings, e.request.Seen = 0, false
	if q.silenced {
		q.setBell(e, signalling.BellSilenced, now)
		return
	}
	q.strike(e, now)
	q.ringAlong(now)
}

// strike rings the bell for a request once.
func (q *queue) strike(e *entry, now time.Time) {
	e.request.Rings++
	e.request.Seen = false
	q.setBell(e, signalling.BellRung, now)
}

func (q *queue) setBell(e *entry, b signalling.Bell, now time.Time) {
	e.request.Bell, e.request.BellSince, e.request.WaitUntil = b, now, time.Time{}
	q.tell(e)
}

// tell tells the guest and the host how the bell of a request stands.
func (q *queue) tell(e *entry) {
	e.ticket.ring(e.request.bell())
	q.changed = true
}

// see says that the host has looked at a request. The bell rings no more for it.
func (q *queue) see(id string) {
	if e := q.byID(id); e != nil && !e.request.Seen {
		e.request.Seen = true
		q.tell(e)
	}
}

func (q *queue) setSilenced(on bool, now time.Time) {
	q.changed = q.changed || q.silenced != on
	q.silenced = on
	if on {
		return
	}
	for _, e := range q.waiting {
		if e.request.Bell == signalling.BellSilenced {
			q.strike(e, now)
		}
	}
}

// askToWait tells the guest to wait. After the given time, unless it is 0, the bell rings again.
func (q *queue) askToWait(id string, wait time.Duration, now time.Time) bool {
	e := q.byID(id)
	if e == nil {
		return false
	}
	e.request.Bell, e.request.BellSince, e.request.Seen = signalling.BellAskWait, now, true
	e.request.WaitUntil = time.Time{}
	if wait > 0 {
		e.request.WaitUntil = now.Add(wait)
	}
	q.tell(e)
	return true
}

// bell returns what the guest is told of a request.
func (r Request) bell() BellState {
	return BellState{Bell: r.Bell, Since: r.BellSince, Rings: r.Rings, Seen: r.Seen, Until: r.WaitUntil}
}
