package call

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// screen returns what the guest was told of the shared screen last. The caller holds g.mu.
func (g *guest) screen() signalling.Screen {
	if len(g.screens) == 0 {
		return signalling.Screen{}
	}
	return g.screens[len(g.screens)-1]
}

// sendScreen makes the guest's connection send its screen in the sections that it was told.
func (g *guest) sendScreen(pc *webrtc.PeerConnection) error {
	g.mu.Lock()
	s := g.screen()
	g.mu.Unlock()
	if g.p == nil || s.Participant != g.p.ID() {
		return nil
	}
	for _, t := range pc.GetTransceivers() {
		track := map[string]*webrtc.TrackLocalStaticRTP{s.Audio: g.screenSound, s.Video: g.screenVideo}[t.Mid()]
		if track == nil || t.Sender() != nil {
			continue
		}
		sender, err := g.api.NewRTPSender(track, pc.SCTP().Transport())
		if err != nil {
			return err
		}
		if err := t.SetSender(sender, track); err != nil {
			return err
		}
	}
	return nil
}

// present sends a frame of the screen, with a keyframe at each tenth, and a packet of its sound every 20 ms until stop.
func (g *guest) present() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		screen := mediatest.VideoSender{SSRC: 9}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			g.mu.Lock()
			at := g.screen()
			g.mu.Unlock()
			packets := screen.Frame(n%10 == 0, 2)
			for _, p := range packets {
				_ = p.SetExtension(codec.MidID, []byte(at.Video))
				_ = g.screenVideo.WriteRTP(p) // fails when the connection is closed
			}
			sound := &rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 960},
				Payload: []byte{0xf8, 0xff, 0xfe},
			}
			if at.Audio != "" {
				_ = sound.SetExtension(codec.MidID, []byte(at.Audio))
				_ = g.screenSound.WriteRTP(sound)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	g.t.Cleanup(stop)
	return stop
}

// takesScreens is a view of a page that shows the screens and cameras of others.
func takesScreens(ids ...string) signalling.View {
	v := looking(ids...)
	v.Takes = append(v.Takes, signalling.TakesScreen)
	for _, id := range ids {
		v.Tiles = append(v.Tiles, signalling.Tile{Participant: id, Height: 720, Kind: signalling.KindScreen})
	}
	return v
}

// share makes the guest ask to share its screen, and waits until it may and knows where to.
func (g *guest) share(s signalling.Sharing) {
	g.t.Helper()
	must(g.t, g.p.Handle(s))
	g.until("sections for the screen", func() bool {
		s := g.screen()
		return s.Participant == g.p.ID() && s.Video != ""
	})
}

// untilSeesScreen waits until so many packets of a participant's screen have come.
func (g *guest) untilSeesScreen(of string) {
	g.t.Helper()
	g.until("the screen of "+of, func() bool {
		s := g.screen()
		return s.Participant == of && s.Video != "" && g.counts[stream{s.Video, signalling.KindVideo}] > 5
	})
}

func (g *guest) untilNoScreen() {
	g.t.Helper()
	g.until("no screen", func() bool { return len(g.screens) > 0 && g.screen() == signalling.Screen{} })
}

func TestOneSharesAScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b, old := join(t, c, as("a")), join(t, c, as("b")), join(t, c, as("old"))
	for _, g := range []*guest{a, b, old} {
		g.send()
	}
	b.look(takesScreens("a", "old"))
	a.look(takesScreens("b", "old"))
	old.untilSees("a", "b")
	a.share(signalling.Sharing{On: true, Sound: true})
	stop := a.present()
	b.untilSeesScreen("a")
	b.until("the sound of it", func() bool {
		s := b.screen()
		return s.Audio != "" && b.counts[stream{s.Audio, signalling.KindAudio}] > 5
	})
	b.update(func() {
		for _, r := range b.packets {
			if r.kind == signalling.KindVideo && r.mid == b.screen().Video {
				if !vp8.Parse(r.packet.Payload).Keyframe {
					t.Error("it does not begin with a keyframe")
				}
				break
			}
		}
		for _, s := range b.tracks.Slots {
			if s.Mid == b.screen().Video || s.Mid == b.screen().Audio {
				t.Errorf("it is among the cameras: %+v", b.tracks)
			}
		}
	})
	a.untilSees("b", "old")
	b.untilSees("a", "old")

	// A page of before is told nothing, and its call goes on.
	old.forget()
	old.untilSees("a", "b")
	old.update(func() {
		if len(old.screens) > 0 {
			t.Errorf("told %+v", old.screens)
		}
	})

	// It stops, and what is sent all the same is not forwarded. Others may share in the same sections then.
	must(t, a.p.Handle(signalling.Sharing{}))
	for _, g := range []*guest{a, b} {
		g.untilNoScreen()
	}
	offers := func() (n [2]int) {
		for i, g := range []*guest{a, b} {
			g.update(func() { n[i] = g.offers })
		}
		return n
	}
	before := offers()
	b.update(func() { // what is on its way
		b.packets, b.counts = nil, make(map[stream]int)
	})
	b.untilSees("a")
	a.share(signalling.Sharing{On: true})
	b.untilSeesScreen("a")
	b.update(func() {
		if b.screen().Audio != "" {
			t.Errorf("sound of a screen without: %+v", b.screen())
		}
	})
	if after := offers(); after != before {
		t.Errorf("%v offers, then %v: the sections are not used again", before, after)
	}
	stop()
	must(t, a.p.Handle(signalling.Sharing{}))
	b.share(signalling.Sharing{On: true})
	b.present()
	a.untilSeesScreen("b")
	if s := c.Stats(); s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAScreenGivesWayToWhoeverNamesIt(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	for _, g := range []*guest{a, b} {
		g.send()
		g.look(takesScreens("a", "b"))
	}
	a.share(signalling.Sharing{On: true})
	a.present()
	b.untilSeesScreen("a")

	// Both have pressed the button: the second one is told whose it is.
	b.until("the mids", func() bool { return b.screen().Video != "" })
	b.update(func() { b.screens = nil })
	must(t, b.p.Handle(signalling.Sharing{On: true}))
	must(t, b.p.Handle(signalling.Sharing{On: true, Instead: "somebody"}))
	b.until("word of it", func() bool { return len(b.screens) == 2 && b.screen().Participant == "a" })
	// Whoever does not share ends nothing.
	must(t, b.p.Handle(signalling.Sharing{}))

	var slot string
	b.update(func() { slot = b.screen().Video })
	b.share(signalling.Sharing{On: true, Instead: "a"})
	b.present()
	a.untilSeesScreen("b")
	// The one who was replaced still sends, and nobody gets it.
	b.forget()
	b.until("sound", func() bool { return b.heard(signalling.KindAudio)["a"] > 20 })
	b.update(func() {
		if n := b.counts[stream{slot, signalling.KindVideo}]; n > 0 {
			t.Errorf("%d packets of a screen that is shared no more", n)
		}
	})
}

func TestSharingEndsWithWhoeverShares(t *testing.T) {
	for name, end := range map[string]func(a *guest){
		"it leaves":     func(a *guest) { must(t, a.p.Handle(signalling.Leave{})) },
		"it is removed": func(a *guest) { a.p.Leave(signalling.EndKicked) },
		"its page begins anew": func(a *guest) {
			a.cancel()
			a.wgReader.Wait()
			must(t, a.pc.GracefulClose())
			a.reopen()
			a.connect(newGuestAPI(t, nil, nil))
			_, err := a.p.Attach(a.out, false)
			must(t, err)
			a.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCall(t, Options{})
			a, b := join(t, c, as("a")), join(t, c, as("b"))
			b.send()
			media := a.send()
			for _, g := range []*guest{a, b} {
				g.look(takesScreens("a", "b"))
			}
			a.share(signalling.Sharing{On: true})
			stop := a.present()
			b.untilSeesScreen("a")
			stop()
			media.stop() // a new page has other tracks
			end(a)
			b.untilNoScreen()
			b.share(signalling.Sharing{On: true}) // the next one may
		})
	}
}

// TestALateComerSeesTheScreen checks that whoever comes is told of a screen, and that a page which comes back is, too.
func TestALateComerSeesTheScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	a.send()
	a.look(takesScreens())
	a.share(signalling.Sharing{On: true})
	a.present()
	late := join(t, c, as("late"))
	late.look(takesScreens("a"))
	late.untilSeesScreen("a")

	late.p.Detach(late.out)
	late.cancel()
	late.wgReader.Wait()
	late.reopen()
	late.update(func() { late.screens = nil })
	resumed, err := late.p.Attach(late.out, true)
	must(t, err)
	if !resumed {
		t.Fatal("a new connection")
	}
	late.start()
	late.forget()
	late.untilSeesScreen("a")
}

// TestAScreenThatNobodyLooksAt checks that it stops, and comes back with its tile.
func TestAScreenThatNobodyLooksAt(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	a.look(takesScreens("b"))
	b.look(takesScreens("a"))
	a.share(signalling.Sharing{On: true})
	a.present()
	b.untilSeesScreen("a")
	cameras := looking("a")
	cameras.Takes = nil
	var since time.Time
	must(t, c.do(func() { since = c.screen.since }))
	b.until("the screen to be no news", func() bool { return time.Since(since) > newcomer })
	b.look(cameras)
	seen := func() int { return b.counts[stream{b.screen().Video, signalling.KindVideo}] }
	b.until("the camera, and no screen", func() bool {
		done := seen() == 0 && b.heard(signalling.KindVideo)["a"] > 10
		if seen() > 0 {
			b.packets, b.counts = nil, make(map[stream]int)
		}
		return done
	})
	b.look(takesScreens("a"))
	b.untilSeesScreen("a")
}

// TestTheNativeEngineSharesItsScreen: a guest gets it, and from a keyframe on. The engine hears when nobody looks.
func TestTheNativeEngineSharesItsScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	s, out := new(sink), newOutbox()
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, out)
	must(t, err)
	a := join(t, c, as("a"))
	a.look(takesScreens("host"))
	must(t, l.Handle(takesScreens("a")))
	must(t, l.Handle(signalling.Sharing{On: true}))
	for nextOf[signalling.Screen](t, out).Participant != "host" {
	}
	v := mediatest.VideoSender{SSRC: 77}
	next := 0
	a.until("the screen", func() bool {
		s.update(func() { next++ })
		s.mu.Lock()
		wanted := s.wanted
		s.wanted = 0
		s.mu.Unlock()
		for _, p := range v.Frame(next == 1 || wanted > 0, 1) {
			must(t, l.WriteRTP(signalling.KindScreen, p))
		}
		return a.counts[stream{a.screen().Video, signalling.KindVideo}] > 20
	})
	s.until(t, "word that it is taken", func() bool { return s.screenTaken })
	away := looking("host")
	away.Takes = nil
	a.look(away)
	s.until(t, "word that nobody looks", func() bool { return !s.screenTaken })
	must(t, l.Attach(newOutbox())) // the page begins anew
	a.untilNoScreen()
	codeIs(t, l.WriteRTP("smell", v.Frame(true, 1)[0]), fault.MessageInvalid)
}

func TestTheNativeEngineSeesAScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	s := new(sink)
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, newOutbox())
	must(t, err)
	must(t, l.Handle(takesScreens("a")))
	a := join(t, c, as("a"))
	a.send()
	a.look(takesScreens("host"))
	a.share(signalling.Sharing{On: true, Sound: true})
	a.present()
	name := codec.ScreenOf("a")
	s.until(t, "the screen, and the sound of it", func() bool {
		return len(s.packets[name+" video"]) > 20 && len(s.packets[name+" audio"]) > 20 && len(s.packets["a video"]) > 20
	})
	s.mu.Lock()
	if !vp8.Parse(s.packets[name+" video"][0].Payload).Keyframe {
		t.Error("it does not begin with a keyframe")
	}
	ssrc := s.packets[name+" video"][0].SSRC
	s.mu.Unlock()
	plis := 0
	a.update(func() { plis = a.plis })
	l.RequestKeyframe(name)
	must(t, a.p.Handle(signalling.Sharing{}))
	a.untilNoScreen()
	a.share(signalling.Sharing{On: true})
	s.update(func() { s.packets = nil })
	s.until(t, "the next screen", func() bool { return len(s.packets[name+" video"]) > 5 })
	s.mu.Lock()
	if next := s.packets[name+" video"][0].SSRC; next == ssrc {
		t.Error("it looks like the same stream, with other numbers")
	}
	s.mu.Unlock()
	a.update(func() {
		if a.plis != plis {
			t.Error("the camera was asked for a keyframe of the screen")
		}
	})
}

func TestSharingHasALimit(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	var refused error
	for range sharingBurst + 1 {
		if err := a.p.Handle(signalling.Sharing{On: true}); err != nil {
			refused = err
		}
	}
	codeIs(t, refused, fault.TooFast)
}

// TestNobodyLooksAtAScreen checks that whoever shares a screen hears that no member looks at it, and when one does again.
func TestNobodyLooksAtAScreen(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	a.look(takesScreens("b"))
	b.look(takesScreens("a"))
	b.untilSees("a")
	a.share(signalling.Sharing{On: true})
	a.present()
	b.untilSeesScreen("a")
	told := func(active bool) bool {
		if len(a.layers) == 0 {
			return false
		}
		s := a.layers[len(a.layers)-1].Screen
		return s != nil && s.Active == active
	}
	a.until("word that its screen is taken", func() bool { return told(true) })

	b.look(looking("a")) // the camera alone
	a.until("word that nobody takes its screen", func() bool { return told(false) })
	a.update(func() {
		if !a.told(true) {
			t.Errorf("told %+v though its camera is looked at", a.layers[len(a.layers)-1])
		}
	})
	b.forget()
	b.look(takesScreens("a"))
	a.until("word that its screen is taken again", func() bool { return told(true) })
	b.untilSeesScreen("a")

	must(t, a.p.Handle(signalling.Sharing{}))
	a.until("no word of a screen that is over", func() bool { return a.layers[len(a.layers)-1].Screen == nil })
}
