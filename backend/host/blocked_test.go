package host

import (
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestDeclineTwiceIsForGood(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.greet(l, nil)
	for _, mayRetry := range []bool{true, false} {
		v.send(signalling.Knock{Name: "Eve"})
		expect[signalling.Waiting](v)
		f.must(f.host.Decline(f.ctx, f.request("Eve").ID))
		if d := expect[signalling.Declined](v); d.MayRetry != mayRetry {
			t.Fatalf("declined: %+v, want MayRetry %v", d, mayRetry)
		}
		f.until("the request to go", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	}
	v.send(signalling.Knock{Name: "Eve"})
	if d := expect[signalling.Declined](v); d.MayRetry {
		t.Fatalf("third knock: %+v", d)
	}
	if n := len(f.host.Snapshot().Requests); n != 0 {
		t.Fatalf("%d requests", n)
	}
}

func TestBlockOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	l := f.link()
	eve := f.knock(l, "Eve")
	f.must(f.host.Block(f.ctx, f.request("Eve").ID))
	eve.ended(signalling.EndBlocked)
	mal := f.enter(l, "Mal")
	stays := f.enter(l, "Stays")
	f.must(f.host.RemoveParticipant(f.ctx, l.ID, mal.seat.Participant, true))
	mal.ended(signalling.EndBlocked)
	f.must(f.host.RemoveParticipant(f.ctx, l.ID, stays.seat.Participant, false))
	stays.ended(signalling.EndKicked)
	f.untilLink(l.ID, "the last one was removed: the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })

	l = f.link()
	eve = f.knock(l, "Eve")
	f.must(f.host.Block(f.ctx, f.request("Eve").ID))
	eve.ended(signalling.EndBlocked)
	f.close()

	f = start(t, setup{dir: dir})
	again := f.greet(l, func(h *signalling.Hello) { h.Device = eve.device })
	again.send(signalling.Knock{Name: "Eve"})
	again.ended(signalling.EndBlocked)
}

// TestBlockKnowsTheDevice blocks a request that is on the host's list before
// its guest's own goroutine has done anything more.
func TestBlockKnowsTheDevice(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	device := token()
	f.must(f.host.doLink(f.ctx, l.ID, func(r *openLink) error {
		_, err := r.lobby.Knock(f.ctx, lobby.Knock{Device: device, Name: "Eve"})
		return err
	}))
	f.must(f.host.Block(f.ctx, f.request("Eve").ID))
	if !f.book.Blocked(sealed.LinkID(l.ID), device) {
		t.Fatal("a blocked device may knock again after a restart")
	}
}
