package guest_test

import (
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// TestComesBackIntoTheSeat: another page of the same guest takes the seat without a knock, and the first one is out.
func TestComesBackIntoTheSeat(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	b := p.join(address, "Bo")
	defer b.send(2)()
	a := p.join(address, "Ada")
	id, seat := a.ID(), a.Seat()
	<-a.Connected()
	p.must(a.Close()) // as on a reload, without a message

	back := newVisitor(p)
	o := back.options("Ada")
	o.Seat, o.Device = seat, a.Device()
	o.OnWaiting = func(signalling.Waiting) { t.Error("knocked in spite of the seat") }
	back.join(address, o)
	if back.ID() != id {
		t.Errorf("back as %s, was %s", back.ID(), id)
	}
	back.receive(back.track(b.ID(), signalling.KindVideo), 2)
}

// TestSeatGoneKnocks: a seat that the host does not know leads to the lobby.
func TestSeatGoneKnocks(t *testing.T) {
	p := open(t)
	_, address := p.link()
	h := p.host
	knocks := make(chan string, 4)
	p.policy(func(r hoststate.RequestView) {
		knocks <- r.Name
		_ = h.Admit(p.ctx, r.ID) // the guest may be gone already
	})
	v := newVisitor(p)
	o := v.options("Ada")
	o.Seat = "ICEiIyQlJicoKSorLC0uLw"
	v.join(address, o)
	if len(knocks) != 1 || v.Seat() == o.Seat {
		t.Error("let in with a seat of its own making")
	}
}

// TestHostRestarts: a guest whose host stopped keeps trying, and is then told that its seat is gone. No guest gets in
// without the host.
func TestHostRestarts(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	v := p.join(address, "Ada")
	addresses := p.host.Snapshot().Reach.Addresses
	if len(addresses) == 0 {
		t.Fatal("no addresses")
	}
	p.must(p.app.Close())
	if away := <-v.away; !away {
		t.Error("back before it was away")
	}
	p.must(v.SetMedia(true, false)) // sent after the return
	if err := v.Say("anybody?"); fault.CodeOf(err) != fault.NotInCall {
		t.Errorf("said while away: %v", err)
	}
	p.start()
	v.isOut(fault.SeatExpired)
}
