package guest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is how long these tests wait for what should take milliseconds.
const patience = 20 * time.Second

// porch is the app without its window, on free loopback ports.
type porch struct {
	t    testing.TB
	ctx  context.Context
	app  *backend.Backend
	host *host.Host
	o    backend.Options
}

func open(t testing.TB) *porch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := &porch{t: t, ctx: ctx, o: backend.Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Synthetic: true, Logger: slog.New(slog.DiscardHandler),
		Timing: host.Timing{SeatHold: patience, Undo: -1},
	}}
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *porch) start() {
	p.t.Helper()
	app, err := backend.Open(p.ctx, p.o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.app, p.host = app, app.Host()
}

func (p *porch) stop() {
	if err := p.app.Close(); err != nil {
		p.t.Error(err)
	}
}

func (p *porch) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// link makes a link and returns its id and its address on this computer.
func (p *porch) link() (id, address string) {
	p.t.Helper()
	v, err := p.host.CreateLink(p.ctx)
	p.must(err)
	for _, a := range v.Addresses {
		if strings.HasPrefix(a.URL, "http://") {
			return v.ID, a.URL
		}
	}
	p.t.Fatalf("no address for this computer in %d", len(v.Addresses))
	return "", ""
}

// policy calls decide for every join request until the test ends.
func (p *porch) policy(decide func(hoststate.RequestView)) {
	w := p.host.Watch()
	h := p.host
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]bool{}
		for {
			for _, r := range h.Snapshot().Requests {
				if !seen[r.ID] {
					seen[r.ID] = true
					decide(r)
				}
			}
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	})
	p.t.Cleanup(func() { w.Close(); wg.Wait() })
}

// admit lets all guests in.
func (p *porch) admit() {
	h := p.host
	p.policy(func(r hoststate.RequestView) { _ = h.Admit(p.ctx, r.ID) }) // the guest may be gone already
}

// visitor is a guest and the messages that it received.
type visitor struct {
	*guest.Guest
	p        *porch
	messages chan signalling.Message
	tracks   chan *guest.Track
	plis     chan struct{}
	away     chan bool
	audio    *webrtc.TrackLocalStaticRTP
	video    *webrtc.TrackLocalStaticRTP
}

func newVisitor(p *porch) *visitor {
	p.t.Helper()
	v := &visitor{
		p: p, messages: make(chan signalling.Message, 1024), tracks: make(chan *guest.Track, 64),
		plis: make(chan struct{}, 1024), away: make(chan bool, 16),
	}
	var err error
	v.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "guest")
	p.must(err)
	v.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "guest")
	p.must(err)
	return v
}

func (v *visitor) options(name string) guest.Options {
	return guest.Options{
		Name:              name,
		Tracks:            []webrtc.TrackLocal{v.audio, v.video},
		OnMessage:         func(m signalling.Message) { pass(v.p, v.messages, m) },
		OnTrack:           func(t *guest.Track) { pass(v.p, v.tracks, t) },
		OnKeyframeRequest: func() { pass(v.p, v.plis, struct{}{}) },
		OnAway:            func(away bool) { pass(v.p, v.away, away) },
	}
}

// pass sends a callback's value to the test, or drops it when the test is over.
func pass[T any](p *porch, to chan<- T, value T) {
	select {
	case to <- value:
	case <-p.ctx.Done():
	}
}

func (p *porch) join(address, name string) *visitor {
	p.t.Helper()
	v := newVisitor(p)
	v.join(address, v.options(name))
	return v
}

func (v *visitor) join(address string, o guest.Options) {
	v.p.t.Helper()
	g, err := guest.Join(v.p.ctx, address, o)
	v.p.must(err)
	v.Guest = g
	v.p.t.Cleanup(func() { _ = g.Close() })
}

// expect returns the next message of type M and skips others.
func expect[M signalling.Message](v *visitor) M {
	v.p.t.Helper()
	for {
		select {
		case m := <-v.messages:
			if want, ok := m.(M); ok {
				return want
			}
		case <-v.Done():
			v.p.t.Fatalf("%s is out: %v", v.ID(), v.Err())
		case <-v.p.ctx.Done():
			var m M
			v.p.t.Fatalf("no %s", m.Type())
		}
	}
}

// track returns a participant's track of a kind.
func (v *visitor) track(participant string, kind signalling.Kind) *guest.Track {
	v.p.t.Helper()
	for {
		select {
		case t := <-v.tracks:
			if t.Participant == participant && t.Kind == kind {
				return t
			}
		case <-v.p.ctx.Done():
			v.p.t.Fatalf("no %s track of %s", kind, participant)
		}
	}
}

func (v *visitor) isOut(want fault.Code) {
	v.p.t.Helper()
	select {
	case <-v.Done():
	case <-v.p.ctx.Done():
		v.p.t.Fatal("still in")
	}
	if got := fault.CodeOf(v.Err()); got != want {
		v.p.t.Fatalf("out because of %q (%v), want %q", got, v.Err(), want)
	}
}

// send sends video frames whose payload ends with mark, with a keyframe whenever one is requested, until stop is
// called.
func (v *visitor) send(mark byte) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(1); ; n++ {
			keyframe := n == 1
			for empty := false; !empty; {
				select {
				case <-v.plis:
					keyframe = true
				default:
					empty = true
				}
			}
			_ = v.video.WriteRTP(vp8(n, keyframe, mark)) // fails when the connection is closed
			_ = v.audio.WriteRTP(&rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: 960 * uint32(n)},
				Payload: []byte{0xF8, 0xFF, mark},
			})
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// vp8 returns one frame in one packet (RFC 7741) with a 15-bit picture id.
func vp8(n uint16, keyframe bool, mark byte) *rtp.Packet {
	head := byte(0x01) // not a keyframe (RFC 6386 section 9.1)
	if keyframe {
		head = 0x00
	}
	payload := append([]byte{0x90, 0x80, 0x80 | byte(n>>8)&0x7F, byte(n), head}, make([]byte, 60)...)
	return &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: 3000 * uint32(n)},
		Payload: append(payload, mark),
	}
}

// receive reads a track until a packet ends with mark.
func (v *visitor) receive(t *guest.Track, mark byte) {
	v.p.t.Helper()
	done := make(chan error, 1)
	go func() {
		for {
			p, err := t.ReadRTP()
			if err != nil || len(p.Payload) > 0 && p.Payload[len(p.Payload)-1] == mark {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		v.p.must(err)
	case <-v.p.ctx.Done():
		v.p.t.Fatalf("no %s of %s with mark %d", t.Kind, t.Participant, mark)
	}
}

func TestTwoGuestsSeeHearAndRead(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()

	a := p.join(address, "Ada")
	stop := a.send(1)
	defer stop()
	expect[signalling.Roster](a)

	b := p.join(address, "Bo")
	defer b.send(2)()
	roster := expect[signalling.Roster](b)
	if roster.You != b.ID() || !slices.ContainsFunc(roster.Participants, func(x signalling.Participant) bool {
		return x.ID == a.ID() && x.Name == "Ada"
	}) {
		t.Errorf("roster %+v", roster)
	}
	if joined := expect[signalling.Joined](a); joined.Participant.Name != "Bo" || joined.Participant.ID != b.ID() {
		t.Errorf("joined %+v", joined)
	}
	for _, kind := range []signalling.Kind{signalling.KindAudio, signalling.KindVideo} {
		b.receive(b.track(a.ID(), kind), 1)
		a.receive(a.track(b.ID(), kind), 2)
	}
	for _, v := range []*visitor{a, b} {
		select {
		case <-v.Connected():
		case <-p.ctx.Done():
			t.Fatal("media, but not connected")
		}
	}

	p.must(a.Say(" Hello "))
	if line := expect[signalling.Chat](b).Line; line.Text != "Hello" || line.Participant != a.ID() || line.Name != "Ada" {
		t.Errorf("chat %+v", line)
	}
	if err := a.Say(" \n"); fault.CodeOf(err) != fault.ChatInvalid {
		t.Errorf("an empty line: %v", err)
	}
	p.must(a.SetMedia(true, true))
	for {
		if j := expect[signalling.Joined](b).Participant; j.ID == a.ID() && j.Muted && j.CameraOff {
			break
		}
	}

	p.must(a.Leave())
	if err := a.Err(); err != nil {
		t.Errorf("left with %v", err)
	}
	if left := expect[signalling.Left](b); left.ID != a.ID() {
		t.Errorf("left %+v", left)
	}
	if n := len(b.Participants()); n != 1 {
		t.Errorf("%d participants after one of two left", n)
	}
	if err := a.Say("too late"); fault.CodeOf(err) != fault.NotInCall {
		t.Errorf("said after leaving: %v", err)
	}
}

// TestSlotsAreReassigned: a slot of a participant who left carries the next one, without a new negotiation.
func TestSlotsAreReassigned(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	viewer := p.join(address, "Viewer")
	first := p.join(address, "First")
	stopFirst := first.send(1)
	defer stopFirst()
	old := viewer.track(first.ID(), signalling.KindVideo)
	viewer.receive(old, 1)
	p.must(first.Leave())
	for {
		if _, err := old.ReadRTP(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
	}

	second := p.join(address, "Second")
	defer second.send(2)()
	next := viewer.track(second.ID(), signalling.KindVideo)
	if next.Mid != old.Mid {
		t.Errorf("slot %s, want the free one, %s", next.Mid, old.Mid)
	}
	viewer.receive(next, 2)
	next.RequestKeyframe()
}

func TestJoinFaults(t *testing.T) {
	p := open(t)
	_, address := p.link()
	base, id, secret, err := sealed.ParseAddress(address)
	p.must(err)
	other, err := sealed.NewLinkKeys()
	p.must(err)
	for _, test := range []struct {
		name    string
		address string
		options guest.Options
		want    fault.Code
	}{
		{"text", "call me", guest.Options{Name: "A"}, fault.LinkMalformed},
		{"no secret", strings.SplitN(address, "#", 2)[0], guest.Options{Name: "A"}, fault.LinkMalformed},
		{"no name", address, guest.Options{Name: " \u202e"}, fault.NameInvalid},
		{"long name", address, guest.Options{Name: strings.Repeat("x", 65)}, fault.NameInvalid},
		{"wrong secret", sealed.Address(base, id, sealed.NewSecret()), guest.Options{Name: "A"}, fault.LinkUnavailable},
		{"unknown link", sealed.Address(base, other.ID(), secret), guest.Options{Name: "A"}, fault.LinkUnavailable},
		{"nobody there", sealed.Address("http://127.0.0.1:1", id, secret), guest.Options{Name: "A"}, fault.RelayUnreachable},
		{"device of another form", address, guest.Options{Name: "A", Device: "me"}, fault.MessageInvalid},
		{"two audio tracks", address, guest.Options{Name: "A", Tracks: []webrtc.TrackLocal{newVisitor(p).audio, newVisitor(p).audio}}, fault.ConnectFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := guest.Join(p.ctx, test.address, test.options)
			if got := fault.CodeOf(err); got != test.want {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
			if g != nil {
				t.Error("a guest in spite of the error")
			}
			if strings.Contains(err.Error(), secret.Reveal()) {
				t.Error("the error shows the secret")
			}
		})
	}
	if n := len(p.host.Snapshot().Requests); n != 0 {
		t.Errorf("%d join requests of refused guests", n)
	}
}

func TestDeclined(t *testing.T) {
	p := open(t)
	_, address := p.link()
	h := p.host
	p.policy(func(r hoststate.RequestView) { _ = h.Decline(p.ctx, r.ID) })
	o := guest.Options{Name: "Ada", Device: "EBESExQVFhcYGRobHB0eHw"}
	for _, want := range []fault.Code{fault.Declined, fault.DeclinedForGood, fault.DeclinedForGood} {
		if _, err := guest.Join(p.ctx, address, o); fault.CodeOf(err) != want {
			t.Fatalf("got %v, want %s", err, want)
		}
	}
}

// TestJoinIsTakenBack: a waiting guest leaves the lobby when its context ends.
func TestJoinIsTakenBack(t *testing.T) {
	p := open(t)
	_, address := p.link()
	ctx, cancel := context.WithCancelCause(p.ctx)
	mind := errors.New("changed my mind")
	w := p.host.Watch()
	defer w.Close()
	welcomed := ""
	_, err := guest.Join(ctx, address, guest.Options{
		Name:      "Ada",
		OnWelcome: func(m signalling.Welcome) { welcomed = m.HostName },
		OnWaiting: func(m signalling.Waiting) {
			if m.Bell != signalling.BellRung {
				t.Errorf("bell %s", m.Bell)
			}
			cancel(mind)
		},
	})
	if !errors.Is(err, mind) {
		t.Fatalf("got %v", err)
	}
	if welcomed == "" {
		t.Error("no welcome")
	}
	for len(p.host.Snapshot().Requests) > 0 {
		if _, err := w.Next(p.ctx); err != nil {
			t.Fatalf("the request stays: %v", err)
		}
	}
}

func TestSentOut(t *testing.T) {
	p := open(t)
	p.admit()
	t.Run("removed by the host", func(t *testing.T) {
		id, address := p.link()
		v, other := p.join(address, "Ada"), p.join(address, "Bo")
		p.must(p.host.RemoveParticipant(p.ctx, id, v.ID(), false))
		v.isOut(fault.RemovedByHost)
		p.must(other.Leave())
	})
	t.Run("blocked", func(t *testing.T) {
		id, address := p.link()
		v, other := p.join(address, "Ada"), p.join(address, "Bo")
		p.must(p.host.RemoveParticipant(p.ctx, id, v.ID(), true))
		v.isOut(fault.Blocked)
		_, err := guest.Join(p.ctx, address, guest.Options{Name: "Eve", Device: v.Device()})
		if fault.CodeOf(err) != fault.Blocked {
			t.Errorf("got %v", err)
		}
		p.must(other.Leave())
	})
	t.Run("call ended", func(t *testing.T) {
		id, address := p.link()
		v := p.join(address, "Ada")
		p.must(p.host.EndCall(p.ctx, id))
		v.isOut(fault.CallEnded)
		_, err := guest.Join(p.ctx, address, guest.Options{Name: "Late"})
		if fault.CodeOf(err) != fault.LinkSpent {
			t.Errorf("got %v", err)
		}
	})
	t.Run("link removed", func(t *testing.T) {
		id, address := p.link()
		v := p.join(address, "Ada")
		p.must(p.host.Link(id).Remove(p.ctx))
		v.isOut(fault.LinkRemoved)
		_, err := guest.Join(p.ctx, address, guest.Options{Name: "Late"})
		if fault.CodeOf(err) != fault.LinkRemoved {
			t.Errorf("got %v", err)
		}
	})
}

// TestOverHTTPS uses the certificate that the relay made itself.
func TestOverHTTPS(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	address = "https" + strings.TrimPrefix(address, "http")
	if _, err := guest.Join(p.ctx, address, guest.Options{Name: "A"}); fault.CodeOf(err) != fault.RelayUnreachable {
		t.Fatalf("a certificate of nobody's: %v", err)
	}
	v := newVisitor(p)
	o := v.options("Ada")
	o.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the sealed channel authenticates the host
	v.join(address, o)
	expect[signalling.Roster](v)
}

// TestAGuestWhoseMediaFindsNoWay: one guest's browser blocks UDP, and another's does not.
func TestAGuestWhoseMediaFindsNoWay(t *testing.T) {
	p := open(t)
	p.admit()
	_, address := p.link()
	honest := p.join(address, "Ada")
	blocked := newVisitor(p)
	o := blocked.options("Bea")
	var s webrtc.SettingEngine
	s.SetIPFilter(func(net.IP) bool { return false })
	m := new(webrtc.MediaEngine)
	p.must(m.RegisterDefaultCodecs())
	o.API = webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s))
	since := time.Now()
	blocked.join(address, o)

	for _, v := range []*visitor{blocked, honest} {
		told := signalling.Participant{}
		for told.NoMedia == "" {
			told = expect[signalling.Joined](v).Participant
		}
		if told.ID != blocked.ID() || told.NoMedia != string(fault.MediaBlocked) {
			t.Errorf("%+v", told)
		}
	}
	if took := time.Since(since); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	shown := func() bool {
		for _, c := range p.host.Snapshot().Calls {
			for _, one := range c.Participants {
				if (one.NoMedia != "") != (one.ID == blocked.ID()) {
					return false
				}
			}
		}
		return true
	}
	for w := p.host.Watch(); !shown(); { // guests are told first
		if _, err := w.Next(p.ctx); err != nil {
			t.Fatalf("the window hears of %+v", p.host.Snapshot().Calls)
		}
	}
}
