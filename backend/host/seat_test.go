package host

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// TestASeatSurvivesLoss: whatever is lost between a guest and the host, at
// whatever moment, the newest token that the guest has brings them back.
func TestASeatSurvivesLoss(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	seen := map[string]bool{v.seat.Seat: true}
	for _, c := range []struct {
		name string
		lose func(*visitor) (has signalling.Admitted)
	}{
		{"at any time", func(v *visitor) signalling.Admitted { v.vanish(); return v.seat }},
		{"with the answer on its way", func(v *visitor) signalling.Admitted {
			had := v.seat
			v.vanish()
			lost := f.greet(l, v.back)
			expect[signalling.Admitted](lost)
			lost.vanish()
			return had
		}},
		{"with three answers on their way", func(v *visitor) signalling.Admitted {
			had := v.seat
			v.vanish()
			for range 3 {
				lost := f.greet(l, v.back)
				expect[signalling.Admitted](lost)
				lost.vanish()
			}
			return had
		}},
		{"before the guest said that it came", func(v *visitor) signalling.Admitted {
			v.vanish()
			mute := f.greet(l, v.back)
			has := expect[signalling.Admitted](mute)
			mute.vanish()
			return has
		}},
		{"in a reload", func(v *visitor) signalling.Admitted { v.farewell(); return v.seat }},
		{"before the host knows", func(v *visitor) signalling.Admitted { return v.seat }},
	} {
		t.Run(c.name, func(t *testing.T) {
			has := c.lose(v)
			next := f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = v.device, has.Seat })
			next.seated()
			if seen[next.seat.Seat] || next.seat.Participant != v.seat.Participant {
				t.Fatalf("seat %+v after %+v", next.seat, v.seat)
			}
			seen[next.seat.Seat] = true
			next.send(signalling.Say{Text: "here"}) // after it, the host has heard of the token
			expect[signalling.Chat](next)
			stale := f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = v.device, has.Seat })
			stale.ended(signalling.EndSeatGone)
			stale.vanish()
			v = next
		})
	}
}

// farewell says that the page goes away, and closes as a browser does.
func (v *visitor) farewell() {
	v.f.t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(v.seat.Farewell)
	v.f.must(err)
	v.f.must(v.frames.Send(b))
	v.closed(signalling.CloseDone)
}

// untilAway waits until the host knows that a guest's path is gone.
func (f *fixture) untilAway(l hoststate.LinkView, v *visitor) {
	f.t.Helper()
	f.until("away", func(s hoststate.State) bool {
		for _, c := range s.Calls {
			for _, p := range c.Participants {
				if c.LinkID == l.ID && p.ID == v.seat.Participant {
					return p.Away
				}
			}
		}
		return false
	})
}

// TestAClosedPageLeaves: a page that says that it goes away gives up its seat
// soon, where a lost path keeps it.
func TestAClosedPageLeaves(t *testing.T) {
	f := start(t, setup{timing: Timing{SeatHold: time.Hour, Reload: 50 * time.Millisecond}})
	l := f.link()
	bo := f.enter(l, "Bo")
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "both in", func(l hoststate.LinkView) bool { return l.InCall == 2 })
	ada.farewell()
	f.untilLink(l.ID, "Ada gone", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	if left := expect[signalling.Left](bo); left.ID != ada.seat.Participant {
		t.Errorf("%+v left", left)
	}
	gone := f.greet(l, ada.back)
	gone.ended(signalling.EndSeatGone)
}

// TestAMadeUpFarewell: what a relay makes up in a guest's name ends the channel,
// as anything unsealed does, and the seat is held.
func TestAMadeUpFarewell(t *testing.T) {
	f := start(t, setup{timing: Timing{Reload: time.Millisecond}})
	l := f.link()
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	f.must(ada.frames.Send(make([]byte, tokenSize)))
	ada.closed(signalling.CloseRefused)
	back := f.greet(l, ada.back)
	back.seated()
}

// TestACopiedTab: the copy has the seat while it is there, and gives it back.
func TestACopiedTab(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	first := f.enter(l, "Ada")
	first.send(signalling.Say{Text: "in"}) // after it, the host has heard of the token
	expect[signalling.Chat](first)
	claim := func(seat string) *visitor {
		return f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = first.device, seat })
	}
	copied := claim(first.seat.Seat)
	copied.seated()
	told := expect[signalling.Ended](first)
	if told.Reason != signalling.EndReplaced || told.Seat == "" {
		t.Fatalf("told %+v", told)
	}
	first.closed(signalling.CloseDone)

	// While the copy is there, it keeps the seat.
	for range 2 {
		early := claim(told.Seat)
		if again := expect[signalling.Ended](early); again.Reason != signalling.EndReplaced || again.Seat != told.Seat {
			t.Fatalf("told %+v", again)
		}
		early.closed(signalling.CloseDone)
	}
	copied.send(signalling.Say{Text: "still here"})
	expect[signalling.Chat](copied)

	copied.farewell()
	f.untilAway(l, first)
	back := claim(told.Seat)
	back.seated()
	if back.seat.Participant != first.seat.Participant {
		t.Errorf("came back as %s, was %s", back.seat.Participant, first.seat.Participant)
	}
	// Each token once.
	twice := claim(told.Seat)
	twice.ended(signalling.EndSeatGone)
}

func TestSeatTokensAreBounded(t *testing.T) {
	var tokens seatTokens
	opening := func(i int) seatKey { return digest([]byte{byte(i), byte(i >> 8)}) }
	_, first := tokens.issue(0, opening(0))
	for i := 1; i < maxClaims; i++ {
		if _, ok := tokens.find(first, opening(i)); !ok {
			t.Fatalf("refused after %d", i)
		}
		tokens.issue(0, opening(i))
	}
	if _, ok := tokens.find(first, opening(maxClaims)); ok {
		t.Error("claimed without end")
	}
	last := tokens.issued[maxClaims-1].key
	tokens.confirm(last)
	if len(tokens.issued) != 1 {
		t.Errorf("%d tokens after the confirmation", len(tokens.issued))
	}
	if _, ok := tokens.find(first, opening(maxClaims)); ok {
		t.Error("an old token counts")
	}
	if _, ok := tokens.find(last, opening(maxClaims-1)); ok {
		t.Error("a recorded opening counts")
	}
	for range 3 * maxAsides {
		tokens.issueAside()
	}
	if len(tokens.asides) != maxAsides {
		t.Errorf("%d ways back", len(tokens.asides))
	}
}
