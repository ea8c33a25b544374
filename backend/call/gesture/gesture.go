// Package gesture is what one participant of a call says without words: a raised hand, and reactions. It does no I/O and
// is not safe for concurrent use.
package gesture

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
)

// How often one participant may raise or lower a hand, and react. Each is told to all participants.
const (
	handEvery     = time.Second
	handBurst     = 8
	reactionEvery = 500 * time.Millisecond
	reactionBurst = 6
)

// State is what one participant has said. The zero value is not usable; see [New].
type State struct {
	raised           int64 // Unix milliseconds, 0 while the hand is down
	hands, reactions *rate.Limiter
}

// New returns the state of a participant who has said nothing.
func New() State {
	return State{
		hands:     rate.NewLimiter(rate.Every(handEvery), handBurst),
		reactions: rate.NewLimiter(rate.Every(reactionEvery), reactionBurst),
	}
}

// Raised is since when the hand is up, in Unix milliseconds; 0 while it is down.
func (s *State) Raised() int64 { return s.raised }

// Hand raises the participant's hand, or lowers it, at the participant's own wish. It reports whether that changed
// anything. A hand that is up keeps its time. It returns fault.TooFast above the limit.
func (s *State) Hand(up bool, now time.Time) (changed bool, err error) {
	if !s.hands.AllowN(now, 1) {
		return false, fault.New(fault.TooFast, nil)
	}
	if !up {
		return s.Lower(), nil
	}
	if s.raised != 0 {
		return false, nil
	}
	s.raised = now.UnixMilli()
	return true, nil
}

// Lower lowers the hand, and reports whether it was up.
func (s *State) Lower() bool {
	was := s.raised != 0
	s.raised = 0
	return was
}

// React returns fault.TooFast for a reaction above the limit.
func (s *State) React(now time.Time) error {
	if !s.reactions.AllowN(now, 1) {
		return fault.New(fault.TooFast, nil)
	}
	return nil
}
