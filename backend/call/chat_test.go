package call

import (
	"errors"
	"testing"

	"github.com/porch-call/porch/backend/call/chat"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// A line that its sender says again, not knowing that it has arrived, is one.
func TestChatLineSaidAgain(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	const token = "EBESExQVFhcYGRobHB0eHw"
	must(t, a.p.Handle(signalling.Say{Text: "once", Token: token}))
	must(t, a.p.Handle(signalling.Say{Text: "once", Token: token}))
	must(t, a.p.Handle(signalling.Say{Text: "and then"}))
	a.until("the echo of each", func() bool { return len(a.chat) == 3 })
	if a.chat[0] != a.chat[1] || a.chat[0].Token != token {
		t.Errorf("the sender hears %+v and %+v", a.chat[0], a.chat[1])
	}
	b.until("the last line", func() bool { return len(b.chat) > 0 && b.chat[len(b.chat)-1].Text == "and then" })
	if len(b.chat) != 2 {
		t.Errorf("the other hears %d lines", len(b.chat))
	}
}

func TestChat(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	must(t, a.p.Handle(signalling.Say{Text: "hello"}))
	for _, g := range []*guest{a, b} {
		g.until("the line", func() bool { return len(g.chat) == 1 })
		if l := g.chat[0]; l.Text != "hello" || l.Participant != "a" || l.Name != "A" || l.ID != 1 || l.At == 0 {
			t.Errorf("%+v", l)
		}
	}
	codeIs(t, a.p.Handle(signalling.Say{Text: ""}), fault.ChatInvalid)
	var refused error
	for range chat.Burst + 1 {
		refused = errors.Join(refused, a.p.Handle(signalling.Say{Text: "again"}))
	}
	codeIs(t, refused, fault.TooFast)
	must(t, b.p.Handle(signalling.Say{Text: "I may still speak"}))
}
