package host

import (
	"encoding/base64"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

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
// held, while their peer connection stands; then that, too. A relay, or a proxy in
// front of it, may say that the page was unloaded.
func TestSeatIsHeldWhileMediaLives(t *testing.T) {
	t.Run("a lost path", func(t *testing.T) { testHeldByMedia(t, signalling.CloseDone) })
	t.Run("an unloaded page", func(t *testing.T) { testHeldByMedia(t, signalling.CloseGone) })
}

func testHeldByMedia(t *testing.T, code signalling.CloseCode) {
	const hold = 100 * time.Millisecond
	f := start(t, setup{timing: Timing{SeatHold: hold, Reload: hold}})
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
	ada.frames.Close(code)
	<-lost
	timer := time.NewTimer(5 * hold)
	defer timer.Stop()
	<-timer.C
	if n := f.linkNow(l.ID).InCall; n != 2 {
		t.Fatalf("%d in the call", n)
	}
	again := f.greet(l, ada.back)
	again.seated()
	again.frames.Close(code)
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
	f.must(f.host.Link(removed.ID).Remove(f.ctx))
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

// TestASeatSurvivesLoss: whatever is lost between a guest and the host, at
// whatever moment, the newest token that the guest has brings them back.
func TestASeatSurvivesLoss(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	seen := map[string]bool{v.seat.Seat: true}
	for _, c := range []struct {
		name string
		lose func(*visitor) (has signalling.Admitted)
	}{
		{"at any time", func(v *visitor) signalling.Admitted { v.vanish(); return v.seat }},
		{"with the answer on its way", func(v *visitor) signalling.Admitted {
			had := v.seat
			v.vanish()
			lost := f.greet(l, v.back)
			expect[signalling.Admitted](lost)
			lost.vanish()
			return had
		}},
		{"with three answers on their way", func(v *visitor) signalling.Admitted {
			had := v.seat
			v.vanish()
			for range 3 {
				lost := f.greet(l, v.back)
				expect[signalling.Admitted](lost)
				lost.vanish()
			}
			return had
		}},
		{"before the guest said that it came", func(v *visitor) signalling.Admitted {
			v.vanish()
			mute := f.greet(l, v.back)
			has := expect[signalling.Admitted](mute)
			mute.vanish()
			return has
		}},
		{"unloaded without a word", func(v *visitor) signalling.Admitted { v.unload(); return v.seat }},
		{"in a reload", func(v *visitor) signalling.Admitted { v.farewell(); return v.seat }},
		{"before the host knows", func(v *visitor) signalling.Admitted { return v.seat }},
	} {
		t.Run(c.name, func(t *testing.T) {
			has := c.lose(v)
			next := f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = v.device, has.Seat })
			next.seated()
			if seen[next.seat.Seat] || next.seat.Participant != v.seat.Participant {
				t.Fatalf("seat %+v after %+v", next.seat, v.seat)
			}
			seen[next.seat.Seat] = true
			next.send(signalling.Say{Text: "here"}) // after it, the host has heard of the token
			expect[signalling.Chat](next)
			stale := f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = v.device, has.Seat })
			stale.ended(signalling.EndSeatGone)
			stale.vanish()
			v = next
		})
	}
}

// farewell says that the page goes away, and closes as a browser does.
func (v *visitor) farewell() {
	v.f.t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(v.seat.Farewell)
	v.f.must(err)
	v.f.must(v.frames.Send(b))
	v.closed(signalling.CloseDone)
}

// unload closes as a browser does that has not let the page say its farewell.
func (v *visitor) unload() { v.frames.Close(signalling.CloseGone) }

// untilAway waits until the host knows that a guest's path is gone.
func (f *fixture) untilAway(l hoststate.LinkView, v *visitor) {
	f.t.Helper()
	f.until("away", func(s hoststate.State) bool {
		for _, c := range s.Calls {
			for _, p := range c.Participants {
				if c.LinkID == l.ID && p.ID == v.seat.Participant {
					return p.Away
				}
			}
		}
		return false
	})
}

// TestAClosedPageLeaves: a page that says that it goes away gives up its seat
// soon, where a lost path keeps it. So does a page whose browser says it alone.
func TestAClosedPageLeaves(t *testing.T) {
	t.Run("farewell", func(t *testing.T) { testLeaves(t, (*visitor).farewell) })
	t.Run("unloaded", func(t *testing.T) { testLeaves(t, (*visitor).unload) })
}

func testLeaves(t *testing.T, leave func(*visitor)) {
	f := start(t, setup{timing: Timing{SeatHold: time.Hour, Reload: 50 * time.Millisecond}})
	l := f.link()
	bo := f.enter(l, "Bo")
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "both in", func(l hoststate.LinkView) bool { return l.InCall == 2 })
	leave(ada)
	f.untilLink(l.ID, "Ada gone", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	if left := expect[signalling.Left](bo); left.ID != ada.seat.Participant {
		t.Errorf("%+v left", left)
	}
	gone := f.greet(l, ada.back)
	gone.ended(signalling.EndSeatGone)
}

// TestAMadeUpFarewell: what a relay makes up in a guest's name ends the channel,
// as anything unsealed does, and the seat is held.
func TestAMadeUpFarewell(t *testing.T) {
	f := start(t, setup{timing: Timing{Reload: time.Millisecond}})
	l := f.link()
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	f.must(ada.frames.Send(make([]byte, tokenSize)))
	ada.closed(signalling.CloseRefused)
	back := f.greet(l, ada.back)
	back.seated()
}

// TestACopiedTab: the copy has the seat while it is there, and gives it back.
func TestACopiedTab(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	first := f.enter(l, "Ada")
	first.send(signalling.Say{Text: "in"}) // after it, the host has heard of the token
	expect[signalling.Chat](first)
	claim := func(seat string) *visitor {
		return f.greet(l, func(h *signalling.Hello) { h.Device, h.Seat = first.device, seat })
	}
	copied := claim(first.seat.Seat)
	copied.seated()
	told := expect[signalling.Ended](first)
	if told.Reason != signalling.EndReplaced || told.Seat == "" {
		t.Fatalf("told %+v", told)
	}
	first.closed(signalling.CloseDone)

	// While the copy is there, it keeps the seat.
	for range 2 {
		early := claim(told.Seat)
		if again := expect[signalling.Ended](early); again.Reason != signalling.EndReplaced || again.Seat != told.Seat {
			t.Fatalf("told %+v", again)
		}
		early.closed(signalling.CloseDone)
	}
	copied.send(signalling.Say{Text: "still here"})
	expect[signalling.Chat](copied)

	copied.farewell()
	f.untilAway(l, first)
	back := claim(told.Seat)
	back.seated()
	if back.seat.Participant != first.seat.Participant {
		t.Errorf("came back as %s, was %s", back.seat.Participant, first.seat.Participant)
	}
	// Each token once.
	twice := claim(told.Seat)
	twice.ended(signalling.EndSeatGone)
}

func TestSeatTokensAreBounded(t *testing.T) {
	var tokens seatTokens
	opening := func(i int) seatKey { return digest([]byte{byte(i), byte(i >> 8)}) }
	_, first := tokens.issue(0, opening(0))
	for i := 1; i < maxClaims; i++ {
		if _, ok := tokens.find(first, opening(i), time.Now()); !ok {
			t.Fatalf("refused after %d", i)
		}
		tokens.issue(0, opening(i))
	}
	if _, ok := tokens.find(first, opening(maxClaims), time.Now()); ok {
		t.Error("claimed without end")
	}
	last := tokens.issued[maxClaims-1].key
	tokens.confirm(last)
	if len(tokens.issued) != 1 {
		t.Errorf("%d tokens after the confirmation", len(tokens.issued))
	}
	if _, ok := tokens.find(first, opening(maxClaims), time.Now()); ok {
		t.Error("an old token counts")
	}
	if _, ok := tokens.find(last, opening(maxClaims-1), time.Now()); ok {
		t.Error("a recorded opening counts")
	}
	for range 3 * maxAsides {
		tokens.issueAside()
	}
	if len(tokens.asides) != maxAsides {
		t.Errorf("%d ways back", len(tokens.asides))
	}
}
