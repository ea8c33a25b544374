package asked

import "time"

// UntakenFor is how long a picture must have no taker until its publisher is told. It is not shorter because each new
// start costs a keyframe.
const UntakenFor = 3 * time.Second

// Takers notes since when a picture has none. The zero value is a picture that has some.
type Takers struct {
	none  bool
	since time.Time // zero while there are some
}

// None reports whether the picture has had no taker for [UntakenFor].
func (t *Takers) None() bool { return t.none }

// Note notes whether the picture has a taker now. That it has one counts at once. again is when to note it anew, 0 for
// only when it changes.
func (t *Takers) Note(taken bool, now time.Time) (again time.Duration) {
	if taken {
		*t = Takers{}
		return 0
	}
	if t.since.IsZero() {
		t.since = now
	}
	again = max(0, UntakenFor-now.Sub(t.since))
	t.none = again == 0
	return again
}
