package lobby

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

func TestReplacingKeepsPlaceAndTime(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		ann := p.knock("phone", "Ann")
		first := p.Snapshot().Requests[0]
		must(t, p.AskToWait(ann.ID(), 0))
		time.Sleep(time.Minute)
		p.knock("tablet", "Bob")
		again := p.knock("phone", "Ann")
		r := p.Snapshot().Requests[0]
		if r.ID != first.ID || !r.Since.Equal(first.Since) || r.Bell != signalling.BellAskWait {
			t.Errorf("%+v, before %+v", r, first)
		}
		if b := <-again.Bell(); b.Bell != signalling.BellAskWait || !b.Since.Equal(first.Since) {
			t.Errorf("%+v", b)
		}
		p.Leave(ann) // the older page says goodbye late
		p.waits(again)

		// A decision on "Ann" must not apply to "Ann's boss".
		time.Sleep(time.Minute)
		renamed := p.knock("phone", "Ann's boss")
		r = p.Snapshot().Requests[0]
		if renamed.ID() == first.ID || r.ID != renamed.ID() || !r.Since.Equal(first.Since) || r.Bell != signalling.BellRung {
			t.Errorf("%+v", r)
		}
		if err := p.Admit(first.ID); fault.CodeOf(err) != fault.RequestGone {
			t.Error("the old name's decision fell on the new one")
		}
		p.waits(renamed)

		// Knocking again does not make the total wait longer.
		time.Sleep(28 * time.Minute)
		if v := p.verdict(renamed); v.Outcome != TimedOut {
			t.Errorf("%+v", v)
		}
	})
}

func TestAwayKeepsPlaceAndDecision(t *testing.T) {
	t.Run("place", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			p.knock("tablet", "Bob")
			p.Away(lost)
			p.Away(lost)
			if r := p.Snapshot().Requests[0]; !r.Away {
				t.Errorf("%+v", r)
			}
			time.Sleep(119 * time.Second)
			back := p.knock("phone", "Ann")
			if r := p.Snapshot().Requests[0]; r.Name != "Ann" || r.Away || r.ID != lost.ID() {
				t.Errorf("%+v", r)
			}
			time.Sleep(2 * time.Minute)
			p.waits(back)
		})
	})
	decisions := []struct {
		name   string
		decide func(p porch, id string)
		then   func(p porch)
		knock  string // the name under which the device knocks again
		want   string // expected outcome; "" for still waiting
	}{
		{"admitted", func(p porch, id string) { must(p, p.Admit(id)) }, nil, "Ann", "admitted"},
		{"declined", func(p porch, id string) { must(p, p.Decline(id)) }, nil, "Ann", "declined"},
		{"admitted, lobby locked since", func(p porch, id string) { must(p, p.Admit(id)) },
			func(p porch) { p.SetLocked(true) }, "Ann", "admitted"},
		{"admitted, other name", func(p porch, id string) { must(p, p.Admit(id)) }, nil, "Bob", ""},
		{"admitted, too late", func(p porch, id string) { must(p, p.Admit(id)) },
			func(porch) { time.Sleep(2 * time.Minute) }, "Ann", ""},
		{"admitted, used already", func(p porch, id string) { must(p, p.Admit(id)) },
			func(p porch) { p.verdict(p.knock("phone", "Ann")) }, "Ann", ""},
	}
	for _, d := range decisions {
		t.Run(d.name, func(t *testing.T) {
			inBubble(t, Options{}, func(p porch) {
				lost := p.knock("phone", "Ann")
				p.Away(lost)
				d.decide(p, lost.ID())
				if d.then != nil {
					d.then(p)
				}
				back := p.knock("phone", d.knock)
				if d.want == "" {
					p.waits(back)
				} else if v := p.verdict(back); string(v.Outcome) != d.want {
					t.Errorf("%+v", v)
				}
			})
		})
	}
	t.Run("blocked since", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			p.Away(lost)
			must(t, p.Admit(lost.ID()))
			p.BlockDevice("phone")
			p.refused("phone", fault.Blocked)
			p.Away(lost)
			p.refused("phone", fault.Blocked)
		})
	})
	t.Run("lost in the moment of the decision", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			must(t, p.Admit(lost.ID()))
			p.Away(lost) // Verdict has not been called
			if v := p.verdict(p.knock("phone", "Ann")); v.Outcome != Admitted {
				t.Errorf("%+v", v)
			}
		})
	})
	t.Run("lost after the decision was heard", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			heard := p.knock("phone", "Ann")
			must(t, p.Admit(heard.ID()))
			p.verdict(heard)
			p.Away(heard)
			p.waits(p.knock("phone", "Ann"))
		})
	})
	t.Run("lost before the decision came to anything", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			must(t, p.Admit(lost.ID()))
			for range 2 { // the second time for a verdict that was lost on the way
				p.verdict(lost)
				p.Undelivered(lost)
				lost = p.knock("phone", "Ann")
				if v := p.verdict(lost); v.Outcome != Admitted {
					t.Errorf("%+v", v)
				}
			}
			p.waits(p.knock("phone", "Ann"))
		})
	})
	t.Run("declined before the loss was noticed", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			must(t, p.Admit(lost.ID()))
			p.verdict(lost)
			must(t, p.Decline(p.knock("phone", "Ann").ID()))
			p.Undelivered(lost)
			p.waits(p.knock("phone", "Ann"))
		})
	})
	t.Run("decided anew since", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			lost := p.knock("phone", "Ann")
			must(t, p.Admit(lost.ID()))
			anew := p.knock("phone", "Ann") // the guest knocks again before the loss is noticed
			p.Away(lost)
			p.waits(anew)
			must(t, p.Decline(anew.ID()))
			p.waits(p.knock("phone", "Ann")) // the earlier decision must not admit it
		})
	})
}
