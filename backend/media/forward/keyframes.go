package forward

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// keyframes merges many receivers' wishes for a keyframe into few requests to the sender (PLI, RFC 4585 section
// 6.3.1). It is not safe for concurrent use.
type keyframes struct {
	wanted bool
	asked  time.Time // when the last request went out
	later  time.Time // when a postponed wish is due, zero for none
}

// minKeyframeDistance is the shortest time between two requests to a sender, because keyframes are several times as
// large as other frames and go to all receivers.
const minKeyframeDistance = 500 * time.Millisecond

// want notes a wish. It reports whether to ask the sender now: the first wish is passed on at once, and later ones
// wait until due.
func (k *keyframes) want(now time.Time) bool {
	k.wanted = true
	return k.due(now)
}

// wantAt notes a wish for later. A keyframe that comes before then fulfils it.
func (k *keyframes) wantAt(at time.Time) {
	if k.later.IsZero() || at.Before(k.later) {
		k.later = at
	}
}

// due reports whether to ask the sender now, because a wish has waited long enough or a request was not answered.
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

// arrived notes that a keyframe has begun to arrive.
func (k *keyframes) arrived() { k.wanted, k.later = false, time.Time{} }

// wishes bounds how many keyframes one receiver may cause, because each of them goes to all other receivers too.
type wishes struct {
	mu      sync.Mutex
	rate    *rate.Limiter
	waiting bool      // a wish was postponed, and its keyframe has not come yet
	at      time.Time // until when the last wish was postponed
}

// The rate and burst of a receiver's wishes. Joins, unmutes and wishes before the first keyframe are not counted,
// because the receiver does not choose them.
const (
	KeyframeWishEvery = 3 * time.Second
	wishBurst         = 3
)

// reset starts over with the full burst, for a new track.
func (w *wishes) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rate, w.waiting = rate.NewLimiter(rate.Every(KeyframeWishEvery), wishBurst), false
}

// wish returns when the receiver may have a keyframe. ok is false if an earlier wish still waits for its keyframe.
func (w *wishes) wish(now time.Time) (at time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting {
		return time.Time{}, false
	}
	return w.reserve(now), true
}

// resume returns when a receiver may have a keyframe after a pause. A wish that was postponed before the pause, and is
// not due yet, still counts. An earlier one does not, because its keyframe may have come during the pause.
func (w *wishes) resume(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting && w.at.After(now) {
		return w.at
	}
	return w.reserve(now)
}

// reserve takes the next place that the rate allows. The caller holds w.mu.
func (w *wishes) reserve(now time.Time) time.Time {
	w.at = now.Add(w.rate.ReserveN(now, 1).DelayFrom(now))
	w.waiting = w.at.After(now)
	return w.at
}

// granted notes that a keyframe has come.
func (w *wishes) granted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
}
