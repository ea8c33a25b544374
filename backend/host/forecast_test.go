package host

import (
	"testing"

	"github.com/porch-call/porch/backend/call/foresight"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
)

// TestACardSaysWhatLettingInDoes: what the call foresees stands on the cards of those who wait at its door.
func TestACardSaysWhatLettingInDoes(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.enter(l, "Ada")
	f.knock(l, "Bea")
	if q := f.request("Bea"); q.Lowers {
		t.Errorf("%+v", q)
	}
	f.must(f.host.loop.Do(f.ctx, func() {
		for _, o := range f.host.openLinks {
			o.forecast = foresight.Forecast{Lowers: true, To: 360}
			f.host.touch()
		}
	}))
	f.until("the card says so", func(s hoststate.State) bool {
		return len(s.Requests) == 1 && s.Requests[0].Lowers && s.Requests[0].LowersTo == 360
	})
}

func TestFiguresOfACall(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	if _, err := f.host.CallFigures(f.ctx, l.ID); fault.CodeOf(err) != fault.NotInCall {
		t.Errorf("without a call: %v", err)
	}
	f.enter(l, "Ada")
	figures, err := f.host.CallFigures(f.ctx, l.ID)
	f.must(err)
	if len(figures.People) != 1 || figures.People[0].ID == "" {
		t.Errorf("%+v", figures)
	}
}
