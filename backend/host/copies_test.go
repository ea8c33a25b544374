package host

import (
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// copyOf makes a copy of a link and returns its view, in the place of the link's.
func (f *fixture) copyOf(l hoststate.LinkView, name string, once bool) (id string, through hoststate.LinkView) {
	f.t.Helper()
	id, err := f.host.Link(l.ID).NewCopy(f.ctx, name, once)
	f.must(err)
	through = l
	for _, c := range f.linkNow(l.ID).Copies {
		if c.ID == id {
			through.Addresses = c.Addresses
			return id, through
		}
	}
	f.t.Fatal("the copy is not shown")
	return "", through
}

// over waits for the end of the guest's part for a reason that concerns the address.
func (v *visitor) over(reason signalling.EndReason, cause string) {
	v.f.t.Helper()
	got := expect[signalling.Ended](v)
	if got.Reason != reason || got.Cause != cause || got.Host == "" {
		v.f.t.Fatalf("ended: %+v, want %s, %s", got, reason, cause)
	}
	v.closed(signalling.CloseDone)
}

// late dials with an address that may no longer open the link, and says Hello.
func (f *fixture) late(l hoststate.LinkView, device string) *visitor {
	f.t.Helper()
	v := f.dial(l)
	if device != "" {
		v.device = device
	}
	_, secret := secretOf(f.t, l)
	f.must(v.frames.Send(v.opening))
	v.send(signalling.Hello{Version: signalling.ProtocolVersion, Secret: secret.Reveal(), Device: v.device})
	return v
}

func TestCopyIsNamedOnTheCard(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	id, choir := f.copyOf(l, "the choir", false)
	f.knock(l, "Ada")
	if q := f.request("Ada"); q.Copy != "" || q.Browser != 0 {
		t.Errorf("by the link's own address: %q, %d", q.Copy, q.Browser)
	}
	bob := f.knock(choir, "Bob")
	if q := f.request("Bob"); q.Copy != "the choir" || q.Browser != 1 {
		t.Errorf("the first browser: %q, %d", q.Copy, q.Browser)
	}
	f.untilLink(l.ID, "the browser to be counted", func(l hoststate.LinkView) bool { return l.Copies[0].Browsers == 1 })
	f.knock(choir, "Cem")
	if q := f.request("Cem"); q.Copy != "the choir" || q.Browser != 2 {
		t.Errorf("the second browser: %q, %d", q.Copy, q.Browser)
	}
	bob.send(signalling.Leave{})
	again := f.greet(choir, func(h *signalling.Hello) { h.Device = bob.device })
	again.send(signalling.Knock{Name: "Bob again"})
	if q := f.request("Bob again"); q.Browser != 1 {
		t.Errorf("the first browser, again: %d", q.Browser)
	}
	if err := f.host.Link(l.ID).RemoveCopy(f.ctx, "nobody"); fault.CodeOf(err) != fault.LinkNotFound {
		t.Error(err)
	}
	_, err := f.host.Sharing().QR(f.ctx, choir.Addresses[0].URL)
	f.must(err)
	f.must(f.host.Link(l.ID).RemoveCopy(f.ctx, id))
	if _, err := f.host.Sharing().QR(f.ctx, choir.Addresses[0].URL); fault.CodeOf(err) != fault.LinkNotFound {
		t.Errorf("the address of a removed copy was handed out: %v", err)
	}
}

func TestRemovedCopy(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	id, choir := f.copyOf(l, "the choir", false)
	inside := f.enter(choir, "Inside")
	waiting := f.knock(choir, "Waiting")
	atTheDoor := f.greet(choir, nil)
	other := f.knock(l, "Other")
	f.must(f.host.Link(l.ID).RemoveCopy(f.ctx, id))

	waiting.over(signalling.EndRemoved, signalling.CauseCopyRemoved)
	atTheDoor.over(signalling.EndRemoved, signalling.CauseCopyRemoved)
	f.late(choir, "").over(signalling.EndRemoved, signalling.CauseCopyRemoved)
	f.until("the card to go", func(s hoststate.State) bool { return len(s.Requests) == 1 && s.Requests[0].Name == "Other" })
	if len(f.linkNow(l.ID).Copies) != 0 {
		t.Error("the removed copy is shown")
	}
	// Whoever is inside stays, also after a reload.
	inside.send(signalling.Say{Text: "still here"})
	expect[signalling.Chat](inside)
	again := f.greet(choir, inside.back)
	expect[signalling.Admitted](again)
	f.admit("Other")
	other.seated()
}

// A seat that has gone is no way in by a copy that was removed.
func TestRemovedCopyWithoutASeat(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	id, choir := f.copyOf(l, "the choir", false)
	f.must(f.host.Link(l.ID).RemoveCopy(f.ctx, id))
	v := f.greet(choir, func(h *signalling.Hello) { h.Seat = token() })
	v.ended(signalling.EndSeatGone)
	v.send(signalling.Knock{Name: "Mallory"})
	v.over(signalling.EndRemoved, signalling.CauseCopyRemoved)
	if n := len(f.host.Snapshot().Requests); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestCopyForOnePerson(t *testing.T) {
	f := start(t, setup{dir: t.TempDir()})
	l := f.link()
	f.enter(l, "Inside") // so that the link is not spent
	_, one := f.copyOf(l, "Grandma", true)
	other := f.knock(one, "Mallory")
	her := f.enter(one, "Grandma")
	other.over(signalling.EndSpent, signalling.CauseCopyUsed)
	f.late(one, "").over(signalling.EndSpent, signalling.CauseCopyUsed)
	if c := f.linkNow(l.ID).Copies[0]; c.UsedAt == 0 || len(c.Addresses) != 0 {
		t.Errorf("%+v", c)
	}
	// She may be back, in her seat and by another knock.
	back := f.greet(one, her.back)
	expect[signalling.Admitted](back)
	back.send(signalling.Leave{})
	f.must(f.host.Link(l.ID).RemoveCopy(f.ctx, f.linkNow(l.ID).Copies[0].ID))
	f.late(one, her.device).over(signalling.EndRemoved, signalling.CauseCopyRemoved)
}

// Two who wait by a copy for one person, let in at the same moment: one is in.
func TestCopyForOnePersonLetsInOne(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.enter(l, "Inside") // so that the link is not spent
	_, one := f.copyOf(l, "Grandma", true)
	var all []*visitor
	var ids []string
	for _, name := range []string{"Ada", "Bob", "Cem"} {
		all = append(all, f.knock(one, name))
		ids = append(ids, f.request(name).ID)
	}
	f.must(f.host.AdmitAll(f.ctx, l.ID, ids))
	in := 0
	for _, v := range all {
		for {
			m, err := v.next()
			f.must(err)
			if _, ok := m.(signalling.Admitted); ok {
				in++
				break
			}
			if e, ok := m.(signalling.Ended); ok {
				if e.Cause != signalling.CauseCopyUsed {
					t.Errorf("%+v", e)
				}
				break
			}
		}
	}
	if in != 1 {
		t.Errorf("%d are in", in)
	}
}
