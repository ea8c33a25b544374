package call

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is how long a test waits for something that should take milliseconds.
const patience = mediatest.Patience

// outbox queues what a call sends to one participant.
type outbox chan signalling.Message

func newOutbox() outbox { return make(outbox, 4096) }

func (o outbox) Send(m signalling.Message) error {
	select {
	case o <- m:
		return nil
	default:
		return io.ErrShortWrite
	}
}

// received is a packet that a guest has received.
type received struct {
	mid    string
	kind   signalling.Kind
	packet *rtp.Packet
	at     time.Time
}

type stream struct {
	mid  string
	kind signalling.Kind
}

// guest is a participant with a Pion peer connection, as a browser would be.
type guest struct {
	t    testing.TB
	call *Call
	p    *Participant
	pc   *webrtc.PeerConnection
	out  outbox

	audio, video             *webrtc.TrackLocalStaticRTP
	picture                  webrtc.TrackLocal // video, unless it is sent in layers
	screenSound, screenVideo *webrtc.TrackLocalStaticRTP
	api                      *webrtc.API

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	wgReader sync.WaitGroup // the outbox's reader

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced at every change
	roster     map[string]signalling.Participant
	chat       []signalling.ChatLine
	tracks     signalling.Tracks
	speaking   []string
	spotlight  string
	recording  signalling.Recording
	recordings int // times that it was told
	reactions  []signalling.Reaction
	ended      signalling.EndReason
	muted      int
	layers     []signalling.Layers
	screens    []signalling.Screen
	lines      []signalling.Line
	offers     int
	resumed    *bool
	packets    []received
	counts     map[stream]int // of packets
	onRTP      func(received) // gets the packets instead of packets; may be nil
	alter      func(answer string) string
	plis       int
	nacks      int // packets that the call has asked for
	twcc       int
	limit      float32 // bit/s, the last that the host asked for (REMB); 0 for none
	reports    int
	srs        int
	early      []webrtc.ICECandidateInit
}

type guestOptions struct {
	profile Profile
	net     transport.Net
	wrap    func(Outbox) Outbox
	onRTP   func(received)
	setting func(*webrtc.SettingEngine)
	alter   func(answer string) string // changes the answer before it is sent
}

// newGuestAPI returns a client's own stack: Pion's defaults and the audio level.
func newGuestAPI(tb testing.TB, net transport.Net, setting func(*webrtc.SettingEngine)) *webrtc.API {
	tb.Helper()
	m := new(webrtc.MediaEngine)
	must(tb, m.RegisterDefaultCodecs())
	must(tb, m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "audio/red", ClockRate: codec.AudioClockRate, Channels: 2, SDPFmtpLine: "111/111",
		},
		PayloadType: codec.RedundantPayloadType,
	}, webrtc.RTPCodecTypeAudio))
	must(tb, m.RegisterHeaderExtension(
		webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio))
	r := new(interceptor.Registry)
	must(tb, webrtc.RegisterDefaultInterceptors(m, r))
	must(tb, webrtc.ConfigureTWCCHeaderExtensionSender(m, r))
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.DisableActiveTCP(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetDTLSRetransmissionInterval(100 * time.Millisecond)
	if net != nil {
		s.SetNet(net)
	}
	if setting != nil {
		setting(&s)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(s))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// join joins c with a new guest, who leaves when the test ends.
func join(tb testing.TB, c *Call, o guestOptions) *guest {
	tb.Helper()
	g := newGuest(tb, c, o)
	var out Outbox = g.out
	if o.wrap != nil {
		out = o.wrap(out)
	}
	p, err := c.Join(o.profile, out)
	if err != nil {
		tb.Fatal(err)
	}
	g.p = p
	g.start()
	return g
}

func newGuest(tb testing.TB, c *Call, o guestOptions) *guest {
	tb.Helper()
	g := newGuestWith(tb, c, o, newGuestAPI(tb, o.net, o.setting))
	tb.Cleanup(g.close)
	return g
}

func newGuestWith(tb testing.TB, c *Call, o guestOptions, api *webrtc.API) *guest {
	tb.Helper()
	g := &guest{
		t: tb, call: c, out: newOutbox(), changed: make(chan struct{}),
		roster: make(map[string]signalling.Participant), counts: make(map[stream]int), onRTP: o.onRTP, alter: o.alter,
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.connect(api)
	return g
}

func (g *guest) connect(api *webrtc.API) {
	g.t.Helper()
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(g.t, err)
	g.pc, g.api = pc, api
	g.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2}, "audio", "guest")
	must(g.t, err)
	g.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate}, "video", "guest")
	must(g.t, err)
	g.screenSound, err = webrtc.NewTrackLocalStaticRTP(g.audio.Codec(), "screen audio", "screen")
	must(g.t, err)
	g.screenVideo, err = webrtc.NewTrackLocalStaticRTP(g.video.Codec(), "screen video", "screen")
	must(g.t, err)
	g.picture = g.video
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		mid := ""
		for _, t := range pc.GetTransceivers() {
			if t.Receiver() == receiver {
				mid = t.Mid()
			}
		}
		g.wg.Go(func() {
			for {
				pkts, _, err := receiver.ReadRTCP()
				if err != nil {
					return
				}
				for _, p := range pkts {
					if _, ok := p.(*rtcp.SenderReport); ok {
						g.update(func() { g.srs++ })
					}
				}
			}
		})
		g.wg.Go(func() {
			for {
				p, _, err := track.ReadRTP()
				if err != nil {
					return
				}
				r := received{mid, signalling.Kind(track.Kind().String()), p, time.Now()}
				if g.onRTP != nil {
					g.onRTP(r)
					continue
				}
				g.update(func() {
					g.packets = append(g.packets, r)
					g.counts[stream{r.mid, r.kind}]++
				})
			}
		})
	})
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			return
		}
		i := c.ToJSON()
		g.update(func() {
			if g.p == nil {
				g.early = append(g.early, i)
				return
			}
			g.sendCandidate(i)
		})
	})
}

func (g *guest) sendCandidate(i webrtc.ICECandidateInit) {
	// An error means that the guest or the call has ended meanwhile.
	_ = g.p.Handle(signalling.Candidate{
		Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex,
		UsernameFragment: i.UsernameFragment,
	})
}

// start reads the outbox from now on.
func (g *guest) start() {
	g.update(func() {
		for _, i := range g.early {
			g.sendCandidate(i)
		}
	})
	ctx, out, pc := g.ctx, g.out, g.pc
	g.wgReader.Go(func() {
		for {
			select {
			case m := <-out:
				g.take(pc, m)
			case <-ctx.Done():
				return
			}
		}
	})
}

// reopen makes a new outbox after the reader of the old one has ended.
func (g *guest) reopen() {
	g.out = newOutbox()
	ctx, cancel := context.WithCancel(context.Background())
	g.update(func() { g.ctx, g.cancel, g.resumed = ctx, cancel, nil })
}

func (g *guest) take(pc *webrtc.PeerConnection, m signalling.Message) {
	switch m := m.(type) {
	case signalling.Offer:
		g.answer(pc, m)
		g.update(func() { g.offers++ })
		return
	case signalling.Candidate:
		if m.Candidate != "" {
			// An error means that the connection is closed.
			_ = pc.AddICECandidate(webrtc.ICECandidateInit{
				Candidate: m.Candidate, SDPMid: m.SDPMid, SDPMLineIndex: m.SDPMLineIndex})
		}
	}
	g.update(func() {
		switch m := m.(type) {
		case signalling.Admitted:
			g.resumed = &m.Resumed
		case signalling.Roster:
			clear(g.roster)
			for _, p := range m.Participants {
				g.roster[p.ID] = p
			}
			g.chat = append([]signalling.ChatLine(nil), m.Chat...)
			g.spotlight = m.Spotlight
		case signalling.Spotlight:
			g.spotlight = m.Participant
		case signalling.Recording:
			g.recording = m
			g.recordings++
		case signalling.Reaction:
			g.reactions = append(g.reactions, m)
		case signalling.Joined:
			g.roster[m.Participant.ID] = m.Participant
		case signalling.Left:
			delete(g.roster, m.ID)
		case signalling.Tracks:
			g.tracks = m
		case signalling.Line:
			g.lines = append(g.lines, m)
		case signalling.Layers:
			g.layers = append(g.layers, m)
		case signalling.Screen:
			g.screens = append(g.screens, m)
		case signalling.Chat:
			g.chat = append(g.chat, m.Line)
		case signalling.Speaking:
			g.speaking = m.IDs
		case signalling.Mute:
			g.muted++
		case signalling.Ended:
			g.ended = m.Reason
		}
	})
}

func (g *guest) answer(pc *webrtc.PeerConnection, o signalling.Offer) {
	fail := func(err error) bool {
		if err != nil && g.ctx.Err() == nil {
			g.t.Error(err)
		}
		return err != nil
	}
	if fail(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.SDP})) {
		return
	}
	transceivers := pc.GetTransceivers()
	for i, track := range []webrtc.TrackLocal{g.audio, g.picture} {
		if transceivers[i].Sender() != nil && transceivers[i].Sender().Track() != nil {
			continue
		}
		sender, err := pc.AddTrack(track)
		if fail(err) {
			return
		}
		g.wg.Go(func() {
			for {
				pkts, _, err := sender.ReadRTCP()
				if err != nil {
					return
				}
				g.update(func() {
					for _, p := range pkts {
						switch p := p.(type) {
						case *rtcp.PictureLossIndication:
							g.plis++
						case *rtcp.TransportLayerNack:
							for _, n := range p.Nacks {
								g.nacks += len(n.PacketList())
							}
						case *rtcp.TransportLayerCC:
							g.twcc++
						case *rtcp.ReceiverReport:
							g.reports++
						case *rtcp.ReceiverEstimatedMaximumBitrate:
							g.limit = p.Bitrate
						}
					}
				})
			}
		})
	}
	if fail(g.sendScreen(pc)) {
		return
	}
	answer, err := pc.CreateAnswer(nil)
	if fail(err) || fail(pc.SetLocalDescription(answer)) {
		return
	}
	text := answer.SDP
	if g.alter != nil {
		text = g.alter(text)
	}
	// An error means that the call has ended meanwhile.
	_ = g.p.Handle(signalling.Answer{Negotiation: o.Negotiation, SDP: text})
}

func (g *guest) update(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	close(g.changed)
	g.changed = make(chan struct{})
}

// until waits until ok, which is called with the guest's lock held.
func (g *guest) until(what string, ok func() bool) {
	g.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		g.mu.Lock()
		done, changed := ok(), g.changed
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			g.t.Fatalf("%s: waited in vain for: %s", g.p.ID(), what)
		}
	}
}

// close leaves and waits for the guest's goroutines.
func (g *guest) close() {
	if g.p != nil {
		g.p.Leave("")
	}
	g.cancel()
	g.wgReader.Wait()
	if err := g.pc.GracefulClose(); err != nil {
		g.t.Error(err)
	}
	g.wg.Wait()
}

// media is a camera and a microphone that send until stop.
type media struct {
	stop func()
}

// send sends a frame of video and a packet of audio every 40 ms. The first frame
// is a keyframe, and so is the next one after each request.
func (g *guest) send() media {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		video := mediatest.VideoSender{SSRC: 1}
		var sequence uint16
		var timestamp uint32
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		plis := 0
		for n := 0; ; n++ {
			g.mu.Lock()
			keyframe := n == 0 || g.plis != plis
			plis = g.plis
			g.mu.Unlock()
			for _, p := range video.Frame(keyframe, 2) {
				_ = g.video.WriteRTP(p) // fails when the connection is closed
			}
			p := &rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: sequence, Timestamp: timestamp},
				Payload: []byte{0xf8, 0xff, 0xfe},
			}
			_ = g.audio.WriteRTP(p)
			sequence++
			timestamp += 1920
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	stop := func() {
		cancel()
		wg.Wait()
	}
	g.t.Cleanup(stop)
	return media{stop}
}
