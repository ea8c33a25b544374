package host

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// open returns a link as the loop has it.
func (f *fixture) open(id string) (o *openLink) {
	f.t.Helper()
	f.must(f.host.loop.Do(f.ctx, func() { o = f.host.openLinks[sealed.LinkID(id)] }))
	return o
}

// always makes a browser known as Ann at a link that stays, and always lets it in there.
// The browser is not in the call then.
func (f *fixture) always(l hoststate.LinkView, b browser) {
	f.t.Helper()
	const name = "Ann"
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{Ends: links.EndsNever}))
	for i := range 2 {
		v := b.knock(f, l, name)
		expect[signalling.Waiting](v)
		q := f.request(name).ID
		if i == 0 {
			f.must(f.host.Admit(f.ctx, q))
		} else {
			f.must(f.host.AlwaysLetIn(f.ctx, q, false))
		}
		v.seated()
		f.until(name+" is known", func(hoststate.State) bool {
			return f.host.acquaintances.Facts(b.id(f), name, l.ID).Times == i+1
		})
		v.send(signalling.Leave{})
		f.untilLink(l.ID, name+" has left", func(l hoststate.LinkView) bool { return l.InCall == 0 && l.State == string(links.StateOpen) })
	}
}

// TestRemovalStands: only the host lets a guest in at a link that is to be removed.
func TestRemovalStands(t *testing.T) {
	f := start(t, setup{timing: Timing{Undo: time.Hour}})
	l := f.link()
	ann := newBrowser(f)
	f.always(l, ann)
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	v := ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	if f.linkNow(l.ID).RemovedAt == 0 {
		t.Fatal("whoever is always let in keeps a removed link alive")
	}

	// The host lets somebody in, and then removes the link before they are in.
	bob := f.greet(l, nil)
	bob.send(signalling.Knock{Name: "Bob"})
	expect[signalling.Waiting](bob)
	f.must(f.host.Link(l.ID).Undo(f.ctx))
	id := f.request("Bob").ID
	o := f.open(l.ID)
	f.must(f.host.loop.Do(f.ctx, func() {
		if err := o.letIn(id); err != nil {
			t.Error(err)
		}
		o.removeWhen(time.Now().Add(time.Hour))
	}))
	expect[signalling.Waiting](bob)
	if f.linkNow(l.ID).RemovedAt == 0 {
		t.Fatal("a removal is dropped without the host")
	}
	f.must(f.host.Link(l.ID).Undo(f.ctx))
	f.until("Bob waits anew", func(s hoststate.State) bool {
		return slices.ContainsFunc(s.Requests, func(q hoststate.RequestView) bool { return q.Name == "Bob" && q.ID != id })
	})

	// The host's own decision drops a removal.
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	var waits string
	f.must(f.host.loop.Do(f.ctx, func() {
		for _, q := range o.queue.Requests {
			if q.Name == "Bob" {
				waits = q.ID
			}
		}
	}))
	f.must(f.host.Admit(f.ctx, waits))
	bob.seated()
	if f.linkNow(l.ID).RemovedAt != 0 {
		t.Fatal("a link into which the host lets somebody is removed")
	}
}

// TestNoPostIsLost: what is told of two guests, or of two links, arrives for both.
func TestNoPostIsLost(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	var guests []*visitor
	for _, name := range []string{"Ann", "Bob"} {
		v := newBrowser(f).knock(f, l, name)
		expect[signalling.Waiting](v)
		f.until("one can write to "+name, func(s hoststate.State) bool {
			for _, q := range s.Requests {
				if q.Name == name && q.CanWrite {
					return true
				}
			}
			return false
		})
		f.must(f.host.WriteTo(f.ctx, f.request(name).ID, "Hello"))
		expect[signalling.Said](v)
		guests = append(guests, v)
	}
	f.must(f.host.loop.Do(f.ctx, func() { // until they have all said what they say
		for _, v := range guests {
			v.send(signalling.Word{Text: "one"})
			v.send(signalling.Word{Text: "two"})
			v.send(signalling.MediaState{Muted: true}) // which is taken after both
			v.send(signalling.Ping{})
			expect[signalling.Pong](v)
		}
	}))
	f.until("four lines", func(s hoststate.State) bool {
		return len(s.Requests) == 2 && len(s.Requests[0].Words) == 3 && len(s.Requests[1].Words) == 3
	})

	// Two links that stay, whose last guests were gone before their entry was recorded.
	var stay []string
	for range 2 {
		id := f.link().ID
		f.must(f.host.Link(id).SetTimes(f.ctx, links.Times{Ends: links.EndsNever}))
		stay = append(stay, id)
	}
	f.must(f.host.loop.Do(f.ctx, func() {
		for _, id := range stay {
			o := f.host.openLinks[sealed.LinkID(id)]
			o.recordEntry(&seat{name: "Ann", visit: make(chan int, 1)}, time.Now(), "device")
		}
	}))
	for _, id := range stay {
		f.untilLink(id, "the link to rest", func(l hoststate.LinkView) bool { return l.State == string(links.StateOpen) && l.UsedAt > 0 })
	}
}

// TestMovedSeatPutOutside: the browser that had the seat first is outside as well.
func TestMovedSeatPutOutside(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ann := newBrowser(f)
	f.always(l, ann)
	laptop := ann.knock(f, l, "Ann")
	laptop.seated()
	pass := laptop.pass()
	phone := f.greet(l, func(h *signalling.Hello) { takesAll(h); h.Seat = pass.Token })
	phone.seated()
	phone.send(signalling.Seated{})
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, phone.seat.Participant))
	for {
		m, err := phone.next()
		f.must(err)
		if _, out := m.(signalling.Outside); out {
			break
		}
	}
	for _, again := range []browser{ann, {device: token(), key: ann.key}} {
		v := again.knock(f, l, "Ann")
		expect[signalling.Waiting](v)
		v.send(signalling.Leave{})
		v.closed(signalling.CloseDone)
	}
	phone.send(signalling.Knock{Name: "Ann"})
	expect[signalling.Waiting](phone)
	if code := fault.CodeOf(f.host.Admit(f.ctx, "nobody")); code != fault.RequestGone {
		t.Fatal(code)
	}
	f.admit("Ann")
	phone.seated()
}

// TestRemovedGuestKnocksAgain: whoever was taken out of the call, by the host or a
// co-host, comes back by no standing decision, not even after a restart.
func TestRemovedGuestKnocksAgain(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	l := f.link()
	ann := newBrowser(f)
	f.always(l, ann)
	coHost := f.arrive(l, "Carl")
	f.must(f.host.SetCoHost(f.ctx, l.ID, coHost.seat.Participant, true))
	remove := map[string]func(participant string){
		"the host": func(participant string) {
			f.must(f.host.RemoveParticipant(f.ctx, l.ID, participant, false))
		},
		"a co-host": func(participant string) {
			coHost.send(signalling.Act{Deed: signalling.DeedRemove, Of: participant})
		},
	}
	for by, out := range remove {
		ann.device = token() // a device has a pace, and the decision is of the key
		v := ann.knock(f, l, "Ann")
		v.seated()
		out(v.seat.Participant)
		v.ended(signalling.EndKicked)
		for _, again := range []browser{{device: token(), key: ann.key}, ann} {
			v = again.knock(f, l, "Ann")
			expect[signalling.Waiting](v)
			v.send(signalling.Leave{})
			v.closed(signalling.CloseDone)
		}
		v = ann.knock(f, l, "Ann")
		expect[signalling.Waiting](v)
		f.admit("Ann")
		v.seated()
		v.send(signalling.Leave{})
		f.untilLink(l.ID, "Ann, removed by "+by+", has left", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	}
	ann.device = token()
	v := ann.knock(f, l, "Ann") // the decision stands again, because the host has let them in
	v.seated()
	f.must(f.host.RemoveParticipant(f.ctx, l.ID, v.seat.Participant, false))
	f.close()

	f = start(t, setup{dir: dir})
	v = ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	f.admit("Ann")
	v.seated()
	v.send(signalling.Leave{})
	f.untilLink(l.ID, "Ann has left", func(l hoststate.LinkView) bool { return l.InCall == 0 })
	f.close()

	f = start(t, setup{dir: dir})
	f.arrive(l, "Stays")
	v = ann.knock(f, l, "Ann")
	v.seated()
	f.must(f.store.Close()) // and whatever the disk says
	f.must(f.host.RemoveParticipant(f.ctx, l.ID, v.seat.Participant, false))
	expect[signalling.Waiting](ann.knock(f, l, "Ann"))
}

// TestOutsideNeedsNoAddress: a guest who was put out of the call is let in again although
// the link's address is another one, and its time has not come.
func TestOutsideNeedsNoAddress(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.arrive(l, "Boris")
	ada := f.arrive(l, "Ada")
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, ada.seat.Participant))
	expect[signalling.Outside](ada)
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{OpensAt: time.Now().Add(time.Hour)}))
	f.must(f.host.Link(l.ID).NewAddress(f.ctx))
	ada.send(signalling.Knock{Name: "Ada"})
	ada.quiet(func(m signalling.Message) bool { _, ok := m.(signalling.Waiting); return ok })
	f.admit("Ada")
	ada.seated()
}

// TestCopyForOneOutside: so is one who came by a copy for one person with another device.
func TestCopyForOneOutside(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.arrive(l, "Boris")
	_, once := f.copyOf(l, "Ada", true)
	laptop := f.arrive(once, "Ada")
	pass := laptop.pass()
	phone := f.greet(once, func(h *signalling.Hello) { takesAll(h); h.Seat = pass.Token })
	phone.seated()
	phone.send(signalling.Seated{})
	f.must(f.host.LetWaitOutside(f.ctx, l.ID, phone.seat.Participant))
	for {
		m, err := phone.next()
		f.must(err)
		if _, out := m.(signalling.Outside); out {
			break
		}
	}
	phone.send(signalling.Knock{Name: "Ada"})
	expect[signalling.Waiting](phone)
	f.admit("Ada")
	phone.seated()
}

// noEnd is a disk that takes no end of a link, and counts how often it was asked.
type noEnd struct {
	links.Repository
	asked chan struct{}
}

func (d noEnd) PutLink(l links.LinkRecord, copies ...links.CopyRecord) error {
	if links.State(l.State).Ended() {
		select {
		case d.asked <- struct{}{}:
		default:
		}
		return errors.New("full")
	}
	return d.Repository.PutLink(l, copies...)
}

// TestDiskThatFailsIsNotAskedWithoutEnd: a link that can't end now ends later.
func TestDiskThatFailsIsNotAskedWithoutEnd(t *testing.T) {
	asked := make(chan struct{}, 1024)
	f := start(t, setup{disk: func(r links.Repository) links.Repository { return noEnd{r, asked} }})
	l := f.link()
	f.must(f.host.Link(l.ID).SetTimes(f.ctx, links.Times{Ends: links.EndsAt, EndsAt: time.Now().Add(50 * time.Millisecond)}))
	<-asked
	for range 50 { // each change would ask again
		f.must(f.host.loop.Do(f.ctx, f.host.touch))
	}
	f.must(f.host.loop.Do(f.ctx, func() {
		f.host.carryOut()
		if in := f.host.nextDue(time.Now()); in < lookEvery/2 || in > lookEvery {
			t.Errorf("it is tried again after %v", in)
		}
	}))
	if n := len(asked); n != 0 {
		t.Fatalf("the disk was asked %d times more", n)
	}
	f.must(f.host.loop.Do(f.ctx, func() {
		f.host.openLinks[sealed.LinkID(l.ID)].notBefore = time.Now()
		f.host.carryOut()
	}))
	<-asked
}

// TestEveryAnswerIsRecorded: also those of a co-host, and of a standing decision.
func TestEveryAnswerIsRecorded(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	coHost := f.arrive(l, "Carl")
	f.must(f.host.SetCoHost(f.ctx, l.ID, coHost.seat.Participant, true))
	ann := newBrowser(f)
	declined := func(times int) {
		t.Helper()
		for deadline := time.Now().Add(patience); f.host.acquaintances.Declined(l.ID, ann.device) != times; {
			if time.Now().After(deadline) {
				t.Fatalf("declined %d times, want %d", f.host.acquaintances.Declined(l.ID, ann.device), times)
			}
			f.must(f.host.loop.Do(f.ctx, func() {})) // it is written in the background
		}
	}
	act := func(deed signalling.Deed) *visitor {
		t.Helper()
		v := ann.knock(f, l, "Ann")
		expect[signalling.Waiting](v)
		coHost.send(signalling.Act{Deed: deed, Of: f.request("Ann").ID})
		return v
	}
	expect[signalling.Declined](act(signalling.DeedDecline))
	declined(1)
	v := act(signalling.DeedAdmit)
	v.seated()
	declined(0)
	v.send(signalling.Leave{})
	f.untilLink(l.ID, "Ann has left", func(l hoststate.LinkView) bool { return l.InCall == 1 && len(l.Visitors) == 2 })

	expect[signalling.Declined](act(signalling.DeedDecline))
	declined(1)
	v = ann.knock(f, l, "Ann")
	expect[signalling.Waiting](v)
	f.must(f.host.AlwaysLetIn(f.ctx, f.request("Ann").ID, false))
	v.seated()
	declined(0)
}
