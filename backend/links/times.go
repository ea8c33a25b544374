package links

import (
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
)

// Ends is when a link is spent.
type Ends string

// The ends of links.
const (
	EndsEmpty Ends = ""     // when everyone has left
	EndsAt    Ends = "at"   // at a time; a call that is on then goes on
	EndsNever Ends = "keep" // never: it stays after each call
)

// MaxAhead is how far ahead a link may open or end, and StaleAfter how long it may be unused until its removal is
// offered.
const (
	MaxAhead   = 5 * 366 * 24 * time.Hour
	StaleAfter = 90 * 24 * time.Hour
)

// Times are when a link opens and when it is spent.
type Times struct {
	OpensAt time.Time // guests can't knock before; zero means that the link opens at once
	Ends    Ends
	EndsAt  time.Time // with EndsAt, else zero
}

// SetTimes sets when a link opens and when it is spent. Faults: LinkSpent, LinkRemoved, TimesInvalid if it would end
// before it opens, or has ended already.
func (b *Book) SetTimes(id sealed.LinkID, t Times) (Link, error) {
	t.OpensAt, t.EndsAt = precise(t.OpensAt), precise(t.EndsAt)
	if t.Ends != EndsAt {
		t.EndsAt = time.Time{}
	}
	return b.change(id, func(l *Link) error {
		if err := l.ended(); err != nil {
			return err
		}
		if t != l.Times && !t.valid(b.time()) {
			return fault.New(fault.TimesInvalid, nil)
		}
		l.Times = t
		return nil
	})
}

// precise returns t with the precision of the repository.
func precise(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (t Times) valid(now time.Time) bool {
	latest := now.Add(MaxAhead)
	switch t.Ends {
	case EndsEmpty, EndsNever:
	case EndsAt:
		if !t.EndsAt.After(now) || !t.EndsAt.After(t.OpensAt) || t.EndsAt.After(latest) {
			return false
		}
	default:
		return false
	}
	return !t.OpensAt.After(latest)
}

// OpensIn returns how long it is until guests can knock, 0 if they can.
func (t Times) OpensIn(now time.Time) time.Duration {
	if t.OpensAt.IsZero() {
		return 0
	}
	return max(0, t.OpensAt.Sub(now))
}

// Over reports whether the time is past until which the link takes guests.
func (t Times) Over(now time.Time) bool { return t.Ends == EndsAt && !now.Before(t.EndsAt) }

// Stays reports whether the link stays when everyone has left.
func (t Times) Stays(now time.Time) bool {
	return t.Ends == EndsNever || t.Ends == EndsAt && now.Before(t.EndsAt)
}

// Stale reports whether a link that can be opened was not used for so long that its host may want to remove it.
func (l Link) Stale(now time.Time) bool {
	if l.State.Ended() {
		return false
	}
	last := l.CreatedAt
	for _, t := range []time.Time{l.UsedAt, l.KeptAt, l.OpensAt} {
		if t.After(last) {
			last = t
		}
	}
	return now.Sub(last) >= StaleAfter
}

// Keep says that the host wants to keep a link that was not used for long.
func (b *Book) Keep(id sealed.LinkID) (Link, error) {
	return b.change(id, func(l *Link) error {
		l.KeptAt = b.time()
		return nil
	})
}
