package forward

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// keyframes merges the wishes of many receivers for a keyframe into few
// requests to the sender (PLI, RFC 4585 section 6.3.1). It is not safe for
// concurrent use.
type keyframes struct {
	wanted bool
	asked  time.Time // when the last request went out
	later  time.Time // when a wish is due that has to wait, zero for none
}

// minKeyframeDistance is how long a sender is left in peace after a request:
// keyframes are several times as large as other frames, and go to everybody.
const minKeyframeDistance = 500 * time.Millisecond

// want notes a wish. It reports whether the sender is to be asked now: the
// first wish is passed on at once, others wait in due.
func (k *keyframes) want(now time.Time) bool {
	k.wanted = true
	return k.due(now)
}

// wantAt notes a wish for later. A keyframe that comes before grants it.
func (k *keyframes) wantAt(at time.Time) {
	if k.later.IsZero() || at.Before(k.later) {
		k.later = at
	}
}

// due reports whether the sender is to be asked now, because a wish has waited
// or because a request was not answered.
func (k *keyframes) due(now time.Time) bool {
	if !k.later.IsZero() && !now.Before(k.later) {
		k.wanted, k.later = true, time.Time{}
	}
	if !k.wanted || !k.asked.IsZero() && now.Sub(k.asked) < minKeyframeDistance {
		return false
	}
	k.asked = now
	return true
}

// arrived notes that a keyframe has begun.
func (k *keyframes) arrived() { k.wanted, k.later = false, time.Time{} }

// wishes bounds how many keyframes of one track one receiver may cost all the
// others. Its lock is a leaf.
type wishes struct {
	mu      sync.Mutex
	rate    *rate.Limiter
	waiting bool // for one that was promised for later
}

// Wishes that a receiver may have. A join, an unmute and what comes before the
// first keyframe cost nothing: they don't come from the receiver.
const (
	KeyframeWishEvery = 3 * time.Second
	wishBurst         = 3
)

// reset is for a new track.
func (w *wishes) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rate, w.waiting = rate.NewLimiter(rate.Every(KeyframeWishEvery), wishBurst), false
}

// wish returns when the receiver may have a keyframe. ok is false when it has
// been told so already.
func (w *wishes) wish(now time.Time) (at time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		return time.Time{}, false
	}
	at = now.Add(w.rate.ReserveN(now, 1).DelayFrom(now))
	w.waiting = at.After(now)
	return at, true
}

// granted notes that a keyframe has come.
func (w *wishes) granted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
}
