package host

import (
	"errors"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// takesAll changes a Hello into that of a page which takes all that the host offers.
func takesAll(h *signalling.Hello) {
	h.Takes = []string{signalling.TakesSimulcast, signalling.TakesOutside, signalling.TakesDoor}
}

// arrive is enter for a guest whose page takes all that the host offers.
func (f *fixture) arrive(l hoststate.LinkView, name string) *visitor {
	f.t.Helper()
	v := f.greet(l, takesAll)
	v.send(signalling.Knock{Name: name})
	expect[signalling.Waiting](v)
	f.admit(name)
	v.seated()
	v.send(signalling.Say{Text: name + " is in"}) // and the seat is used
	for expect[signalling.Chat](v).Line.Participant != v.seat.Participant {
	}
	return v
}

// refuses waits for a fault.
func (v *visitor) refuses(code fault.Code) {
	v.f.t.Helper()
	for {
		m, err := v.next()
		if err != nil {
			v.f.t.Fatal(err)
		}
		if got, ok := m.(signalling.Fault); ok {
			if got.Code != string(code) {
				v.f.t.Fatalf("fault %s, want %s", got.Code, code)
			}
			return
		}
	}
}

// quiet reads what comes to a guest outside until the end, and fails on anything
// from inside the call.
func (v *visitor) quiet(until func(signalling.Message) bool) {
	v.f.t.Helper()
	for {
		m, err := v.next()
		if err != nil {
			v.f.t.Fatal(err)
		}
		if until(m) {
			return
		}
		switch m.(type) {
		case signalling.Waiting, signalling.Pong:
		default:
			v.f.t.Fatalf("a guest outside is told %T %+v", m, m)
		}
	}
}

// TestOutside puts a guest out of the call and lets them in again, without a bell
// and without a word of the call in between.
func TestOutside(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	boris := f.arrive(l, "Boris")
	ada := f.arrive(l, "Ada")
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, ada.seat.Participant))
	expect[signalling.Outside](ada)
	for expect[signalling.Left](boris).ID != ada.seat.Participant {
	}
	// What was on its way when the page heard of it comes to nothing.
	ada.send(signalling.MediaState{Muted: true})
	ada.send(signalling.Say{Text: "hello?"})
	ada.send(signalling.View{})
	boris.send(signalling.Say{Text: "between us"})
	if c := expect[signalling.Chat](boris); c.Line.Text != "between us" {
		t.Fatalf("%+v", c)
	}
	ada.send(signalling.Knock{Name: "Ada"})
	ada.quiet(func(m signalling.Message) bool {
		w, ok := m.(signalling.Waiting)
		return ok && w.Bell == signalling.BellAskWait
	})
	q := f.request("Ada")
	if !q.Outside || q.Bell != string(signalling.BellAskWait) || f.linkNow(l.ID).InCall != 1 {
		t.Fatalf("%+v", q)
	}
	boris.send(signalling.Say{Text: "still between us"})
	expect[signalling.Chat](boris)
	boris.send(signalling.MediaState{Muted: true})
	f.until("Boris is muted", func(s hoststate.State) bool { return s.Calls[0].Participants[0].Muted })

	// The seat is void.
	again := f.greet(l, func(h *signalling.Hello) { takesAll(h); h.Seat = ada.seat.Seat })
	if got := expect[signalling.Ended](again).Reason; got != signalling.EndSeatGone {
		t.Fatal(got)
	}
	again.vanish()

	before := ada.seat.Participant
	f.must(f.host.Admit(f.ctx, q.ID))
	ada.quiet(func(m signalling.Message) bool {
		a, ok := m.(signalling.Admitted)
		ada.seat = a
		return ok
	})
	ada.roster = expect[signalling.Roster](ada)
	if ada.seat.Participant == before || len(ada.roster.Participants) != 2 || len(ada.roster.Chat) != 0 {
		t.Fatalf("%+v", ada.roster)
	}
	ada.send(signalling.Say{Text: "back"})
	if c := expect[signalling.Chat](ada); c.Line.Text != "back" {
		t.Fatalf("%+v", c)
	}
}

// TestOutsideWithoutTheWord puts out a guest whose page does not know of it, and
// one who is let in before their page has knocked, and one whose path is lost.
func TestOutsideWithoutTheWord(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.enter(l, "Boris")
	old := f.enter(l, "Ada")
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, old.seat.Participant))
	if got := expect[signalling.Ended](old).Reason; got != signalling.EndSeatGone {
		t.Fatal(got)
	}
	waits := func(name string) hoststate.RequestView {
		var q hoststate.RequestView
		f.until(name+" waits", func(s hoststate.State) bool {
			for _, r := range s.Requests {
				if r.Name == name {
					q = r
				}
			}
			return q.ID != ""
		})
		return q
	}
	f.must(f.host.Admit(f.ctx, waits("Ada").ID)) // before the page has knocked
	old.send(signalling.Knock{Name: "Ada"})
	old.seated()

	old.vanish()
	f.until("Ada is away", func(s hoststate.State) bool {
		p := s.Calls[0].Participants
		return len(p) > 1 && p[1].Away
	})
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, old.seat.Participant))
	if q := waits("Ada"); !q.Away {
		t.Fatalf("%+v", q)
	}
	back := f.greet(l, old.back)
	if got := expect[signalling.Ended](back).Reason; got != signalling.EndSeatGone {
		t.Fatal(got)
	}
	back.send(signalling.Knock{Name: "Ada"})
	if w := expect[signalling.Waiting](back); w.Bell != signalling.BellAskWait {
		t.Fatalf("%+v", w)
	}
	back.send(signalling.Leave{})
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	if err := f.host.LetWaitOutside(f.ctx, l.ID, "nobody"); fault.CodeOf(err) != fault.ParticipantGone {
		t.Fatal(err)
	}
}

// TestOutsideWhileLocked: the lock keeps no one out whom the host has put there, and
// a guest who leaves from outside is gone.
func TestOutsideWhileLocked(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.arrive(l, "Boris")
	ada := f.arrive(l, "Ada")
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, ada.seat.Participant))
	expect[signalling.Outside](ada)
	ada.send(signalling.Leave{}) // before the knock
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
}

// TestRename changes the name of a guest who waits.
func TestRename(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.knock(l, "Ada")
	first := f.request("Ada")
	ada.send(signalling.Knock{Name: "Ada L."})
	expect[signalling.Waiting](ada)
	second := f.request("Ada L.")
	if err := f.host.Admit(f.ctx, first.ID); fault.CodeOf(err) != fault.RequestGone || second.Since != first.Since {
		t.Fatal(err, second)
	}
	f.admit("Ada L.")
	ada.seated()
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
}

func TestCoHost(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	ada := f.arrive(l, "Ada")
	bob := f.arrive(l, "Bob")
	old := f.enter(l, "Otto")
	if err := f.host.SetCoHost(f.ctx, l.ID, old.seat.Participant, true); fault.CodeOf(err) != fault.PageTooOld {
		t.Fatal(err)
	}

	// Rights are checked for each act.
	zoe := f.knock(l, "Zoë")
	request := f.request("Zoë").ID
	for _, a := range []signalling.Act{
		{Deed: signalling.DeedAdmit, Of: request}, {Deed: signalling.DeedDecline, Of: request},
		{Deed: signalling.DeedMute, Of: bob.seat.Participant}, {Deed: signalling.DeedRemove, Of: bob.seat.Participant},
	} {
		ada.send(a)
		ada.refuses(fault.NotCoHost)
	}

	f.must(f.host.SetCoHost(f.ctx, l.ID, ada.seat.Participant, true))
	if d := expect[signalling.Door](ada); len(d.Requests) != 1 || d.Requests[0].ID != request || d.Requests[0].Name != "Zoë" {
		t.Fatalf("%+v", d)
	}
	for {
		if p := expect[signalling.Joined](bob).Participant; p.ID == ada.seat.Participant && p.CoHost {
			break
		}
	}
	ada.send(signalling.Act{Deed: signalling.DeedAdmit, Of: request})
	zoe.seated()
	for len(expect[signalling.Door](ada).Requests) != 0 {
	}
	ada.send(signalling.Act{Deed: signalling.DeedAdmit, Of: request})
	ada.refuses(fault.RequestGone)
	ada.send(signalling.Act{Deed: signalling.DeedMute, Of: bob.seat.Participant})
	expect[signalling.Mute](bob)
	yan := f.knock(l, "Yan")
	for len(expect[signalling.Door](ada).Requests) != 1 {
	}
	ada.send(signalling.Act{Deed: signalling.DeedDecline, Of: f.request("Yan").ID})
	if d := expect[signalling.Declined](yan); !d.MayRetry {
		t.Fatal("declined for good by a co-host")
	}
	ada.send(signalling.Act{Deed: signalling.DeedRemove, Of: bob.seat.Participant})
	bob.ended(signalling.EndKicked)

	// Not the host, not another co-host, not themselves for the host.
	f.must(f.host.SetCoHost(f.ctx, l.ID, ada.seat.Participant, true))
	for _, of := range []string{"host", "nobody"} {
		ada.send(signalling.Act{Deed: signalling.DeedRemove, Of: of})
		ada.refuses(fault.ParticipantGone)
		ada.send(signalling.Act{Deed: signalling.DeedMute, Of: of})
		ada.refuses(fault.ParticipantGone)
	}
	bob = f.arrive(l, "Bob")
	f.must(f.host.SetCoHost(f.ctx, l.ID, bob.seat.Participant, true))
	ada.send(signalling.Act{Deed: signalling.DeedRemove, Of: bob.seat.Participant})
	ada.refuses(fault.NotCoHost)

	// Every deed is shown to the host.
	s := f.until("all deeds", func(s hoststate.State) bool { return len(s.Deeds) == 4 })
	for i, want := range []hoststate.DeedView{
		{By: "Ada", Deed: "admit", Name: "Zoë"}, {By: "Ada", Deed: "mute", Name: "Bob"},
		{By: "Ada", Deed: "decline", Name: "Yan"}, {By: "Ada", Deed: "remove", Name: "Bob"},
	} {
		got := s.Deeds[i]
		if got.By != want.By || got.Deed != want.Deed || got.Name != want.Name || got.LinkID != l.ID {
			t.Fatalf("%d: %+v", i, got)
		}
	}

	// A reload keeps it, and the host may take it back.
	ada.vanish()
	again := f.greet(l, func(h *signalling.Hello) { ada.back(h); takesAll(h) })
	again.seated()
	expect[signalling.Door](again)
	f.must(f.host.SetCoHost(f.ctx, l.ID, again.seat.Participant, false))
	for !expect[signalling.Door](again).Over {
	}
	again.send(signalling.Act{Deed: signalling.DeedRemove, Of: zoe.seat.Participant})
	again.refuses(fault.NotCoHost)

	// It ends with the seat.
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, bob.seat.Participant))
	for {
		m, err := bob.next()
		f.must(err)
		if _, out := m.(signalling.Outside); out {
			break
		}
	}
	bob.send(signalling.Knock{Name: "Bob"})
	f.admit("Bob")
	bob.seated()
	bob.send(signalling.Act{Deed: signalling.DeedRemove, Of: zoe.seat.Participant})
	bob.refuses(fault.NotCoHost)
}

func (v *visitor) pass() signalling.Pass {
	v.f.t.Helper()
	v.send(signalling.Move{})
	return expect[signalling.Pass](v)
}

// TestMove takes a seat to another device with a pass.
func TestMove(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	boris := f.arrive(l, "Boris")
	ada := f.arrive(l, "Ada")
	unused := ada.pass()
	p := ada.pass() // and the one before is void
	claim := func(token string) func(*signalling.Hello) {
		return func(h *signalling.Hello) { takesAll(h); h.Seat = token }
	}
	gone := func(token string, reason signalling.EndReason) {
		t.Helper()
		v := f.greet(l, claim(token))
		if got := expect[signalling.Ended](v).Reason; got != reason {
			t.Fatalf("%s, want %s", got, reason)
		}
		v.vanish()
	}
	gone(unused.Token, signalling.EndSeatGone)

	phone := f.greet(l, claim(p.Token))
	ada.ended(signalling.EndMoved)
	phone.seated()
	phone.send(signalling.Seated{})
	if phone.seat.Participant != ada.seat.Participant || phone.seat.Resumed || len(phone.roster.Participants) != 2 {
		t.Fatalf("%+v", phone.seat)
	}
	phone.send(signalling.Say{Text: "from the phone"})
	for expect[signalling.Chat](boris).Line.Text != "from the phone" {
	}
	s := f.until("a deed", func(s hoststate.State) bool { return len(s.Deeds) == 1 })
	if len(s.Requests) != 0 || s.Deeds[0].Deed != "moved" || s.Deeds[0].By != "Ada" {
		t.Fatalf("%+v", s)
	}
	gone(p.Token, signalling.EndSeatGone)    // once
	gone(ada.seat.Seat, signalling.EndMoved) // the old page does not knock by itself
	expect[signalling.Pass](moveOn(phone))

	// Whoever is removed for good is so with both devices.
	f.must(f.host.RemoveParticipant(f.ctx, l.ID, phone.seat.Participant, true))
	for _, device := range []string{ada.device, phone.device} {
		v := f.greet(l, func(h *signalling.Hello) { h.Device = device })
		v.send(signalling.Knock{Name: "Ada"})
		v.ended(signalling.EndBlocked)
	}
}

func moveOn(v *visitor) *visitor {
	v.f.t.Helper()
	v.send(signalling.Move{})
	return v
}

func TestMoveIsShortLivedAndMayBeForbidden(t *testing.T) {
	now := time.Now()
	var p seatPass
	if key := digest([]byte("x")); p.is(key, now) || !(&seatPass{key: key, until: now.Add(1)}).is(key, now) || (&seatPass{key: key, until: now}).is(key, now) {
		t.Fatal("a pass is good until its time, and no longer")
	}

	f := start(t, setup{})
	l := f.link()
	ada := f.arrive(l, "Ada")
	token := ada.pass().Token
	s := f.host.Snapshot().Settings
	s.SeatsMove = false
	f.must(f.host.SetSettings(f.ctx, s))
	ada.send(signalling.Move{})
	ada.refuses(fault.MoveForbidden)
	v := f.greet(l, func(h *signalling.Hello) { h.Seat = token })
	if got := expect[signalling.Ended](v).Reason; got != signalling.EndSeatGone {
		t.Fatal(got)
	}
	boris := f.arrive(l, "Boris")
	if len(boris.seat.Takes) != 0 {
		t.Fatalf("%+v", boris.seat)
	}
	if err := errors.Join(boris.trySend(signalling.Leave{}), ada.trySend(signalling.Leave{})); err != nil {
		t.Fatal(err)
	}
}
