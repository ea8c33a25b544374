package host

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/signalling"
)

func TestNewAddress(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	_, choir := f.copyOf(l, "the choir", false)
	inside, waiting, byCopy := f.enter(l, "Inside"), f.knock(l, "Waiting"), f.knock(choir, "Choir")
	f.must(f.host.Link(l.ID).NewAddress(f.ctx))

	waiting.over(signalling.EndRemoved, signalling.CauseNewAddress)
	f.late(l, "").over(signalling.EndRemoved, signalling.CauseNewAddress)
	again := f.greet(l, inside.back) // a reload of the page that is in
	expect[signalling.Admitted](again)
	f.admit("Choir")
	byCopy.seated()
	moved := f.linkNow(l.ID)
	if moved.Addresses[0].URL == l.Addresses[0].URL {
		t.Error("the address is the same")
	}
	f.enter(moved, "Newcomer")
}

func TestLinkThatStays(t *testing.T) {
	f := start(t, setup{})
	for name, times := range map[string]links.Times{
		"kept": {Ends: links.EndsNever}, "until a time": {Ends: links.EndsAt, EndsAt: time.Now().Add(time.Hour)},
	} {
		l := f.link()
		f.must(f.host.Link(l.ID).SetTimes(f.ctx, times))
		f.enter(l, "Ada").send(signalling.Leave{})
		f.untilLink(l.ID, name+": the call to end", func(l hoststate.LinkView) bool { return l.InCall == 0 && l.State == "open" && l.UsedAt > 0 })
		waiting := f.knock(l, "Bob "+name)
		f.enter(l, "Cem "+name)
		f.must(f.host.EndCall(f.ctx, l.ID))
		f.untilLink(l.ID, name+": the call to be ended", func(l hoststate.LinkView) bool { return l.InCall == 0 && l.State == "open" })
		f.admit("Bob " + name)
		waiting.seated()
		f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{}))
		waiting.send(signalling.Leave{})
		f.untilLink(l.ID, name+": the link to be spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
	}
	if err := f.host.Link("nobody").SetTimes(f.ctx, links.Times{}); fault.CodeOf(err) != fault.LinkNotFound {
		t.Error(err)
	}
}

func TestLinkEndsAtATime(t *testing.T) {
	f := start(t, setup{})
	empty, busy := f.link(), f.link()
	inside := f.enter(busy, "Inside")
	waiting, patient := f.knock(empty, "Waiting"), f.knock(busy, "Patient")
	ends := time.Now().Add(300 * time.Millisecond)
	for _, l := range []hoststate.LinkView{empty, busy} {
		f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{Ends: links.EndsAt, EndsAt: ends}))
	}
	waiting.ended(signalling.EndSpent)
	if l := f.untilLink(empty.ID, "the empty one to be spent", func(l hoststate.LinkView) bool { return l.State == "spent" }); l.UsedAt != 0 {
		t.Error("nobody was in")
	}
	f.late(busy, "").ended(signalling.EndSpent)
	f.admit("Patient")
	patient.seated()
	inside.send(signalling.Leave{})
	patient.send(signalling.Leave{})
	f.untilLink(busy.ID, "the busy one to be spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestLinkOpensLater(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	opens := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{OpensAt: opens}))
	if got := f.linkNow(l.ID).OpensAt; got != opens.UnixMilli() {
		t.Error(got)
	}
	takes := func(h *signalling.Hello) { h.Takes = []string{signalling.TakesOpens} }
	v := f.late(l, "")
	if w := expect[signalling.Welcome](v); w.OpensAt != opens.UnixMilli() || w.OpensIn <= 0 || w.OpensIn > time.Hour.Milliseconds() {
		t.Errorf("%+v", w)
	}
	v.send(signalling.Knock{Name: "An older page"})
	v.ended(signalling.EndLocked)

	v = f.greet(l, takes)
	v.send(signalling.Knock{Name: "Ada"})
	m, err := v.next()
	f.must(err)
	if refused, ok := m.(signalling.Fault); !ok || refused.Code != string(fault.LinkNotOpen) || refused.RetryAfter <= 0 {
		t.Fatalf("%+v", m)
	}
	if n := len(f.host.Snapshot().Requests); n != 0 {
		t.Errorf("%d requests", n)
	}
	// The host opens it earlier: the page hears of it, and knocks.
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{}))
	if w := expect[signalling.Welcome](v); w.OpensAt != 0 || w.OpensIn != 0 {
		t.Errorf("%+v", w)
	}
	v.send(signalling.Knock{Name: "Ada"})
	expect[signalling.Waiting](v)
	// Whoever is in stays, and comes back.
	f.admit("Ada")
	v.seated()
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{OpensAt: opens}))
	expect[signalling.Admitted](f.greet(l, v.back))
}

func TestRemovalIsUndone(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir, timing: Timing{Undo: time.Hour}})
	l := f.link()
	waiting := f.knock(l, "Ada")
	f.request("Ada")
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	if now := f.linkNow(l.ID); now.RemovedAt == 0 || now.State != "open" || len(f.host.Snapshot().Requests) != 0 {
		t.Errorf("%+v", now)
	}
	if kept, err := f.book.Get(f.host.Link(l.ID).id); err != nil || kept.State != links.StateOpen {
		t.Errorf("the removal is on the disk: %s, %v", kept.State, err)
	}
	f.must(f.host.Link(l.ID).Undo(f.ctx))
	if now := f.linkNow(l.ID); now.RemovedAt != 0 {
		t.Error("it is still to be removed")
	}
	// Whoever lets a guest in wants the link.
	id := f.request("Ada").ID
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	f.must(f.host.Admit(f.ctx, id))
	waiting.seated()
	f.untilLink(l.ID, "the removal of a link whose guest was let in to be off", func(l hoststate.LinkView) bool { return l.RemovedAt == 0 })
	// With a guest inside it takes hold at once.
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	waiting.ended(signalling.EndRemoved)
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	if err := f.host.Link(l.ID).Undo(f.ctx); fault.CodeOf(err) != fault.LinkRemoved {
		t.Error(err)
	}
	// An app that ends carries it out.
	other := f.link()
	f.must(f.host.Link(other.ID).Remove(f.ctx))
	f.close()
	f = start(t, setup{dir: dir})
	if now := f.linkNow(other.ID); now.State != "removed" {
		t.Errorf("after the end of the app: %s", now.State)
	}
}

func TestRemovalTakesHold(t *testing.T) {
	f := start(t, setup{timing: Timing{Undo: 50 * time.Millisecond}})
	l := f.link()
	waiting := f.knock(l, "Ada")
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	waiting.ended(signalling.EndRemoved)
	f.untilLink(l.ID, "the link to be removed", func(l hoststate.LinkView) bool { return l.State == "removed" })
}

func TestHistory(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{Ends: links.EndsNever}))
	history := func() []links.Call { return f.book.History(f.host.Link(l.ID).id) }
	until := func(what string, ok func([]links.Call) bool) {
		t.Helper()
		deadline := time.After(patience)
		for !ok(history()) {
			select {
			case <-deadline:
				t.Fatalf("waiting for %s: %+v", what, history())
			case <-time.After(time.Millisecond):
			}
		}
	}
	ada, bob := f.enter(l, "Ada"), f.enter(l, "Bob")
	until("both to be in", func(c []links.Call) bool { return len(c) == 1 && len(c[0].Visits) == 2 && c[0].Ended.IsZero() })
	ada.send(signalling.Leave{})
	until("Ada to be gone", func(c []links.Call) bool {
		return len(c[0].Visits) == 2 && c[0].Visits[0].Gone.IsZero() != c[0].Visits[1].Gone.IsZero()
	})
	bob.send(signalling.Leave{})
	until("the call to be over", func(c []links.Call) bool { return !c[0].Ended.IsZero() && !c[0].Visits[1].Gone.IsZero() })
	f.enter(l, "Cem")
	until("another call", func(c []links.Call) bool { return len(c) == 2 && c[0].Visits[0].Name == "Cem" })
	f.must(f.host.Link(l.ID).EraseHistory(f.ctx))
	if now := f.linkNow(l.ID); len(history()) != 0 || now.UsedAt != 0 || len(now.Visitors) != 0 {
		t.Errorf("%+v, %+v", history(), now)
	}
	f.must(f.host.EndCall(f.ctx, l.ID))
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	if len(history()) != 0 {
		t.Error("the call that went on is recorded")
	}
	f.must(f.host.Link(l.ID).EraseHistory(f.ctx))
	if now := f.linkNow(l.ID); now.ID != "" {
		t.Error("a link that has ended is still there")
	}
}
