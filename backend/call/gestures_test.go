package call

import (
	"errors"
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

func asHost() guestOptions {
	o := as("host")
	o.profile.Host = true
	return o
}

func TestHands(t *testing.T) {
	c := newTestCall(t, Options{})
	host, a, b := join(t, c, asHost()), join(t, c, as("a")), join(t, c, as("b"))
	raised := func(id string) func() bool {
		return func() bool { return host.roster[id].Hand > 0 }
	}
	must(t, a.p.Handle(signalling.Hand{Up: true}))
	must(t, b.p.Handle(signalling.Hand{Up: true}))
	host.until("both hands are up", func() bool { return raised("a")() && raised("b")() })
	if host.roster["a"].Hand > host.roster["b"].Hand {
		t.Error("the second hand is before the first")
	}
	codeIs(t, a.p.Handle(signalling.Hand{Participant: "b"}), fault.MessageUnexpected)
	codeIs(t, host.p.Handle(signalling.Hand{Participant: "b", Up: true}), fault.MessageUnexpected)
	codeIs(t, host.p.Handle(signalling.Hand{Participant: "nobody"}), fault.MessageUnexpected)
	must(t, host.p.Handle(signalling.Hand{Participant: "b"}))
	b.until("the host has lowered the hand", func() bool { return b.roster["b"].Hand == 0 })
	must(t, a.p.Handle(signalling.Hand{}))
	host.until("the other is lowered", func() bool { return !raised("a")() })
}

func TestReactions(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	must(t, a.p.Handle(signalling.React{Reaction: "heart"}))
	b.until("the heart", func() bool {
		return slices.Contains(b.reactions, signalling.Reaction{Participant: "a", Reaction: "heart"})
	})
	codeIs(t, a.p.Handle(signalling.React{Reaction: "<script>"}), fault.MessageInvalid)
	var refused error
	for range 100 {
		refused = errors.Join(refused, a.p.Handle(signalling.React{Reaction: "clap"}))
	}
	codeIs(t, refused, fault.TooFast)
	must(t, b.p.Handle(signalling.React{Reaction: "wow"}))
	b.until("the own one", func() bool {
		return slices.Contains(b.reactions, signalling.Reaction{Participant: "b", Reaction: "wow"})
	})
	b.update(func() {
		if len(b.reactions) > 16 {
			t.Errorf("%d reactions of a flood", len(b.reactions))
		}
	})
}

func TestSpotlight(t *testing.T) {
	c := newTestCall(t, Options{})
	host, a := join(t, c, asHost()), join(t, c, as("a"))
	codeIs(t, a.p.Handle(signalling.Spotlight{Participant: "a"}), fault.MessageUnexpected)
	must(t, host.p.Handle(signalling.Spotlight{Participant: "a"}))
	host.until("a is lit", func() bool { return host.spotlight == "a" })
	b := join(t, c, as("b"))
	b.until("who comes later knows", func() bool { return b.spotlight == "a" })
	must(t, a.p.Handle(signalling.Leave{}))
	b.until("nobody is lit", func() bool { return b.spotlight == "" })
	must(t, host.p.Handle(signalling.Spotlight{Participant: "gone"}))
}

func TestEarlierLines(t *testing.T) {
	c := newTestCall(t, Options{})
	host, a := join(t, c, asHost()), join(t, c, as("a"))
	must(t, a.p.Handle(signalling.Say{Text: "between us"}))
	b := join(t, c, as("b"))
	codeIs(t, a.p.Handle(signalling.Earlier{On: true}), fault.MessageUnexpected)
	must(t, host.p.Handle(signalling.Earlier{On: true}))
	d := join(t, c, as("d"))
	d.until("the line of before", func() bool { return len(d.chat) == 1 && d.chat[0].Text == "between us" })
	b.update(func() {
		if len(b.chat) > 0 {
			t.Errorf("who came before it was allowed reads %q", b.chat[0].Text)
		}
	})
}
