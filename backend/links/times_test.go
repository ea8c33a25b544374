package links

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

func TestTimes(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	now := d.clock
	for _, c := range []struct {
		what  string
		times Times
		want  fault.Code
	}{
		{"nothing", Times{}, ""},
		{"kept", Times{Ends: EndsNever}, ""},
		{"until", Times{Ends: EndsAt, EndsAt: now.Add(time.Hour)}, ""},
		{"from", Times{OpensAt: now.Add(time.Hour)}, ""},
		{"from a time that is past", Times{OpensAt: now.Add(-time.Hour)}, ""},
		{"from and until", Times{OpensAt: now.Add(time.Hour), Ends: EndsAt, EndsAt: now.Add(2 * time.Hour)}, ""},
		{"until before from", Times{OpensAt: now.Add(2 * time.Hour), Ends: EndsAt, EndsAt: now.Add(time.Hour)}, fault.TimesInvalid},
		{"until now", Times{Ends: EndsAt, EndsAt: now}, fault.TimesInvalid},
		{"until nothing", Times{Ends: EndsAt}, fault.TimesInvalid},
		{"until much later", Times{Ends: EndsAt, EndsAt: now.Add(2 * MaxAhead)}, fault.TimesInvalid},
		{"from much later", Times{OpensAt: now.Add(2 * MaxAhead)}, fault.TimesInvalid},
		{"unknown", Times{Ends: "sometimes"}, fault.TimesInvalid},
	} {
		before := get(t, d, l.ID).Times
		_, err := d.SetTimes(l.ID, c.times)
		want := c.times
		if fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v", c.what, err)
		}
		if c.want != "" {
			want = before
		}
		want.OpensAt, want.EndsAt = precise(want.OpensAt), precise(want.EndsAt)
		for _, d := range []*desk{d, newDesk(t, d.shelf)} {
			if got := get(t, d, l.ID).Times; got != want {
				t.Errorf("%s: %+v, want %+v", c.what, got, want)
			}
		}
	}
	if got := do(t, d.Remove, l.ID); got.State != StateRemoved {
		t.Error(got.State)
	}
	if _, err := d.SetTimes(l.ID, Times{}); fault.CodeOf(err) != fault.LinkRemoved {
		t.Error(err)
	}
}

func TestWhatBecomesOfALinkWhenEveryoneHasLeft(t *testing.T) {
	for what, c := range map[string]struct {
		times Times
		want  State
	}{
		"spent": {Times{}, StateSpent}, "kept": {Times{Ends: EndsNever}, StateOpen},
		"until later": {Times{Ends: EndsAt, EndsAt: time.UnixMilli(1_900_000_000_000)}, StateOpen},
	} {
		d := newDesk(t, newShelf())
		l := d.create()
		_, err := d.SetTimes(l.ID, c.times)
		must(t, err)
		do(t, d.Enter, l.ID)
		if got := do(t, d.Spend, l.ID); got.State != c.want || got.State.Ended() != got.Keys.IsZero() {
			t.Errorf("%s: %s", what, got.State)
		}
		if c.want != StateOpen {
			continue
		}
		d.clock = time.UnixMilli(1_950_000_000_000)
		do(t, d.Enter, l.ID)
		want := StateOpen
		if c.times.Ends == EndsAt { // its time is past
			want = StateSpent
		}
		if got := do(t, d.Spend, l.ID); got.State != want {
			t.Errorf("%s, later: %s", what, got.State)
		}
	}
	d := newDesk(t, newShelf())
	l := d.create()
	if got := do(t, d.End, l.ID); got.State != StateSpent || !got.UsedAt.IsZero() || !got.Keys.IsZero() {
		t.Errorf("over: %s", got.State)
	}
}

func TestOpensInAndOver(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	later := Times{OpensAt: now.Add(time.Minute), Ends: EndsAt, EndsAt: now.Add(time.Hour)}
	if later.OpensIn(now) != time.Minute || later.OpensIn(now.Add(time.Minute)) != 0 || (Times{}).OpensIn(now) != 0 {
		t.Error("opens")
	}
	if later.Over(now) || !later.Over(now.Add(time.Hour)) || (Times{}).Over(now) || (Times{Ends: EndsNever}).Over(now) {
		t.Error("over")
	}
}

func TestStale(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	stale := func(after time.Duration) bool { return get(t, d, l.ID).Stale(d.clock.Add(after)) }
	if stale(StaleAfter-time.Hour) || !stale(StaleAfter) {
		t.Error("never used")
	}
	d.clock = d.clock.Add(StaleAfter)
	do(t, d.Keep, l.ID)
	if stale(0) || !stale(StaleAfter) {
		t.Error("kept")
	}
	if !get(t, d.reopened(), l.ID).KeptAt.After(l.CreatedAt) {
		t.Error("after a restart it is not kept")
	}
	d.clock = time.UnixMilli(1_800_000_000_000).Add(2 * StaleAfter)
	do(t, d.Enter, l.ID)
	if stale(0) {
		t.Error("used")
	}
	_, err := d.SetTimes(l.ID, Times{OpensAt: d.clock.Add(StaleAfter)})
	must(t, err)
	if stale(StaleAfter + time.Hour) {
		t.Error("it has only just opened")
	}
	do(t, d.Remove, l.ID)
	if stale(10 * StaleAfter) {
		t.Error("removed")
	}
}
