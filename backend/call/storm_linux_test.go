package call

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// A call on a narrow line. The host's interface is a token bucket with a queue of
// 200 ms. The guests adapt to nothing, and ask for missing packets as browsers do.
//
//	host 10.78.0.1 ── tbf ── 10.78.0.2 four guests

const (
	stormGuests   = 4
	stormWide     = "100mbit"
	stormNarrow   = "3mbit"
	stormFrames   = 25 // a second
	stormPackets  = 3  // of one frame: 600 kbit/s
	stormKeyframe = 10 // packets of a keyframe
	stormSize     = 1000
)

// stormHost is the engine and its call. It reports what it counts.
func stormHost(ctx context.Context, spec labSpec) {
	e, err := NewEngine(Options{})
	exitOn(err)
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	exitOn(err)
	listener, err := net.Listen("unix", spec.Socket)
	exitOn(err)
	labSay(labEvent{Event: "ready"})
	go func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go costServe(c, fmt.Sprint("guest", i), false, conn)
		}
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			labSay(labEvent{Event: "count", Call: c.Stats()})
		case <-ctx.Done():
			_ = e.Close()
			return
		}
	}
}

// stormCrowd is the guests' process.
func stormCrowd(ctx context.Context, spec labSpec) {
	var heard labHeard
	var wg sync.WaitGroup
	for range stormGuests {
		wg.Go(func() { stormGuest(ctx, spec, &heard) })
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			labSay(heard.event())
		case <-ctx.Done():
		}
	}
	wg.Wait()
}

// labHeard counts what guests should have received, and what they received in time.
type labHeard struct {
	mu                     sync.Mutex
	sound, soundLost       int64
	pictures, picturesLost int64
}

func (h *labHeard) event() labEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return labEvent{Event: "count", Sound: h.sound, SoundLost: h.soundLost, Pictures: h.pictures, PicturesLost: h.picturesLost}
}

func (h *labHeard) add(kind webrtc.RTPCodecType, due, lost int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind == webrtc.RTPCodecTypeAudio {
		h.sound, h.soundLost = h.sound+due, h.soundLost+lost
	} else {
		h.pictures, h.picturesLost = h.pictures+due, h.picturesLost+lost
	}
}

// stormSource sends video and audio. It sends a keyframe when one is asked for, at
// most every 300 ms.
type stormSource struct {
	mu     sync.Mutex
	wanted bool
}

func (s *stormSource) want() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = true
}

func (s *stormSource) run(ctx context.Context, video, audio *webrtc.TrackLocalStaticRTP) {
	v := mediatest.VideoSender{Size: stormSize}
	sound := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 80)}
	frames, sounds := time.NewTicker(time.Second/stormFrames), time.NewTicker(20*time.Millisecond)
	defer frames.Stop()
	defer sounds.Stop()
	var last time.Time
	for {
		select {
		case now := <-frames.C:
			s.mu.Lock()
			key := s.wanted && now.Sub(last) > 300*time.Millisecond
			if key {
				s.wanted, last = false, now
			}
			s.mu.Unlock()
			n := stormPackets
			if key {
				n = stormKeyframe
			}
			for _, p := range v.Frame(key, n) {
				_ = video.WriteRTP(p) // ends with ctx
			}
		case <-sounds.C:
			sound.SequenceNumber++
			sound.Timestamp += codec.AudioClockRate / 50
			_ = audio.WriteRTP(&sound)
		case <-ctx.Done():
			return
		}
	}
}

// stormReceiver asks for missing packets as libwebrtc does: at once, then every 100
// ms, ten times. After that it asks for a keyframe every 200 ms until one arrives.
type stormReceiver struct {
	pc      *webrtc.PeerConnection
	ssrc    uint32
	mu      sync.Mutex
	begun   bool
	highest int64
	missing map[int64]*stormMissing
	key     bool // needs a keyframe
	keyAt   time.Time
}

type stormMissing struct {
	tries int
	at    time.Time
}

func (r *stormReceiver) take(p *rtp.Packet, now time.Time) (due, lost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		r.begun, r.highest = true, int64(p.SequenceNumber)-1
	}
	n := r.highest + int64(int16(p.SequenceNumber-uint16(r.highest)))
	if n <= r.highest {
		if r.missing[n] != nil {
			delete(r.missing, n)
			return 0, -1
		}
		return 0, 0
	}
	due, lost = n-r.highest, n-r.highest-1
	for i := r.highest + 1; i < n; i++ {
		r.missing[i] = new(stormMissing)
	}
	r.highest = n
	if d := vp8.Parse(p.Payload); d.Keyframe {
		r.key = false
		clear(r.missing) // packets from before a keyframe are of no use
	}
	r.ask(now)
	return due, lost
}

// ask sends the requests that are due. The caller holds the lock.
func (r *stormReceiver) ask(now time.Time) {
	var lost []uint16
	for n, m := range r.missing {
		switch {
		case m.tries == 10:
			r.key = true
			clear(r.missing)
			lost = nil
		case m.tries == 0 || now.Sub(m.at) >= 100*time.Millisecond:
			m.tries++
			m.at = now
			lost = append(lost, uint16(n))
		}
	}
	var packets []rtcp.Packet
	if len(lost) > 0 {
		slices.SortFunc(lost, func(a, b uint16) int { return int(int16(a - b)) })
		packets = append(packets, &rtcp.TransportLayerNack{MediaSSRC: r.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(lost)})
	}
	if r.key && now.Sub(r.keyAt) >= 200*time.Millisecond {
		r.keyAt = now
		packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: r.ssrc})
	}
	if len(packets) > 0 {
		_ = r.pc.WriteRTCP(packets)
	}
}

func stormGuest(ctx context.Context, spec labSpec, heard *labHeard) {
	conn, err := net.Dial("unix", spec.Socket)
	exitOn(err)
	defer conn.Close()
	context.AfterFunc(ctx, func() { conn.Close() })
	out := jsonOutbox{conn}
	var m webrtc.MediaEngine
	exitOn(m.RegisterDefaultCodecs())
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&m), webrtc.WithInterceptorRegistry(new(interceptor.Registry)))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	exitOn(err)
	defer pc.Close()
	video, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	exitOn(err)
	audio, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "s")
	exitOn(err)
	source := &stormSource{wanted: true}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		r := &stormReceiver{pc: pc, ssrc: uint32(track.SSRC()), missing: make(map[int64]*stormMissing)}
		isVideo := track.Kind() == webrtc.RTPCodecTypeVideo
		if isVideo {
			r.key = true
			go func() {
				for now := range time.Tick(20 * time.Millisecond) {
					r.mu.Lock()
					r.ask(now)
					r.mu.Unlock()
				}
			}()
		}
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if len(p.Payload) == 0 {
				continue
			}
			if isVideo {
				due, lost := r.take(p, time.Now())
				heard.add(track.Kind(), due, lost)
				continue
			}
			if !r.begun {
				r.begun, r.highest = true, int64(p.SequenceNumber)-1
			}
			if d := int64(int16(p.SequenceNumber - uint16(r.highest))); d > 0 {
				r.highest += d
				heard.add(track.Kind(), d, d-1)
			}
		}
	})
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			i := c.ToJSON()
			_ = out.Send(signalling.Candidate{Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex})
		}
	})
	var connected sync.Once
	pc.OnConnectionStateChange(func(st webrtc.PeerConnectionState) {
		if st == webrtc.PeerConnectionStateConnected {
			connected.Do(func() { go source.run(ctx, video, audio) })
		}
	})
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, signalling.MaxFrame)
	for lines.Scan() {
		m, err := signalling.DecodeFromHost(lines.Bytes(), signalling.MaxFrame)
		exitOn(err)
		switch m := m.(type) {
		case signalling.Candidate:
			if m.Candidate != "" {
				_ = pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: m.Candidate, SDPMid: m.SDPMid, SDPMLineIndex: m.SDPMLineIndex})
			}
		case signalling.Offer:
			exitOn(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: m.SDP}))
			if m.Negotiation == 1 {
				for _, t := range []webrtc.TrackLocal{audio, video} {
					sender, err := pc.AddTrack(t)
					exitOn(err)
					go func() {
						for {
							packets, _, err := sender.ReadRTCP()
							if err != nil {
								return
							}
							for _, p := range packets {
								if _, ok := p.(*rtcp.PictureLossIndication); ok {
									source.want()
								}
							}
						}
					}()
				}
			}
			answer, err := pc.CreateAnswer(nil)
			exitOn(err)
			exitOn(pc.SetLocalDescription(answer))
			_ = out.Send(signalling.Answer{Negotiation: m.Negotiation, SDP: answer.SDP})
		}
	}
}

// newNarrowLab makes two namespaces and the line between them, or skips the test
// and says why.
func newNarrowLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("a narrow line needs ", tool)
		}
	}
	l := &lab{t: t, prefix: fmt.Sprintf("storm%d-", os.Getpid())}
	t.Cleanup(l.remove)
	for _, s := range []string{"host", "guests"} {
		if b, err := exec.Command("ip", "netns", "add", l.prefix+s).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here: %s", b)
		}
		l.spaces = append(l.spaces, s)
		l.in(s, "ip link set lo up")
	}
	l.wire("host", "eth0", "10.78.0.1/24", "guests", "eth0", "10.78.0.2/24")
	if b, err := l.command("host", "tc qdisc add dev eth0 root tbf rate 100mbit burst 20kb latency 200ms").CombinedOutput(); err != nil {
		t.Skipf("no token bucket here: %s", b)
	}
	return l
}

// line sets the rate of the host's line.
func (l *lab) line(rate string) {
	l.t.Helper()
	l.in("host", "tc qdisc change dev eth0 root tbf rate "+rate+" burst 20kb latency 200ms")
}

// asked returns how many packets the line had to carry, and how many it dropped.
func (l *lab) asked() (packets, dropped int64) {
	l.t.Helper()
	b, err := l.command("host", "tc -s -j qdisc show dev eth0").CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %s", err, b)
	}
	var queues []struct{ Packets, Drops int64 }
	must(l.t, json.Unmarshal(b, &queues))
	return queues[0].Packets + queues[0].Drops, queues[0].Drops
}

// stormFigures is what watch saw.
type stormFigures struct {
	seconds                float64
	asked, dropped         int64
	keyframes, resent      uint64
	sound, soundLost       int64
	pictures, picturesLost int64
}

// perSound returns how many packets the line was asked to carry for each packet of sound that was due. A busy machine
// makes guests publish less, pictures as well as sound.
func (f stormFigures) perSound() float64 { return float64(f.asked) / float64(max(f.sound, 1)) }

func (f stormFigures) lostSound() float64 { return float64(f.soundLost) / float64(max(f.sound, 1)) }

func (f stormFigures) rate() float64 { return float64(f.asked) / f.seconds }

func (f stormFigures) String() string {
	return fmt.Sprintf("%.0f packets/s asked, %.1f dropped for each carried, %.0f resent/s, sound lost %.1f %%, pictures lost %.1f %%, %.2f keyframe requests/s to each publisher",
		f.rate(), float64(f.dropped)/float64(f.asked-f.dropped), float64(f.resent)/f.seconds,
		100*float64(f.soundLost)/float64(max(f.sound, 1)), 100*float64(f.picturesLost)/float64(max(f.pictures, 1)),
		float64(f.keyframes)/f.seconds/stormGuests)
}

// watch counts for the time d.
func (l *lab) watch(host, guests *child, d time.Duration) stormFigures {
	l.t.Helper()
	begin := time.Now()
	h, g := host.newest(l.t), guests.newest(l.t)
	a, dropped := l.asked()
	time.Sleep(d)
	seconds := time.Since(begin).Seconds()
	h2, g2 := host.newest(l.t), guests.newest(l.t)
	a2, dropped2 := l.asked()
	return stormFigures{
		seconds, a2 - a, dropped2 - dropped,
		h2.Call.KeyframeRequests - h.Call.KeyframeRequests, h2.Call.Retransmitted - h.Call.Retransmitted,
		g2.Sound - g.Sound, g2.SoundLost - g.SoundLost, g2.Pictures - g.Pictures, g2.PicturesLost - g.PicturesLost,
	}
}

// newest returns the newest event.
func (c *child) newest(t *testing.T) (e labEvent) {
	t.Helper()
	for len(c.events) > 0 {
		<-c.events
	}
	e, ok := c.until(patience, func(e labEvent) bool { return e.Event == "count" })
	if !ok {
		t.Fatal("a child says nothing")
	}
	return e
}

// TestNarrowLineIsNotFlooded has four guests on an uplink that carries a third of
// what they send each other.
func TestNarrowLineIsNotFlooded(t *testing.T) {
	l := newNarrowLab(t)
	window := 5 * time.Second
	if os.Getenv("PORCH_LAB") != "" {
		window = 20 * time.Second
	}
	spec := labSpec{Socket: filepath.Join(t.TempDir(), "s")}
	host := l.child(t, "host", "storm-host", spec)
	host.ready(t)
	guests := l.child(t, "guests", "storm-guests", spec)
	want := int64(stormGuests * (stormGuests - 1) * 50)
	for last, deadline := int64(0), time.Now().Add(patience); ; { // until each hears all others
		time.Sleep(500 * time.Millisecond)
		now := guests.newest(t).Sound
		if now-last > want/2*9/10 {
			break
		}
		last = now
		if time.Now().After(deadline) {
			t.Fatalf("%d packets of sound in half a second", now-last)
		}
	}
	wide := l.watch(host, guests, window)
	t.Logf("%s: %v", stormWide, wide)
	l.line(stormNarrow)
	time.Sleep(2 * time.Second) // until the token bucket is empty
	narrow := l.watch(host, guests, window)
	ratio := narrow.perSound() / wide.perSound()
	t.Logf("%s: %v; asked for %.2f times the packets", stormNarrow, narrow, ratio)
	if ratio > 1.2 {
		t.Errorf("the line is asked for %.2f times the packets", ratio)
	}
	if lost, busy := narrow.lostSound(), wide.lostSound(); lost > 0.02+2*busy {
		t.Errorf("%.3f of the sound is lost, and %.3f on a wide line", lost, busy)
	}
	// Each publisher has three receivers with a bad connection.
	if most := uint64(stormGuests*(stormGuests-1)) * uint64(1+narrow.seconds/forward.KeyframeWishEvery.Seconds()); narrow.keyframes > most {
		t.Errorf("%d requests for keyframes, at most %d are due", narrow.keyframes, most)
	}
}
