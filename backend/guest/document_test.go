package guest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

// TestTheDocumentIsEnough checks that document_client_test.go imports no package of ours.
func TestTheDocumentIsEnough(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "document_client_test.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		if strings.Contains(i.Path.Value, "porch-call") {
			t.Errorf("the client imports %s", i.Path.Value)
		}
	}
}

// scribe is a documentClient in a call. Pion's peer connection replaces a browser's.
type scribe struct {
	*documentClient
	p            *porch
	pc           *webrtc.PeerConnection
	audio, video *webrtc.TrackLocalStaticRTP
	order        []string // types of messages from admission to the offer
	offer        string   // the first offer
	later        chan documentMessage
	feedback     chan rtcp.Packet
	heard        chan *rtp.Packet
	tracks       chan string // the payload of each tracks message
	connected    chan struct{}
	levels       uint8 // id of the header extension of RFC 6464, 0 for none
}

// enter knocks, is let in and answers the first offer. edit changes the answer before it is sent.
func (p *porch) enter(address, name string, media bool, profiles []dtls.SRTPProtectionProfile, edit func(string) string) *scribe {
	p.t.Helper()
	c, err := documentOpen(p.ctx, address)
	p.must(err)
	p.must(c.knock(p.ctx, name))
	s := &scribe{
		documentClient: c, p: p, later: make(chan documentMessage, 1024), feedback: make(chan rtcp.Packet, 1024),
		heard: make(chan *rtp.Packet, 1024), tracks: make(chan string, 64), connected: make(chan struct{}),
	}
	s.connect(media, profiles)
	s.order = []string{"admitted"}
	for s.offer == "" {
		m, err := c.receive(p.ctx)
		p.must(err)
		s.order = append(s.order, m.Type)
		if m.Type == "offer" {
			s.offer = s.answer(m, edit)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.read(edit) })
	p.t.Cleanup(func() {
		_ = c.ws.CloseNow()
		if err := s.pc.GracefulClose(); err != nil {
			p.t.Error(err)
		}
		wg.Wait()
	})
	return s
}

func (s *scribe) connect(media bool, profiles []dtls.SRTPProtectionProfile) {
	s.p.t.Helper()
	m := new(webrtc.MediaEngine)
	s.p.must(m.RegisterDefaultCodecs())
	s.p.must(m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}, webrtc.RTPCodecTypeAudio))
	r := new(interceptor.Registry)
	s.p.must(webrtc.ConfigureTWCCHeaderExtensionSender(m, r))
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetSRTPProtectionProfiles(profiles...)
	var err error
	s.pc, err = webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(e)).
		NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	s.p.must(err)
	var once sync.Once
	s.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(s.connected) })
		}
	})
	s.pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			pass(s.p, s.heard, packet)
		}
	})
	if media {
		s.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "scribe")
		s.p.must(err)
		s.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "scribe")
		s.p.must(err)
	}
}

// answer answers an offer and returns the answer, which contains all candidates.
func (s *scribe) answer(m documentMessage, edit func(string) string) string {
	s.p.t.Helper()
	var offer struct {
		Negotiation int
		SDP         string
	}
	s.p.must(json.Unmarshal(m.Payload, &offer))
	s.p.must(s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}))
	if offer.Negotiation == 1 && s.audio != nil {
		for _, t := range []webrtc.TrackLocal{s.audio, s.video} {
			sender, err := s.pc.AddTrack(t)
			s.p.must(err)
			go s.reports(sender) // ends with the connection
		}
	}
	answer, err := s.pc.CreateAnswer(nil)
	s.p.must(err)
	gathered := webrtc.GatheringCompletePromise(s.pc)
	s.p.must(s.pc.SetLocalDescription(answer))
	<-gathered
	sdp := s.pc.LocalDescription().SDP
	if edit != nil {
		edited := edit(sdp)
		if edited == sdp {
			s.p.t.Error("the answer has nothing to take out")
		}
		sdp = edited
	}
	s.p.must(s.send(s.p.ctx, "answer", map[string]any{"negotiation": offer.Negotiation, "sdp": sdp}))
	if found := regexp.MustCompile(`a=extmap:(\d+) urn:ietf:params:rtp-hdrext:ssrc-audio-level`).FindStringSubmatch(offer.SDP); found != nil {
		s.levels = found[1][0] - '0'
	}
	return offer.SDP
}

func (s *scribe) reports(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			pass(s.p, s.feedback, packet)
		}
	}
}

// read answers further offers and keeps all other messages.
func (s *scribe) read(edit func(string) string) {
	for {
		m, err := s.receive(s.p.ctx)
		if err != nil {
			return
		}
		switch m.Type {
		case "offer":
			s.answer(m, edit)
		case "tracks":
			pass(s.p, s.tracks, string(m.Payload))
		case "candidate":
			var candidate webrtc.ICECandidateInit
			if json.Unmarshal(m.Payload, &candidate) == nil && candidate.Candidate != "" {
				_ = s.pc.AddICECandidate(candidate) // without it, the other candidates remain
			}
		default:
			pass(s.p, s.later, m)
		}
	}
}

// speak sends sound and keyframes that end with mark until stop is called.
func (s *scribe) speak(mark byte) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(1); ; n++ {
			sound := &rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: 960 * uint32(n)},
				Payload: []byte{0xF8, 0xFF, mark},
			}
			if s.levels != 0 {
				_ = sound.SetExtension(s.levels, []byte{0x80 | 20}) // -20 dBov, RFC 6464 section 3
			}
			_ = s.audio.WriteRTP(sound) // fails when the connection is closed
			_ = s.video.WriteRTP(vp8(n, true, mark))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// hears waits for a packet that ends with mark.
func (s *scribe) hears(mark byte) {
	s.p.t.Helper()
	for {
		select {
		case packet := <-s.heard:
			if n := len(packet.Payload); n > 0 && packet.Payload[n-1] == mark {
				return
			}
		case <-s.p.ctx.Done():
			s.p.t.Fatal("nothing of the other has come")
		}
	}
}

func (s *scribe) connects() {
	s.p.t.Helper()
	select {
	case <-s.connected:
	case <-s.p.ctx.Done():
		s.p.t.Fatal("not connected")
	}
}

var streams = regexp.MustCompile(`(?m)^a=(ssrc|ssrc-group|msid):.*\r\n`)

// withoutStreams removes the lines that name streams from a description.
func withoutStreams(sdp string) string { return streams.ReplaceAllString(sdp, "") }

// inactive undoes Pion's answer for a guest that sends nothing, which is sendonly without a stream.
func inactive(sdp string) string { return strings.Replace(sdp, "a=sendonly", "a=inactive", 2) }

// TestAClientFromTheDocument tests what docs/protocol.md says about media with a client that knows nothing else.
func TestAClientFromTheDocument(t *testing.T) {
	for _, test := range []struct {
		name     string
		media    bool
		profiles []dtls.SRTPProtectionProfile
		edit     func(string) string
	}{
		{"who sends", true, nil, nil},
		{"who sends without naming its streams", true, nil, withoutStreams},
		{"who has no media and answers inactive", false, nil, inactive},
		{"who has no media and answers sendonly", false, nil, nil},
		{"AEAD_AES_128_GCM", true, []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM}, nil},
		{"AEAD_AES_256_GCM", true, []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_256_GCM}, nil},
		{"AES128_CM_HMAC_SHA1_80", true, []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := open(t)
			_, address := p.link()
			p.admit()
			// The certificate is self-made, as at every network address.
			address = "https" + strings.TrimPrefix(address, "http")
			s := p.enter(address, "Scribe", test.media, test.profiles, test.edit)
			if want := []string{"admitted", "roster", "offer"}; !slices.Equal(s.order, want) {
				t.Errorf("the first guest got %v, want %v", s.order, want)
			}
			s.connects()
			select {
			case tracks := <-s.tracks:
				t.Errorf("the first guest got tracks: %s", tracks)
			default:
			}

			other := newVisitor(p)
			o := other.options("Other")
			o.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the sealed channel authenticates the host
			other.join(address, o)
			defer other.send(2)()
			s.hears(2)
			if tracks := <-s.tracks; !strings.Contains(tracks, other.ID()) {
				t.Errorf("tracks of the other: %s", tracks)
			}
			if test.media {
				defer s.speak(1)()
				other.receive(other.track(s.you, signalling.KindVideo), 1)
				s.getsTransportFeedback()
			}
			p.must(s.leave())
			if left := expect[signalling.Left](other); left.ID != s.you {
				t.Errorf("%s left, want %s", left.ID, s.you)
			}
		})
	}
}

// getsTransportFeedback waits for the host's feedback for transport-wide congestion control.
func (s *scribe) getsTransportFeedback() {
	s.p.t.Helper()
	for {
		select {
		case packet := <-s.feedback:
			if _, ok := packet.(*rtcp.TransportLayerCC); ok {
				return
			}
		case <-s.p.ctx.Done():
			s.p.t.Fatal("no transport-wide feedback")
		}
	}
}

// TestTheOfferOfTheDocument tests the congestion feedback that is offered in each direction, and other names that the
// page gives.
func TestTheOfferOfTheDocument(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	s := p.enter(address, "Scribe", true, nil, nil)
	sections := strings.Split(s.offer, "\r\nm=")[1:]
	if len(sections) < 4 || len(sections)%2 != 0 {
		t.Fatalf("%d sections", len(sections))
	}
	const (
		wide     = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
		sendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
		level    = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
		mid      = "urn:ietf:params:rtp-hdrext:sdes:mid"
	)
	for i, section := range sections {
		up, video := i < 2, i%2 == 1
		for text, want := range map[string]bool{
			"a=recvonly":                up,
			"a=sendonly":                !up,
			"audio ":                    !video,
			"video ":                    video,
			"a=rtpmap:111 opus/48000/2": !video,
			"a=rtpmap:96 VP8/90000":     video,
			"a=rtpmap:97 rtx/90000":     video,
			"a=fmtp:97 apt=96":          video,
			"a=setup:actpass":           true,
			"a=rtcp-mux":                true,
			" " + wide:                  true,
			" " + sendTime:              !up && video,
			" " + level:                 up && !video,
			" " + mid:                   up,
			" goog-remb":                video,
			" transport-cc":             true,
			" nack pli":                 video,
			" ccm fir":                  video,
		} {
			if strings.Contains(section, text) != want {
				t.Errorf("section %d has %q: %t, want %t", i, text, !want, want)
			}
		}
	}
}

// TestSpeakingMayComeFirst: a guest that enters while another one speaks is told who speaks before it gets an offer.
func TestSpeakingMayComeFirst(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	first := p.enter(address, "First", true, nil, nil)
	defer first.speak(1)()
	for m := range first.later {
		if m.Type == "speaking" && strings.Contains(string(m.Payload), first.you) {
			break
		}
	}
	second := p.enter(address, "Second", false, nil, nil)
	if want := []string{"admitted", "roster", "speaking", "offer"}; !slices.Equal(second.order, want) {
		t.Errorf("got %v, want %v", second.order, want)
	}
	second.hears(1)
}
