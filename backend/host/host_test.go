package host

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestStory(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.must(f.host.RenameLink(f.ctx, l.ID, "Tea"))
	f.must(f.host.SetName(f.ctx, "Mara"))
	if l.State != "open" || l.Group != hoststate.GroupUpcoming || len(l.Addresses) != 2 || l.Addresses[0].Reach != "network" {
		t.Fatalf("new link: %+v", l)
	}

	ada := f.dial(l)
	_, secret := secretOf(t, l)
	f.must(ada.frames.Send(ada.opening))
	ada.send(signalling.Hello{Version: 1, Secret: secret.Reveal(), Device: ada.device})
	if w := expect[signalling.Welcome](ada); w.LinkName != "Tea" || w.HostName != "Mara" {
		t.Fatalf("welcome: %+v", w)
	}
	ada.send(signalling.Knock{Name: "Ada", CameraOff: true})
	if w := expect[signalling.Waiting](ada); w.Bell != signalling.BellRung || w.Since == 0 || w.Ago < 0 {
		t.Fatalf("waiting: %+v", w)
	}
	q := f.request("Ada")
	if q.Known != hoststate.KnownFirst || q.LinkID != l.ID || q.LinkName != "Tea" {
		t.Fatalf("request: %+v", q)
	}
	f.must(f.host.AskToWait(f.ctx, q.ID))
	if w := expect[signalling.Waiting](ada); w.Bell != signalling.BellAskWait {
		t.Fatalf("asked to wait: %+v", w)
	}
	f.must(f.host.Admit(f.ctx, q.ID))
	ada.seated()
	if len(ada.roster.Participants) != 1 || ada.roster.You != ada.seat.Participant || !ada.roster.Participants[0].CameraOff {
		t.Fatalf("roster: %+v", ada.roster)
	}
	if err := f.host.Admit(f.ctx, q.ID); fault.CodeOf(err) != fault.RequestGone {
		t.Fatalf("second admission: %v", err)
	}

	boris := f.enter(l, "Boris")
	if len(boris.roster.Participants) != 2 {
		t.Fatalf("roster: %+v", boris.roster)
	}
	boris.send(signalling.Say{Text: "hello"})
	if c := expect[signalling.Chat](ada); c.Line.Text != "hello" || c.Line.Name != "Boris" {
		t.Fatalf("chat: %+v", c)
	}
	live := f.untilLink(l.ID, "two in the call", func(l hoststate.LinkView) bool { return l.InCall == 2 && len(l.Visitors) == 2 })
	if live.State != "live" || live.Group != hoststate.GroupLive || live.HostInCall {
		t.Fatalf("live link: %+v", live)
	}

	ada.send(signalling.Leave{})
	f.untilLink(l.ID, "one in the call", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	late := f.knock(l, "Late") // waits while the last one leaves
	boris.send(signalling.Leave{})
	late.ended(signalling.EndSpent)
	spent := f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
	if spent.Group != hoststate.GroupEarlier || spent.Waiting != 0 || spent.InCall != 0 || len(spent.Addresses) != 0 {
		t.Fatalf("spent link: %+v", spent)
	}
	id := sealed.LinkID(l.ID)
	note, ok := Note(f.book, id)
	if !ok {
		t.Fatal("a spent link leaves no note")
	}
	if reason, err := sealed.OpenNote(secret, id, note[:]); err != nil || reason != "spent" {
		t.Fatalf("note: %q, %v", reason, err)
	}
	if f.host.Stats().UnadmittedMedia != 0 {
		t.Fatal("media to the unadmitted")
	}
}

func TestKnownGuests(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	stays := f.enter(l, "Stays") // keeps the link alive
	_ = stays
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "both are written down", func(l hoststate.LinkView) bool { return len(l.Visitors) == 2 })
	ada.send(signalling.Leave{})
	again := f.greet(l, func(h *signalling.Hello) { h.Device = ada.device })
	again.send(signalling.Knock{Name: "Ada"})
	if q := f.request("Ada"); q.Known != hoststate.KnownReturning || q.TimesLetIn != 1 {
		t.Fatalf("returning: %+v", q)
	}
	again.send(signalling.Leave{})
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	other := f.knock(l, "Ada")
	_ = other
	if q := f.request("Ada"); q.Known != hoststate.KnownName {
		t.Fatalf("new device, known name: %+v", q)
	}
}

// slowDisk writes visitors down only once it is open.
type slowDisk struct {
	links.Repository
	open chan struct{}
}

func (d slowDisk) PutVisitor(v links.VisitorRecord) error {
	<-d.open
	return d.Repository.PutVisitor(v)
}

func TestTheDiskKeepsNobodyWaiting(t *testing.T) {
	open := make(chan struct{})
	f := start(t, setup{disk: func(r links.Repository) links.Repository { return slowDisk{r, open} }})
	t.Cleanup(func() { close(open) })
	ada := f.enter(f.link(), "Ada")
	ada.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](ada)
}

func TestRemoveLinkTellsEverybody(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	inside := f.enter(l, "Inside")
	waiting := f.knock(l, "Waiting")
	looking := f.greet(l, nil)
	f.must(f.host.RemoveLink(f.ctx, l.ID))
	inside.ended(signalling.EndRemoved)
	waiting.ended(signalling.EndRemoved)
	looking.ended(signalling.EndRemoved)
	if got := f.linkNow(l.ID); got.State != "removed" || got.Waiting != 0 || got.InCall != 0 {
		t.Fatalf("link: %+v", got)
	}
	s := f.host.Snapshot()
	if len(s.Requests) != 0 || len(s.Calls) != 0 {
		t.Fatalf("state: %+v", s)
	}
	id, _ := secretOf(t, l)
	if _, _, err := f.board.Dial(f.ctx, id, f.remote); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Fatalf("dialling a removed link: %v", err)
	}
	f.must(f.host.RemoveLink(f.ctx, l.ID)) // twice is fine
	if err := f.host.LockCall(f.ctx, l.ID, true); fault.CodeOf(err) != fault.LinkRemoved {
		t.Fatalf("command on a removed link: %v", err)
	}
}

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

func TestSeatIsHeldAndResumed(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	boris := f.enter(l, "Boris")
	ada.vanish()
	again := f.greet(l, ada.back)
	again.seated()
	if again.seat.Participant != ada.seat.Participant || again.seat.Seat == ada.seat.Seat || len(again.roster.Participants) != 2 {
		t.Fatalf("back: %+v, %+v", again.seat, again.roster)
	}
	boris.send(signalling.Say{Text: "still here?"})
	if c := expect[signalling.Chat](again); c.Line.Text != "still here?" {
		t.Fatalf("chat: %+v", c)
	}
	if n := len(f.host.Snapshot().Requests); n != 0 {
		t.Fatalf("%d requests: a seat needs no knock", n)
	}

	// A newer page of the same seat takes it over from one that still lives, and has
	// said so.
	again.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](again)
	newer := f.greet(l, again.back)
	again.ended(signalling.EndReplaced)
	newer.seated()
	if n := len(newer.roster.Participants); n != 2 {
		t.Fatalf("%d in the call", n)
	}
}

func TestSeatExpires(t *testing.T) {
	f := start(t, setup{timing: Timing{SeatHold: 30 * time.Millisecond}})
	l := f.link()
	ada := f.enter(l, "Ada")
	boris := f.enter(l, "Boris")
	ada.vanish()
	for left := false; !left; {
		left = expect[signalling.Left](boris).ID == ada.seat.Participant
	}
	again := f.greet(l, ada.back)
	again.ended(signalling.EndSeatGone)
	again.send(signalling.Knock{Name: "Ada"}) // the channel stays
	expect[signalling.Waiting](again)
	f.request("Ada")

	boris.vanish() // the last one: the link is spent, and those who wait are told
	again.ended(signalling.EndSpent)
	f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

// TestSeatIsHeldWhileMediaLives loses a guest's path for longer than a seat is
// held, while their peer connection stands; then that, too.
func TestSeatIsHeldWhileMediaLives(t *testing.T) {
	const hold = 100 * time.Millisecond
	f := start(t, setup{timing: Timing{SeatHold: hold}})
	l := f.link()
	ada := f.enter(l, "Ada")
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(setting)).NewPeerConnection(webrtc.Configuration{})
	f.must(err)
	defer func() { f.must(pc.GracefulClose()) }()
	connected := make(chan struct{})
	connect := sync.OnceFunc(func() { close(connected) })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			connect()
		}
	})
	offer := expect[signalling.Offer](ada)
	f.must(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}))
	answer, err := pc.CreateAnswer(nil)
	f.must(err)
	f.must(pc.SetLocalDescription(answer))
	ada.send(signalling.Answer{Negotiation: offer.Negotiation, SDP: answer.SDP})
	lost := make(chan struct{})
	go func() { // until the channel ends: candidates
		defer close(lost)
		for {
			m, err := ada.next()
			if err != nil {
				return
			}
			if c, ok := m.(signalling.Candidate); ok && c.Candidate != "" {
				// One that can't be used leaves the others.
				_ = pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c.Candidate})
			}
		}
	}()
	select {
	case <-connected:
	case <-time.After(patience):
		t.Fatal("not connected")
	}
	boris := f.enter(l, "Boris")
	ada.vanish()
	<-lost
	timer := time.NewTimer(5 * hold)
	defer timer.Stop()
	<-timer.C
	if n := f.linkNow(l.ID).InCall; n != 2 {
		t.Fatalf("%d in the call", n)
	}
	again := f.greet(l, ada.back)
	again.seated()
	again.vanish()
	f.must(pc.GracefulClose())
	for left := false; !left; {
		left = expect[signalling.Left](boris).ID == ada.seat.Participant
	}
}

// TestAFailedConnectionGivesUpThePlace lets a guest, and the host's window,
// answer with what is no description.
func TestAFailedConnectionGivesUpThePlace(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	broken := signalling.Answer{Negotiation: 1, SDP: "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}
	ada := f.enter(l, "Ada")
	w := f.window(l, hoststate.EngineWebview)
	w.message("offer")
	w.send(broken)
	w.message("ended")
	f.untilLink(l.ID, "the host is out", func(l hoststate.LinkView) bool { return !l.HostInCall && l.InCall == 1 })
	f.window(l, hoststate.EngineWebview).message("roster")
	f.must(f.host.LeaveCall(f.ctx, l.ID))

	ada.send(broken)
	if m := untilFault(ada); m.Code != string(fault.SDPInvalid) {
		t.Fatalf("%+v", m)
	}
	ada.ended(signalling.EndFault)
	f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestStrangersTakeNoSeat(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	for name, seat := range map[string]string{"made up": token(), "of nobody": token()} {
		v := f.greet(l, func(h *signalling.Hello) { h.Seat = seat })
		if m, err := v.next(); err != nil || m != (signalling.Ended{Reason: signalling.EndSeatGone}) {
			t.Fatalf("seat %s: %+v, %v", name, m, err)
		}
	}
	other := f.link() // a seat of one link is none at another
	v := f.greet(other, ada.back)
	v.ended(signalling.EndSeatGone)
	f.untilLink(l.ID, "one in the call", func(l hoststate.LinkView) bool { return l.InCall == 1 })
}

// A relay that plays a recorded guest to the host again can't throw them out.
func TestReplayedHelloTakesNoSeat(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	ada.vanish()

	id, secret := secretOf(t, l)
	record := func(frame []byte) []byte { return append([]byte(nil), frame...) }
	v := f.dial(l)
	hello, err := signalling.Encode(signalling.Hello{
		Version: 1, Secret: secret.Reveal(), Device: ada.device, Seat: ada.seat.Seat, Resume: true,
	})
	f.must(err)
	frame, err := v.channel.Seal(hello)
	f.must(err)
	opening, first := record(v.opening), record(frame)
	f.must(v.frames.Send(v.opening))
	f.must(v.frames.Send(frame))
	expect[signalling.Welcome](v)
	v.seated()

	_, replayed, err := f.board.Dial(f.ctx, id, f.remote)
	f.must(err)
	f.must(replayed.Send(opening))
	f.must(replayed.Send(first))
	if _, err := replayed.Recv(f.ctx); err != nil { // Welcome, which the relay can't read
		t.Fatal(err)
	}
	if _, err := replayed.Recv(f.ctx); err != nil { // seat-gone, likewise
		t.Fatal(err)
	}
	v.send(signalling.Say{Text: "mine"})
	if c := expect[signalling.Chat](v); c.Line.Text != "mine" {
		t.Fatalf("the seat's holder: %+v", c)
	}
}

func TestRestartAdmitsNobody(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	first, second, removed := f.link(), f.link(), f.link()
	f.must(f.host.RemoveLink(f.ctx, removed.ID))
	ada := f.enter(first, "Ada")
	boris := f.knock(second, "Boris")
	f.untilLink(first.ID, "live", func(l hoststate.LinkView) bool { return l.State == "live" })
	f.close()
	ada.ended(signalling.EndShutdown)
	boris.ended(signalling.EndShutdown)

	f = start(t, setup{dir: dir})
	if got := f.linkNow(first.ID); got.State != "live" || got.Group != hoststate.GroupUpcoming || got.InCall != 0 {
		t.Fatalf("the live link after a restart: %+v", got)
	}
	again := f.greet(first, ada.back)
	again.ended(signalling.EndSeatGone)
	again.send(signalling.Knock{Name: "Ada"})
	expect[signalling.Waiting](again)
	if q := f.request("Ada"); q.Known != hoststate.KnownReturning {
		t.Fatalf("request: %+v", q)
	}
	waits := f.greet(second, func(h *signalling.Hello) { h.Device = boris.device })
	waits.send(signalling.Knock{Name: "Boris"})
	expect[signalling.Waiting](waits)
	f.request("Boris")
	if s := f.host.Snapshot(); len(s.Calls) != 0 || len(s.Links) != 3 {
		t.Fatalf("state: %+v", s)
	}
	f.admit("Ada")
	again.seated()
}

func TestAGuestWhoIsAwayKeepsTheirPlace(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.knock(l, "Ada")
	f.request("Ada")
	boris := f.knock(l, "Boris")
	_ = boris
	f.request("Boris")
	ada.vanish()
	s := f.until("Ada is away", func(s hoststate.State) bool { return len(s.Requests) == 2 && s.Requests[0].Away })
	f.must(f.host.Admit(f.ctx, s.Requests[0].ID)) // a decision while away
	if n := f.linkNow(l.ID).InCall; n != 0 {
		t.Fatalf("%d in the call", n)
	}
	again := f.greet(l, func(h *signalling.Hello) { h.Device = ada.device })
	again.send(signalling.Knock{Name: "Ada"})
	again.seated()
	f.untilLink(l.ID, "one in the call", func(l hoststate.LinkView) bool { return l.InCall == 1 })
}

// A guest whose path is lost at the verdict was never in: nobody sees a ghost,
// the link is not used up, and the host's decision waits for their return.
func TestAPathLostAtTheVerdict(t *testing.T) {
	for name, lose := range map[string]func(f *fixture, l hoststate.LinkView, ada *visitor){
		"before they can be told": func(f *fixture, l hoststate.LinkView, ada *visitor) {
			id := f.request("Ada").ID
			f.must(f.host.loop.Do(f.ctx, func() { // what follows the verdict waits for the loop
				f.must(f.host.openLinks[sealed.LinkID(l.ID)].lobby.Admit(id))
				ada.vanish()
			}))
		},
		"before they have said anything": func(f *fixture, _ hoststate.LinkView, ada *visitor) {
			f.admit("Ada")
			ada.seat = expect[signalling.Admitted](ada)
			ada.send(signalling.MediaState{Muted: true}) // as those say who still wait
			ada.vanish()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, setup{})
			for range 5 { // the path is lost before or after the verdict is read
				l := f.link()
				ada := f.knock(l, "Ada")
				lose(f, l, ada)
				for gone := false; !gone; {
					f.must(f.host.loop.Do(f.ctx, func() { gone = len(f.host.openLinks[sealed.LinkID(l.ID)].sessions) == 0 }))
				}
				f.untilLink(l.ID, "nobody is in", func(l hoststate.LinkView) bool { return l.Waiting == 0 && l.InCall == 0 })
				again := f.greet(l, func(h *signalling.Hello) { ada.back(h) })
				if ada.seat.Seat != "" {
					again.ended(signalling.EndSeatGone)
				}
				if n := f.linkNow(l.ID); n.State != "open" || n.InCall != 0 || len(n.Visitors) != 0 {
					t.Fatalf("the link: %+v", n)
				}
				again.send(signalling.Knock{Name: "Ada"})
				again.seated()
				f.untilLink(l.ID, "Ada is in", func(l hoststate.LinkView) bool { return l.State == "live" && l.InCall == 1 })
			}
		})
	}
}

// A link that was live before a restart is used up by somebody who is in and
// leaves, not by a join that fails.
func TestAFailedJoinSpendsNothing(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	l, other := f.link(), f.link()
	f.enter(l, "Ada")
	f.enter(other, "Boris")
	for _, l := range []hoststate.LinkView{l, other} {
		f.untilLink(l.ID, "the guest is in", func(l hoststate.LinkView) bool { return l.State == "live" && len(l.Visitors) == 1 })
	}
	f.close()

	f = start(t, setup{dir: dir})
	cem := f.knock(l, "Cem")
	f.admit("Cem")
	expect[signalling.Admitted](cem)
	f.untilLink(l.ID, "Cem has a place", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	cem.vanish()
	if l := f.untilLink(l.ID, "nobody is in", func(l hoststate.LinkView) bool { return l.InCall == 0 }); l.State != "live" {
		t.Fatalf("after a failed join: %+v", l)
	}
	f.enter(l, "Ada").send(signalling.Leave{})
	f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })

	f.window(other, hoststate.EngineWebview).message("roster")
	f.must(f.host.LeaveCall(f.ctx, other.ID))
	f.untilLink(other.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestLockAndSilence(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.must(f.host.SilenceRequests(f.ctx, l.ID, true))
	quiet := f.greet(l, nil)
	quiet.send(signalling.Knock{Name: "Quiet"})
	if w := expect[signalling.Waiting](quiet); w.Bell != signalling.BellSilenced {
		t.Fatalf("waiting: %+v", w)
	}
	f.must(f.host.SilenceRequests(f.ctx, l.ID, false))
	if w := expect[signalling.Waiting](quiet); w.Bell != signalling.BellRung {
		t.Fatalf("waiting: %+v", w)
	}
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	f.untilLink(l.ID, "locked", func(l hoststate.LinkView) bool { return l.Locked && !l.Silenced })
	late := f.greet(l, nil)
	late.send(signalling.Knock{Name: "Late"})
	late.ended(signalling.EndLocked)
	f.admit("Quiet") // who waits stays
	quiet.seated()
}

func TestAdmitAllAndDeclineAll(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	names := []string{"A", "B", "C"}
	var guests []*visitor
	for _, n := range names {
		guests = append(guests, f.knock(l, n))
	}
	shown := func(s hoststate.State) (ids []string) {
		for _, q := range s.Requests {
			ids = append(ids, q.ID)
		}
		return ids
	}
	three := f.until("three wait", func(s hoststate.State) bool { return len(s.Requests) == 3 })
	d := f.knock(l, "D") // too late to be shown when the button was pressed
	f.request("D")
	f.must(f.host.AdmitAll(f.ctx, l.ID, shown(three)))
	for _, g := range guests {
		g.seated()
	}
	one := f.until("one waits", func(s hoststate.State) bool { return len(s.Requests) == 1 })
	f.must(f.host.DeclineAll(f.ctx, l.ID, shown(one)))
	expect[signalling.Declined](d)
	for _, late := range []error{f.host.AdmitAll(f.ctx, l.ID, shown(three)), f.host.DeclineAll(f.ctx, l.ID, shown(one))} {
		if fault.CodeOf(late) != fault.RequestGone {
			t.Errorf("too late: %v", late)
		}
	}
}

func TestEndCallSpends(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	f.must(f.host.EndCall(f.ctx, l.ID))
	ada.ended(signalling.EndEnded)
	w.message("ended")
	f.untilLink(l.ID, "spent", func(l hoststate.LinkView) bool { return l.State == "spent" })

	fresh := f.link() // ended before anybody was in
	f.must(f.host.EndCall(f.ctx, fresh.ID))
	f.untilLink(fresh.ID, "spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestMuteAsksTheGuest(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	if err := f.host.MuteParticipant(f.ctx, l.ID, "x"); fault.CodeOf(err) != fault.NotInCall {
		t.Fatalf("nobody in: %v", err)
	}
	ada := f.enter(l, "Ada")
	f.must(f.host.MuteParticipant(f.ctx, l.ID, ada.seat.Participant))
	expect[signalling.Mute](ada)
	if err := f.host.MuteParticipant(f.ctx, l.ID, "x"); fault.CodeOf(err) != fault.ParticipantGone {
		t.Fatalf("no such participant: %v", err)
	}
	if err := f.host.RemoveParticipant(f.ctx, l.ID, "x", false); fault.CodeOf(err) != fault.ParticipantGone {
		t.Fatalf("no such participant: %v", err)
	}
}

func TestSettingsAreKept(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	if err := f.host.SetName(f.ctx, " \t"); fault.CodeOf(err) != fault.NameInvalid {
		t.Fatalf("empty name: %v", err)
	}
	if err := f.host.SetSettings(f.ctx, hoststate.Settings{Engine: "steam", Theme: "dark"}); fault.CodeOf(err) != fault.MessageInvalid {
		t.Fatalf("bad settings: %v", err)
	}
	want := hoststate.Settings{Engine: hoststate.EngineWebview, Camera: "c", Theme: "dark"}
	f.must(f.host.SetSettings(f.ctx, want))
	f.must(f.host.SetName(f.ctx, " Mara "))
	f.must(f.host.WindowHidden(f.ctx))
	n := f.host.Snapshot().Notice
	if n == nil || n.Code != hoststate.NoticeBackground || n.Message == "" {
		t.Fatalf("notice: %+v", n)
	}
	f.must(f.host.DismissNotice(f.ctx, n.ID+1))
	if f.host.Snapshot().Notice == nil {
		t.Fatal("another notice's id dismissed it")
	}
	f.must(f.host.DismissNotice(f.ctx, n.ID))
	f.close()

	f = start(t, setup{dir: dir})
	s := f.host.Snapshot()
	if s.Settings != want || s.Me.Name != "Mara" || s.Notice != nil {
		t.Fatalf("after a restart: %+v", s)
	}
	f.must(f.host.WindowHidden(f.ctx)) // said once ever
	if n := f.host.Snapshot().Notice; n != nil {
		t.Fatalf("notice: %+v", n)
	}
}

// TestSystemNamesCanBeTold takes what systems call people and sees that guests
// can be told it.
func TestSystemNamesCanBeTold(t *testing.T) {
	long := strings.Repeat("é", signalling.MaxName+1)
	for _, c := range []struct{ full, login, want string }{
		{"Mara Lind", "mara", "Mara Lind"},
		{"", "mara", "mara"},
		{"root", "root", "Host"},
		{"\u202e \u200b", "", "Host"},
		{long, "mara", strings.Repeat("é", signalling.MaxName)},
	} {
		got := nameOf(c.full, c.login)
		if got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.full, c.login, got, c.want)
		}
		if _, err := signalling.Encode(signalling.Welcome{Version: signalling.ProtocolVersion, HostName: got}); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
}

func TestClosedHostAnswers(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	w := f.host.Watch()
	f.close()
	for {
		if _, err := w.Next(context.Background()); err != nil {
			if fault.CodeOf(err) != fault.ShuttingDown {
				t.Fatalf("watcher: %v", err)
			}
			break
		}
	}
	if err := f.host.RemoveLink(context.Background(), l.ID); fault.CodeOf(err) != fault.ShuttingDown {
		t.Fatalf("command: %v", err)
	}
	f.host.Attend("x")
	f.host.Close() // twice is fine
	if _, err := f.host.Watch().Next(context.Background()); fault.CodeOf(err) != fault.ShuttingDown {
		t.Fatalf("late watcher: %v", err)
	}
}

func TestSumAddsEveryCount(t *testing.T) {
	var a call.Stats
	fields := reflect.ValueOf(&a).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Int:
			field.SetInt(int64(i + 1))
		case reflect.Uint64:
			field.SetUint(uint64(i + 1))
		}
	}
	got := reflect.ValueOf(a.Plus(a))
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Int:
			if got.Field(i).Int() != 2*field.Int() {
				t.Errorf("%s is not summed", fields.Type().Field(i).Name)
			}
		case reflect.Uint64:
			if got.Field(i).Uint() != 2*field.Uint() {
				t.Errorf("%s is not summed", fields.Type().Field(i).Name)
			}
		}
	}
}
