package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/media/vp8"
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

// TestEightGuestsSeeAndHearOneAnother: all are seen, and as many are heard as have a place.
func TestEightGuestsSeeAndHearOneAnother(t *testing.T) {
	const n = 8
	c := newTestCall(t, Options{})
	guests := make([]*guest, n)
	for i := range guests {
		guests[i] = join(t, c, as(fmt.Sprint("g", i)))
		guests[i].send()
	}
	for _, g := range guests {
		g.until("pictures of everybody, and sound of those who have a place", func() bool {
			return len(g.heard(signalling.KindAudio)) >= share.FewPlaces-1 && len(g.heard(signalling.KindVideo)) == n-1
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
			if !vp8.Parse(r.packet.Payload).Keyframe {
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
	a := join(t, c, as("a")) // sends nothing, because five have a place
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
