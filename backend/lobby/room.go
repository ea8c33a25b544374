package lobby

import (
	"maps"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
)

// Who gets a place when many knock at once. What an attacker can't invent speaks for a guest: a key under which the host
// has let a browser in before, and then work.
const (
	weightPlain = iota
	weightWorked
	weightKnown
)

func weigh(k Knock) int {
	switch {
	case k.Key != "" && k.Known.TimesLetIn > 0:
		return weightKnown
	case k.Work == WorkDone:
		return weightWorked
	}
	return weightPlain
}

// shutFor is how long an address keeps its distance after a guest from there was blocked, and maxShut how many do.
const (
	shutFor = 10 * time.Minute
	maxShut = 256
)

// busy reports whether so many knock that a guest has to show that they mean it: half of the places or of the rate of
// new requests are used up.
func (q *queue) busy(now time.Time) bool {
	return len(q.waiting) >= q.o.Limit/2 || q.total.TokensAt(now) < float64(q.o.TotalRate.Burst)/2
}

// makeRoom takes a new request within the limits, and ends another one if there is no place left.
func (q *queue) makeRoom(k Knock, now time.Time) error {
	weight := weigh(k)
	full := len(q.waiting) >= q.o.Limit
	var surplus *entry
	if full {
		surplus = q.surplus(k)
	}
	var wait time.Duration
	if until, shut := q.shut[wide(k.Address)]; shut && weight < weightKnown && now.Before(until) {
		wait = until.Sub(now)
	}
	if wait == 0 && weight == weightPlain && k.Work == WorkNotDone && q.busy(now) {
		return ErrWork
	}
	if full && surplus == nil {
		return fault.New(fault.LobbyFull, nil)
	}
	if wait == 0 && k.Address != "" {
		wait = q.addresses.Take(k.Address, now)
	}
	if wait == 0 {
		switch weight {
		case weightPlain:
			wait = limit.Take(q.total, now)
		case weightWorked:
			wait = limit.Take(q.worked, now)
		}
	}
	if wait > 0 {
		return tooFast(wait)
	}
	if full {
		q.decide(surplus, Verdict{Outcome: Full}, now)
	}
	return nil
}

// shutAddress keeps guests from the address of a blocked one away for a while, because a browser is easily cleared. Known
// browsers may knock.
func (q *queue) shutAddress(e *entry, now time.Time) {
	if e.address == "" || e.local {
		return
	}
	maps.DeleteFunc(q.shut, func(_ string, until time.Time) bool { return !now.Before(until) })
	if len(q.shut) < maxShut {
		q.shut[wide(e.address)] = now.Add(shutFor)
	}
}

// wide returns what counts as one address: all of an IPv6 /48 are.
func wide(address string) string {
	if w, ok := household.WideKey(address); ok {
		return w
	}
	return address
}

// surplus returns the request that makes room for a newcomer, nil for none. It is the newest one for which less speaks
// than for the newcomer. If as much speaks for all, it is the newest from the address with the most places, if that
// address keeps at least as many as the newcomer's will have. All addresses of an IPv6 /48 count as one.
func (q *queue) surplus(k Knock) (newest *entry) {
	weight := weigh(k)
	for _, e := range q.waiting {
		if e.weight < weight && (newest == nil || e.weight <= newest.weight) {
			newest = e
		}
	}
	if newest != nil {
		return newest
	}
	address := wide(k.Address)
	places := make(map[string]int)
	for _, e := range q.waiting {
		places[wide(e.address)]++
	}
	own := places[address]
	if address == "" {
		own = 0
	}
	delete(places, "")
	most := own + 1
	for _, e := range q.waiting {
		if e.weight > weight {
			continue
		}
		if n := places[wide(e.address)]; n > most || newest != nil && n == most && wide(e.address) == wide(newest.address) {
			newest, most = e, n
		}
	}
	return newest
}
