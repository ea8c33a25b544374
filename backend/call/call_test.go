package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

func newTestCall(tb testing.TB, o Options) *Call { return newHookedCall(tb, o, Hooks{}) }

func newHookedCall(tb testing.TB, o Options, h Hooks) *Call {
	tb.Helper()
	e, err := NewEngine(o)
	must(tb, err)
	c, err := e.NewCall(h, ICEConfig{})
	must(tb, err)
	tb.Cleanup(func() {
		must(tb, e.Close())
		if s := c.Stats(); s.UnadmittedMedia != 0 {
			tb.Errorf("media for somebody unadmitted: %+v", s)
		}
	})
	return c
}

// as returns the options of a guest with this id.
func as(id string) guestOptions {
	return guestOptions{profile: Profile{ID: id, Name: strings.ToUpper(id)}}
}

// heard counts by sender the packets of a kind that the guest has got.
func (g *guest) heard(kind signalling.Kind) map[string]int {
	from := make(map[string]string)
	for _, s := range g.tracks.Slots {
		from[s.Mid] = s.Participant
	}
	n := make(map[string]int)
	for st, packets := range g.counts {
		if st.kind == kind {
			n[from[st.mid]] += packets
		}
	}
	return n
}

// forget forgets the packets so far.
func (g *guest) forget() {
	g.update(func() {
		g.packets = nil
		clear(g.counts)
	})
}

func (g *guest) untilSees(ids ...string) {
	g.t.Helper()
	g.until(fmt.Sprint("audio and video of ", ids), func() bool {
		a, v := g.heard(signalling.KindAudio), g.heard(signalling.KindVideo)
		for _, id := range ids {
			if a[id] == 0 || v[id] == 0 {
				return false
			}
		}
		return true
	})
}

func codeIs(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("fault %q (%v), want %q", got, err, want)
	}
}

func TestEightGuestsSeeAndHearOneAnother(t *testing.T) {
	const n = 8
	c := newTestCall(t, Options{})
	guests := make([]*guest, n)
	for i := range guests {
		guests[i] = join(t, c, as(fmt.Sprint("g", i)))
		guests[i].send()
	}
	for _, g := range guests {
		g.until("media of everybody", func() bool {
			return len(g.heard(signalling.KindAudio)) == n-1 && len(g.heard(signalling.KindVideo)) == n-1
		})
		g.until("feedback", func() bool { return g.twcc > 0 && g.reports > 0 && g.srs > 0 })
	}
	if s := c.Stats(); s.Malformed != 0 || s.Participants != n {
		t.Errorf("%+v", s)
	}
}

func TestLateJoinerGetsSnapshotAndKeyframe(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	a.send()
	b := join(t, c, as("b"))
	b.untilSees("a")
	must(t, b.p.Handle(signalling.Say{Text: "before"}))
	must(t, b.p.Handle(signalling.MediaState{Muted: true}))
	a.until("b is muted", func() bool { return a.roster["b"].Muted })

	late := join(t, c, as("late"))
	late.until("the roster", func() bool { return len(late.roster) == 3 })
	if !late.roster["b"].Muted || late.roster["a"].Name != "A" || late.roster["late"].ID != "late" {
		t.Errorf("%+v", late.roster)
	}
	if len(late.chat) != 0 {
		t.Errorf("chat from before the admission: %+v", late.chat)
	}
	late.untilSees("a")
	var packets []received
	late.update(func() { packets = slices.Clone(late.packets) })
	for _, r := range packets {
		if r.kind == signalling.KindVideo {
			if !forward.ParseVP8(r.packet.Payload).Keyframe {
				t.Error("the first video packet does not begin a keyframe")
			}
			break
		}
	}
	a.untilSees() // nobody: b and late send nothing
	for _, g := range []*guest{a, b} {
		g.until("late in the roster", func() bool { return g.roster["late"].ID == "late" })
	}
}

func TestReceivedStreamsAreUnbroken(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	m := a.send()
	b := join(t, c, as("b"))
	b.untilSees("a")
	// a mutes and comes back; the gap is not loss.
	must(t, a.p.Handle(signalling.MediaState{Muted: true, CameraOff: true}))
	b.until("a is off", func() bool { return b.roster["a"].CameraOff })
	must(t, a.p.Handle(signalling.MediaState{}))
	b.forget()
	b.untilSees("a")
	m.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	last := make(map[string]*rtp.Packet)
	for _, r := range b.packets {
		if l := last[r.mid]; l != nil && r.packet.SequenceNumber != l.SequenceNumber+1 {
			t.Errorf("%s: %d after %d", r.mid, r.packet.SequenceNumber, l.SequenceNumber)
		}
		last[r.mid] = r.packet
	}
}

func TestNothingIsForwardedWhileMuted(t *testing.T) {
	c := newTestCall(t, Options{})
	o := as("a")
	o.profile.Muted, o.profile.CameraOff = true, true
	a := join(t, c, o)
	a.send()
	b := join(t, c, as("b"))
	b.send()
	a.untilSees("b") // so a is connected, and its packets arrive
	a.until("a's packets have arrived", func() bool { return a.reports > 0 })
	b.mu.Lock()
	if len(b.packets) != 0 {
		t.Errorf("%d packets of a muted participant", len(b.packets))
	}
	b.mu.Unlock()
	must(t, a.p.Handle(signalling.MediaState{}))
	b.untilSees("a")
}

func TestSixJoinWithTwoOffersToTheFirst(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	a.send()
	for _, id := range []string{"b", "c", "d", "e", "f"} {
		g := join(t, c, as(id))
		g.send()
		a.untilSees(id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.offers != 2 {
		t.Errorf("%d offers", a.offers)
	}
}

func TestSlotsAreUsedAgainWithoutNegotiation(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	for i := range 5 {
		b := join(t, c, as(fmt.Sprint("b", i)))
		b.send()
		a.untilSees(b.p.ID())
		b.p.Leave(signalling.EndKicked)
		a.until("b has left", func() bool { return len(a.roster) == 1 && len(a.tracks.Slots) == 0 })
		b.until("told why", func() bool { return b.ended == signalling.EndKicked })
		a.forget()
	}
	if a.offers != 1 {
		t.Errorf("%d offers", a.offers)
	}
}

func TestOffersBringTheirCandidatesOnce(t *testing.T) {
	c := newTestCall(t, Options{})
	out := newOutbox()
	p, err := c.Join(Profile{ID: "alone", Name: "Alone"}, out)
	must(t, err)
	defer p.Leave("")
	var offer string
	for {
		select {
		case m := <-out:
			switch m := m.(type) {
			case signalling.Offer:
				offer = m.SDP
				if !strings.Contains(offer, "a=candidate:") {
					t.Error("the offer has no candidate")
				}
				if strings.Contains(offer, "a=end-of-candidates") {
					t.Error("the offer ends the candidates, and more may trickle")
				}
			case signalling.Candidate:
				switch {
				case offer == "":
					t.Error("a candidate came before its offer")
				case m.Candidate == "":
					return // the end has been told
				case strings.Contains(offer, m.Candidate):
					t.Error("a candidate of the offer came again")
				}
			}
		case <-time.After(patience):
			t.Fatal("the end of candidates has not come")
		}
	}
}

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
	for range chatBurst + 1 {
		refused = errors.Join(refused, a.p.Handle(signalling.Say{Text: "again"}))
	}
	codeIs(t, refused, fault.TooFast)
	must(t, b.p.Handle(signalling.Say{Text: "I may still speak"}))
}

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

func TestCallHolds64(t *testing.T) {
	c := newTestCall(t, Options{})
	boxes := make([]outbox, MaxParticipants)
	for i := range boxes {
		boxes[i] = newOutbox()
		_, err := c.JoinLocal(Profile{ID: fmt.Sprint(i)}, new(sink), boxes[i])
		must(t, err)
	}
	_, err := c.JoinLocal(Profile{ID: "one more"}, new(sink), newOutbox())
	codeIs(t, err, fault.CallFull)
	out := newOutbox()
	_, err = c.Join(Profile{ID: "one more"}, out)
	codeIs(t, err, fault.CallFull)
	if len(out) != 0 {
		t.Errorf("%d messages to somebody refused", len(out))
	}
	c.Close(signalling.EndEnded)
	for i, box := range boxes {
		close(box)
		var last signalling.Message
		for m := range box {
			last = m
		}
		if last != (signalling.Ended{Reason: signalling.EndEnded}) {
			t.Errorf("%d: %+v", i, last)
		}
	}
}

func TestAnIDIsTakenOnce(t *testing.T) {
	c := newTestCall(t, Options{})
	_, err := c.JoinLocal(Profile{ID: "a"}, new(sink), newOutbox())
	must(t, err)
	if _, err := c.JoinLocal(Profile{ID: "a"}, new(sink), newOutbox()); err == nil {
		t.Error("two with one id")
	}
}

func TestHooks(t *testing.T) {
	rosters := make(chan []signalling.Participant, 100)
	c := newHookedCall(t, Options{}, Hooks{
		OnRoster: func(r []signalling.Participant) { rosters <- r },
	})
	a, err := c.JoinLocal(Profile{ID: "a", Host: true}, new(sink), newOutbox())
	must(t, err)
	b, err := c.JoinLocal(Profile{ID: "b"}, new(sink), newOutbox())
	must(t, err)
	must(t, b.Handle(signalling.MediaState{Muted: true}))
	a.Leave("")
	a.Leave("")
	must(t, b.Handle(signalling.Leave{}))
	var got []string
	for range 5 {
		var ids []string
		for _, p := range <-rosters {
			id := p.ID
			if p.Muted {
				id += " muted"
			}
			if p.Host {
				id += " host"
			}
			ids = append(ids, id)
		}
		got = append(got, strings.Join(ids, ", "))
	}
	if want := []string{"a host", "a host, b", "a host, b muted", "b muted", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	codeIs(t, b.Handle(signalling.Say{Text: "still there?"}), fault.NotInCall)
	codeIs(t, a.WriteRTP(signalling.KindAudio, new(rtp.Packet)), fault.NotInCall)
}

func TestAfterTheEnd(t *testing.T) {
	e, err := NewEngine(Options{})
	must(t, err)
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(t, err)
	g := join(t, c, as("g"))
	c.Close(signalling.EndRemoved)
	c.Close(signalling.EndRemoved)
	g.until("told why", func() bool { return g.ended == signalling.EndRemoved })
	_, err = c.Join(Profile{ID: "x"}, newOutbox())
	codeIs(t, err, fault.CallEnded)
	_, err = c.JoinLocal(Profile{ID: "x"}, new(sink), newOutbox())
	codeIs(t, err, fault.CallEnded)
	codeIs(t, g.p.Handle(signalling.Leave{}), fault.CallEnded)
	_, err = g.p.Attach(newOutbox(), true)
	codeIs(t, err, fault.CallEnded)
	codeIs(t, c.Mute("g"), fault.CallEnded)
	g.p.Detach(g.out)
	g.p.Leave("")
	if n := c.Stats().Participants; n != 0 {
		t.Errorf("%d in it", n)
	}
	must(t, e.Close())
	must(t, e.Close())
	_, err = e.NewCall(Hooks{}, ICEConfig{})
	codeIs(t, err, fault.ShuttingDown)
}

func TestUnusableAnswersEndTheirOwnerOnly(t *testing.T) {
	for name, answer := range map[string]func(offer string) string{
		"garbage": func(string) string { return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=nonsense\r\n" },
		"an offer's own text": func(offer string) string {
			return strings.ReplaceAll(offer, "a=setup:actpass", "a=setup:active")
		},
		"no sections": func(string) string { return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" },
		"no codec of ours": func(offer string) string {
			return strings.NewReplacer("VP8", "VP9", "opus", "speex", "a=setup:actpass", "a=setup:active").Replace(offer)
		},
		"no fingerprint": func(offer string) string {
			return strings.ReplaceAll(offer, "a=fingerprint", "a=finger")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCall(t, Options{})
			a, b := join(t, c, as("a")), join(t, c, as("b"))
			a.send()
			out := newOutbox()
			p, err := c.Join(Profile{ID: "hostile"}, out)
			must(t, err)
			offer := nextOf[signalling.Offer](t, out)
			must(t, p.Handle(signalling.Answer{Negotiation: offer.Negotiation + 1, SDP: "v=0\r\n"})) // stale: ignored
			if err := p.Handle(signalling.Answer{Negotiation: offer.Negotiation, SDP: answer(offer.SDP)}); err == nil {
				if name != "an offer's own text" { // that one is merely an answer that never connects
					nextOf[signalling.Fault](t, out)
					if e := nextOf[signalling.Ended](t, out); e.Reason != signalling.EndFault {
						t.Errorf("%+v", e)
					}
					b.until("it is gone", func() bool { return len(b.roster) == 2 && b.roster["hostile"].ID == "" })
				}
			} else {
				codeIs(t, err, fault.SDPInvalid)
			}
			b.forget()
			b.untilSees("a")
		})
	}
}

// nextOf waits for a message of one type.
func nextOf[M signalling.Message](t *testing.T, out outbox) M {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-out:
			if m, ok := m.(M); ok {
				return m
			}
		case <-deadline:
			var zero M
			t.Fatalf("no %s", zero.Type())
		}
	}
}

func TestFloodOfCandidatesIsRefused(t *testing.T) {
	c := newTestCall(t, Options{})
	out := newOutbox()
	p, err := c.Join(Profile{ID: "flood"}, out)
	must(t, err)
	for range 10_000 {
		err := p.Handle(signalling.Candidate{Candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host"})
		if code := fault.CodeOf(err); err != nil && code != fault.TooFast {
			t.Fatal(err)
		}
	}
	nextOf[signalling.Offer](t, out) // and it still works
	p.Leave("")
}

func TestMessagesOfTheWrongKindAreRefused(t *testing.T) {
	c := newTestCall(t, Options{})
	g := join(t, c, as("g"))
	codeIs(t, g.p.Handle(signalling.Knock{Name: "again"}), fault.MessageUnexpected)
	l, err := c.JoinLocal(Profile{ID: "l"}, new(sink), newOutbox())
	must(t, err)
	codeIs(t, l.Handle(signalling.Restart{}), fault.MessageUnexpected)
	codeIs(t, c.Mute("nobody"), fault.ParticipantGone)
}

func TestSpeaking(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	l, err := c.JoinLocal(Profile{ID: "l"}, new(sink), newOutbox())
	must(t, err)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: n}, Payload: []byte{1}}
			_ = p.SetExtension(codec.AudioLevelID, []byte{20}) // can't fail with one byte
			_ = l.WriteRTP(signalling.KindAudio, p)            // fails after the end
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	a.until("l is speaking", func() bool { return slices.Equal(a.speaking, []string{"l"}) })
	must(t, l.Handle(signalling.MediaState{Muted: true})) // whoever is muted does not speak
	a.until("l is not speaking", func() bool { return len(a.speaking) == 0 })
	close(stop)
	<-done
}
