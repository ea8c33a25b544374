package call

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/call/asked"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// looking is a view of these participants' pictures.
func looking(ids ...string) signalling.View {
	v := signalling.View{Takes: []string{signalling.TakesLayers}}
	for _, id := range ids {
		v.Tiles = append(v.Tiles, signalling.Tile{Participant: id, Height: 360, Kind: signalling.KindVideo})
	}
	return v
}

var away = signalling.View{Hidden: true, Takes: []string{signalling.TakesLayers}}

func (g *guest) look(v signalling.View) {
	g.t.Helper()
	must(g.t, g.p.Handle(v))
}

// told reports whether the last word to g was that its picture is taken, or is not. The caller holds g.mu.
func (g *guest) told(active bool) bool {
	if len(g.layers) == 0 {
		return false
	}
	last := g.layers[len(g.layers)-1]
	return len(last.Video) == 1 && last.Video[0].Active == active
}

// TestNothingIsSentThatIsNotSeen takes a guest away from the call and back.
func TestNothingIsSentThatIsNotSeen(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	a.look(looking("b"))
	b.look(looking("a"))

	begin := time.Now()
	b.look(away)
	a.until("word that nobody takes its picture", func() bool { return a.told(false) })
	if took := time.Since(begin); took < asked.UntakenFor {
		t.Errorf("told after %v", took)
	}
	b.forget()
	b.until("sound", func() bool { return b.heard(signalling.KindAudio)["a"] > 20 })
	b.update(func() {
		if n := b.heard(signalling.KindVideo)["a"]; n > 0 {
			t.Errorf("%d packets of a picture that is not seen", n)
		}
		if b.told(false) {
			t.Errorf("told %+v though somebody looks", b.layers)
		}
	})
	a.untilSees("b") // who looks away is seen

	b.forget()
	begin = time.Now()
	b.look(looking("a"))
	b.until("a picture", func() bool { return b.heard(signalling.KindVideo)["a"] > 0 })
	t.Logf("a picture %v after looking again", time.Since(begin))
	b.update(func() {
		for _, r := range b.packets {
			if r.kind == signalling.KindVideo {
				if !vp8.Parse(r.packet.Payload).Keyframe {
					t.Error("it does not begin with a keyframe")
				}
				break
			}
		}
	})
	a.until("word that its picture is taken", func() bool { return a.told(true) })
}

// TestTilesThatAreNotOnTheScreen checks that one of two pictures stops, and that somebody new is seen at once by those
// who have not said so yet.
func TestTilesThatAreNotOnTheScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.send()
	a.untilSees("b")
	a.look(looking("b"))
	d := join(t, c, as("d"))
	d.send()
	b.untilSees("a", "d")
	a.until("the newcomer to be looked at no more", func() bool {
		a.packets, a.counts = nil, make(map[stream]int)
		return time.Since(c.member("d").joinedAt) > newcomer+500*time.Millisecond
	})
	a.until("the other picture", func() bool { return a.heard(signalling.KindVideo)["b"] > 10 })
	a.update(func() {
		if n := a.heard(signalling.KindVideo)["d"]; n > 0 {
			t.Errorf("%d packets of a picture that is not on the screen", n)
		}
	})
	a.look(looking("b", "d"))
	a.untilSees("d")
}

// TestAPageThatSaysNothingSeesEverything checks the pages of before, in both parts: they see everything, and are told
// nothing.
func TestAPageThatSaysNothingSeesEverything(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	b.look(signalling.View{Hidden: true})
	b.until("time to pass", func() bool {
		b.packets, b.counts = nil, make(map[stream]int)
		m := c.member("a")
		untaken := false
		must(t, c.do(func() { untaken = m.takers.None() }))
		return untaken
	})
	b.look(signalling.View{Tiles: looking("a").Tiles})
	b.untilSees("a")
	for _, g := range []*guest{a, b} {
		g.update(func() {
			if len(g.layers) > 0 {
				t.Errorf("%s was told %+v", g.p.ID(), g.layers)
			}
		})
	}
}

// TestViewsOfAHostileGuest checks that too many views are refused, and that those that are bound to nothing change
// nothing for others.
func TestViewsOfAHostileGuest(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.send()
	b.untilSees("a")
	refused := 0
	for n := range 20 * viewBurst {
		v := looking()
		for i := range signalling.MaxTiles {
			v.Tiles = append(v.Tiles, signalling.Tile{
				Participant: fmt.Sprint("nobody", n, "-", i), Height: signalling.MaxHeight, Kind: signalling.KindVideo,
			})
		}
		v.Hidden = n%2 == 0
		if err := a.p.Handle(v); err != nil {
			codeIs(t, err, fault.TooFast)
			refused++
		}
	}
	if refused < 10*viewBurst {
		t.Errorf("%d refused", refused)
	}
	over := looking()
	over.Tiles = make([]signalling.Tile, signalling.MaxTiles+1)
	codeIs(t, a.p.Handle(over), fault.MessageInvalid)
	b.forget()
	b.untilSees("a")
	a.p.Leave("")
	codeIs(t, a.p.Handle(away), fault.NotInCall)
}

// TestANewPageSeesEverything checks that a view does not outlive the page that said it.
func TestANewPageSeesEverything(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	b.look(away)
	_, err := b.p.Attach(newOutbox(), false)
	must(t, err)
	m := c.member("b")
	must(t, c.do(func() {
		if !m.takes(c.member("a"), time.Now().Add(newcomer)) || m.takesLayers {
			t.Error("the view of a page that is gone")
		}
	}))
}

func TestTheNativeEngineIsToldWhoLooks(t *testing.T) {
	c := newTestCall(t, Options{})
	s, out := new(sink), newOutbox()
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, out)
	must(t, err)
	defer feed(t, l, s)()
	if r := nextOf[signalling.Roster](t, out); !slices.Contains(r.Takes, signalling.TakesView) {
		t.Errorf("takes %q", r.Takes)
	}
	is := func(others, window bool) func() bool {
		return func() bool { return s.others == others && s.window == window }
	}
	s.until(t, "the window alone", is(false, true))
	a := join(t, c, as("a"))
	a.send()
	s.until(t, "both", is(true, true))
	s.until(t, "media of a", func() bool { return len(s.packets["a video"]) > 5 })
	must(t, l.Handle(away))
	s.until(t, "the others alone", is(true, false))
	must(t, l.Handle(looking("a")))
	must(t, l.Handle(looking("a", "host")))
	s.until(t, "both again", is(true, true))
	a.look(away)
	s.until(t, "the window, after a while", is(false, true))
	must(t, l.Handle(away))
	s.until(t, "nobody", is(false, false))
	s.update(func() { clear(s.packets) })
	s.until(t, "sound of a", func() bool { return len(s.packets["a audio"]) > 20 })
	s.mu.Lock()
	if n := len(s.packets["a video"]); n > 0 {
		t.Errorf("%d packets for a window that is not seen", n)
	}
	s.mu.Unlock()
	a.look(looking("host"))
	a.untilSees("host")
	s.until(t, "the others", is(true, false))
}
