package asked

import (
	"testing"
	"time"
)

func TestAPictureLosesItsTakersLateAndGetsThemAtOnce(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var takers Takers
	for _, step := range []struct {
		after time.Duration
		taken bool
		again time.Duration
		none  bool
	}{
		{0, true, 0, false},
		{time.Second, false, UntakenFor, false},
		{UntakenFor - time.Second, false, time.Second, false},
		{time.Second, false, 0, true},
		{time.Second, false, 0, true},
		{0, true, 0, false},
		{time.Second, false, UntakenFor, false},
	} {
		now = now.Add(step.after)
		if again := takers.Note(step.taken, now); again != step.again || takers.None() != step.none {
			t.Errorf("%+v: again after %v, none %v", step, again, takers.None())
		}
	}
}
