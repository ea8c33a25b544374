package call

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// sink collects what a Local receives.
type sink struct {
	mu      sync.Mutex
	packets map[string][]*rtp.Packet // by participant and kind
	wanted  int
	changed chan struct{}

	roundTrip time.Duration // of the newest packet

	others, window bool // who takes the picture
	bitrate, lines int  // what the picture is limited to

	assumed float64 // loss

	screenTaken bool
}

func (s *sink) ReceiveRTP(participant string, kind signalling.Kind, p *rtp.Packet, roundTrip time.Duration) {
	s.update(func() {
		s.roundTrip = roundTrip
		if s.packets == nil {
			s.packets = make(map[string][]*rtp.Packet)
		}
		key := participant + " " + string(kind)
		s.packets[key] = append(s.packets[key], p.Clone())
	})
}

func (s *sink) KeyframeWanted(signalling.Kind) { s.update(func() { s.wanted++ }) }
func (s *sink) ScreenLimited(taken bool, _ int) {
	s.update(func() { s.screenTaken = taken })
}

func (s *sink) PictureTaken(others, window bool) {
	s.update(func() { s.others, s.window = others, window })
}

func (s *sink) LossAssumed(share float64) { s.update(func() { s.assumed = share }) }

func (s *sink) PictureLimited(bitrate, lines int) {
	s.update(func() { s.bitrate, s.lines = bitrate, lines })
}

func (s *sink) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *sink) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		if ok() {
			s.mu.Unlock()
			return
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// feed sends video through l until stop, with keyframes when they are asked for.
func feed(t testing.TB, l *Local, s *sink) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		v := mediatest.VideoSender{SSRC: 5}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		wanted := 0
		for n := uint16(0); ; n++ {
			s.mu.Lock()
			keyframe := n == 0 || s.wanted != wanted
			wanted = s.wanted
			s.mu.Unlock()
			for _, p := range v.Frame(keyframe, 2) {
				before := slices.Clone(p.Payload)
				if l.WriteRTP(signalling.KindVideo, p) != nil {
					return
				}
				if !slices.Equal(before, p.Payload) {
					t.Error("WriteRTP changed the packet")
				}
			}
			if l.WriteRTP(signalling.KindAudio, &rtp.Packet{
				Header: rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 480}, Payload: []byte{1, 2, 3},
			}) != nil {
				return
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

func TestNativeEngineAndGuests(t *testing.T) {
	c := newTestCall(t, Options{})
	s, out := new(sink), newOutbox()
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, out)
	must(t, err)
	defer feed(t, l, s)()
	r := nextOf[signalling.Roster](t, out)
	if r.You != "host" || len(r.Participants) != 1 || !r.Participants[0].Host {
		t.Errorf("%+v", r)
	}
	a := join(t, c, as("a"))
	a.send()
	a.untilSees("host")
	s.until(t, "media of a", func() bool { return len(s.packets["a video"]) > 20 && len(s.packets["a audio"]) > 20 })
	b := join(t, c, as("b"))
	b.send()
	b.untilSees("host", "a")
	s.until(t, "media of b", func() bool { return len(s.packets["b video"]) > 5 && len(s.packets["b audio"]) > 5 })

	s.mu.Lock()
	for key, packets := range s.packets {
		for i, p := range packets {
			if i > 0 && p.SequenceNumber != packets[i-1].SequenceNumber+1 {
				t.Errorf("%s: %d after %d", key, p.SequenceNumber, packets[i-1].SequenceNumber)
			}
		}
	}
	if !vp8.Parse(s.packets["b video"][0].Payload).Keyframe {
		t.Error("video does not begin with a keyframe")
	}
	s.mu.Unlock()

	l.RequestKeyframe("a")
	l.RequestKeyframe("nobody")
	a.until("asked", func() bool { return a.plis > 0 })

	must(t, l.Attach(out))
	nextOf[signalling.Joined](t, out)
	if r := nextOf[signalling.Roster](t, out); len(r.Participants) != 3 {
		t.Errorf("%+v", r)
	}
	a.p.Leave("")
	if left := nextOf[signalling.Left](t, out); left.ID != "a" {
		t.Errorf("%+v", left)
	}
	l.Leave(signalling.EndEnded)
	b.until("the host has left", func() bool { return len(b.roster) == 1 })
}

// TestNativeEngineKnowsTheRoundTrip checks that the engine knows how long a packet
// takes that this guest sends again, because it waits that long for a lost one.
func TestNativeEngineKnowsTheRoundTrip(t *testing.T) {
	c := newTestCall(t, Options{})
	s := new(sink)
	_, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, newOutbox())
	must(t, err)
	a := join(t, c, as("a"))
	a.send()
	s.until(t, "media of a", func() bool { return len(s.packets["a video"]) > 0 })
	for range 64 { // the value is smoothed
		c.member("a").peer.out.Took(250 * time.Millisecond)
	}
	s.until(t, "the round trip", func() bool { return s.roundTrip > 200*time.Millisecond })
}

func TestSinkMayCallBack(t *testing.T) {
	c := newTestCall(t, Options{})
	// Two engines answer every packet and every request with a packet and a
	// request. Nothing may lock up.
	var locals [2]*Local
	var sinks [2]*callbackSink
	for i := range locals {
		sinks[i] = &callbackSink{done: make(chan struct{})}
		var err error
		locals[i], err = c.JoinLocal(Profile{ID: fmt.Sprint(i)}, sinks[i], newOutbox())
		must(t, err)
	}
	for i := range sinks {
		sinks[i].start(locals[i], fmt.Sprint(1-i))
	}
	v := [2]mediatest.VideoSender{{SSRC: 1}, {SSRC: 2}}
	var wg sync.WaitGroup
	for i, l := range locals {
		wg.Go(func() {
			for n := range 300 {
				for _, p := range v[i].Frame(n%10 == 0, 1) {
					must(t, l.WriteRTP(signalling.KindVideo, p))
				}
			}
		})
	}
	wg.Wait()
	for _, s := range sinks {
		<-s.done
	}
}

type callbackSink struct {
	mu    sync.Mutex
	local *Local
	other string
	n     int
	done  chan struct{}
}

func (s *callbackSink) start(l *Local, other string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.local, s.other = l, other
}

func (s *callbackSink) ReceiveRTP(string, signalling.Kind, *rtp.Packet, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.local.RequestKeyframe(s.other)
	if s.n++; s.n == 20 { // of 300, because a receiver that always asks for a keyframe gets little else
		close(s.done)
	}
}

func (s *callbackSink) PictureTaken(bool, bool) {}
func (s *callbackSink) LossAssumed(float64)     {}
func (s *callbackSink) PictureLimited(int, int) {}
func (s *callbackSink) ScreenLimited(bool, int) {}

func (s *callbackSink) KeyframeWanted(signalling.Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.local != nil {
		s.local.RequestKeyframe(s.other)
	}
}
