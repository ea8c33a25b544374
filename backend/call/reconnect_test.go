package call

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

func TestReloadComesBackToTheSeat(t *testing.T) {
	c := newTestCall(t, Options{})
	o := as("a")
	o.profile.Admission = func(resumed bool) signalling.Message {
		return signalling.Admitted{Participant: "a", Seat: "seat", Resumed: resumed}
	}
	a := join(t, c, o)
	a.send()
	b := join(t, c, as("b"))
	b.send()
	b.untilSees("a")
	must(t, b.p.Handle(signalling.Say{Text: "one"}))
	a.until("the line", func() bool { return len(a.chat) == 1 && a.resumed != nil })

	must(t, a.pc.Close()) // the page goes away
	a.p.Detach(a.out)
	b.until("a is away", func() bool { return b.roster["a"].Away })
	must(t, b.p.Handle(signalling.Say{Text: "two"}))

	again := newGuest(t, c, as("a"))
	again.p = a.p
	resumed, err := a.p.Attach(again.out, true) // there is nothing to resume
	if err != nil || resumed {
		t.Fatal(resumed, err)
	}
	again.start()
	again.send()
	again.until("admission and the chat", func() bool {
		return again.resumed != nil && !*again.resumed && len(again.chat) == 2
	})
	again.untilSees("b")
	b.until("a is back", func() bool { return !b.roster["a"].Away })
	b.forget()
	b.untilSees("a")
	if b.offers != 1 {
		t.Errorf("%d offers at b", b.offers)
	}
}

func TestLostPathResumesTheConnection(t *testing.T) {
	c := newTestCall(t, Options{})
	o := as("a")
	o.profile.Admission = func(resumed bool) signalling.Message {
		return signalling.Admitted{Participant: "a", Seat: "seat", Resumed: resumed}
	}
	a := join(t, c, o)
	a.send()
	b := join(t, c, as("b"))
	b.untilSees("a")
	old := a.out
	a.p.Detach(old)
	// Media goes on, so nobody is away; and what happens meanwhile is in the snapshot.
	b.forget()
	b.untilSees("a")
	d := join(t, c, as("d"))
	d.send()
	d.untilSees("a")
	b.until("d in the roster", func() bool { return b.roster["d"].ID == "d" })
	if b.roster["a"].Away {
		t.Error("a is away though its media flows")
	}
	a.cancel() // the reader of the old outbox
	a.wgReader.Wait()
	a.reopen()
	resumed, err := a.p.Attach(a.out, true)
	if err != nil || !resumed {
		t.Fatal(resumed, err)
	}
	a.start()
	a.until("admission and roster", func() bool { return a.resumed != nil && *a.resumed && len(a.roster) == 3 })
	a.untilSees("d")
	a.p.Detach(old) // an old path that ends late changes nothing
	must(t, c.Mute("a"))
	a.until("the new path works", func() bool { return a.muted == 1 })
}

func TestRestartKeepsMediaFlowing(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	must(t, b.p.Handle(signalling.Restart{}))
	b.until("an offer", func() bool { return b.offers == 2 })
	b.until("connected", func() bool { return b.pc.SignalingState() == webrtc.SignalingStateStable })
	b.forget()
	b.untilSees("a")
}

func TestDeadOutboxDisconnectsItsOwnerOnly(t *testing.T) {
	c := newTestCall(t, Options{})
	var dead atomic.Bool
	o := as("a")
	o.wrap = func(out Outbox) Outbox {
		return outboxFunc(func(m signalling.Message) error {
			if dead.Load() {
				return errors.New("full")
			}
			return out.Send(m)
		})
	}
	a, b := join(t, c, o), join(t, c, as("b"))
	b.send()
	a.untilSees("b")
	dead.Store(true)
	must(t, b.p.Handle(signalling.Say{Text: "anybody there?"}))
	b.until("the line", func() bool { return len(b.chat) == 1 })
	must(t, a.pc.Close())
	b.until("a is away", func() bool { return b.roster["a"].Away })
}

type outboxFunc func(signalling.Message) error

func (f outboxFunc) Send(m signalling.Message) error { return f(m) }
