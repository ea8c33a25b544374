package call

import "time"

// keyframes merges the wishes of many receivers for a keyframe into few
// requests to the sender (PLI, RFC 4585 section 6.3.1). It is not safe for
// concurrent use.
type keyframes struct {
	wanted bool
	asked  time.Time // when the last request went out
}

// minKeyframeDistance is how long a sender is left in peace after a request:
// keyframes are several times as large as other frames.
const minKeyframeDistance = 250 * time.Millisecond

// want notes a wish. It reports whether the sender is to be asked now: the
// first wish is passed on at once, others wait in due.
func (k *keyframes) want(now time.Time) bool {
	k.wanted = true
	return k.due(now)
}

// due reports whether the sender is to be asked now, because a wish has waited
// or because a request was not answered.
func (k *keyframes) due(now time.Time) bool {
	if !k.wanted || !k.asked.IsZero() && now.Sub(k.asked) < minKeyframeDistance {
		return false
	}
	k.asked = now
	return true
}

// arrived notes that a keyframe has begun.
func (k *keyframes) arrived() { k.wanted = false }
