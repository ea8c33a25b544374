package gesture

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

func TestHand(t *testing.T) {
	s, now := New(), time.UnixMilli(1000)
	if changed, err := s.Hand(false, now); changed || err != nil {
		t.Errorf("lowering a hand that is down: %v, %v", changed, err)
	}
	if changed, err := s.Hand(true, now); !changed || err != nil || s.Raised() != 1000 {
		t.Errorf("raising it: %v, %v, raised %d", changed, err, s.Raised())
	}
	if changed, _ := s.Hand(true, now.Add(time.Second)); changed || s.Raised() != 1000 {
		t.Errorf("raised twice, it has another place in the order: %d", s.Raised())
	}
	if !s.Lower() || s.Lower() || s.Raised() != 0 {
		t.Error("lowered, it is not down")
	}
}

func TestFlood(t *testing.T) {
	s, now := New(), time.UnixMilli(1000)
	hands, reactions := 0, 0
	for i := range 1000 {
		if _, err := s.Hand(i%2 == 0, now); err == nil {
			hands++
		} else if fault.CodeOf(err) != fault.TooFast {
			t.Fatal(err)
		}
		if s.React(now) == nil {
			reactions++
		}
	}
	if hands != handBurst || reactions != reactionBurst {
		t.Errorf("%d hands and %d reactions at once", hands, reactions)
	}
	if err := s.React(now.Add(reactionEvery)); err != nil {
		t.Errorf("after a pause: %v", err)
	}
}
