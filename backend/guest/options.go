package guest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// Options say who a guest is, what it sends, and what is called for what it receives. Only Name is required.
//
// Callbacks run on the guest's own goroutines, each one call at a time. The guest waits for them, so they should be
// short. They must not call Leave or Close.
type Options struct {
	// Name is shown to the host and to the participants.
	Name string

	// API makes the peer connection, so that a given client stack can be measured. nil: NewAPI.
	API *webrtc.API

	// Tracks are sent: at most one audio (Opus) and one video (VP8) track. A track may be shared by several guests.
	Tracks []webrtc.TrackLocal

	// Muted and CameraOff are the initial states that the others see. The caller itself stops sending media.
	Muted, CameraOff bool

	// Device identifies this guest to the host: 16 bytes in base64url without padding. "": random.
	Device string

	// Seat is the seat of an earlier guest (from Guest.Seat, with its Device), to come back without knocking. If the
	// host no longer holds it, Join knocks.
	Seat string

	// OnWelcome is called once the host has answered, before the knock.
	OnWelcome func(signalling.Welcome)
	// OnWaiting is called when the host was told of the knock, and when the state of the bell changes.
	OnWaiting func(signalling.Waiting)
	// OnMessage is called with each message from the host, in order, from Admitted on.
	OnMessage func(signalling.Message)
	// OnTrack is called when a slot begins to carry a participant's media. nil: received packets are dropped.
	OnTrack func(*Track)
	// OnKeyframeRequest is called when a receiver needs a keyframe of the video track (PLI or FIR, RFC 4585 and
	// 5104). It may be called often.
	OnKeyframeRequest func()
	// OnAway is called when the path to the host is lost, and when it is back.
	OnAway func(away bool)

	// TLS is for relays whose certificate is not signed by an authority. nil: the system's authorities.
	TLS *tls.Config
	// HTTPClient opens the WebSocket. nil: a client with TLS as above.
	HTTPClient *http.Client

	// SeatHold is how long to try to come back after the path was lost. Default: 2 minutes, as long as the host holds
	// a seat.
	SeatHold time.Duration

	// Logger gets lost and regained paths. nil: no log.
	Logger *slog.Logger
}

// NewAPI returns a stack like a browser's: VP8 and Opus with NACK, PLI, transport-wide congestion control and audio
// levels. It uses no mDNS, and adds loopback candidates because host and guest may be on one machine.
func NewAPI() (*webrtc.API, error) {
	return NewAPIWith(func(m *webrtc.MediaEngine, r *interceptor.Registry, _ *webrtc.SettingEngine) error {
		if err := webrtc.RegisterDefaultInterceptors(m, r); err != nil {
			return err
		}
		return webrtc.ConfigureTWCCHeaderExtensionSender(m, r)
	})
}

// NewAPIWith returns a stack with the codecs and settings of [NewAPI], to which add adds interceptors and what they
// need. It returns the error of add.
func NewAPIWith(add func(*webrtc.MediaEngine, *interceptor.Registry, *webrtc.SettingEngine) error) (*webrtc.API, error) {
	m := new(webrtc.MediaEngine)
	if err := registerCodecs(m); err != nil {
		return nil, err
	}
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetDTLSRetransmissionInterval(50 * time.Millisecond)
	r := new(interceptor.Registry)
	if err := add(m, r, &s); err != nil {
		return nil, fmt.Errorf("guest: interceptors: %w", err)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(s)), nil
}

// The host makes the offer and chooses the payload types. These would apply only if we made it.
func registerCodecs(m *webrtc.MediaEngine) error {
	for _, c := range []struct {
		kind  webrtc.RTPCodecType
		codec webrtc.RTPCodecParameters
	}{
		{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
			},
			PayloadType: codec.AudioPayloadType,
		}},
		{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate,
				RTCPFeedback: []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}},
			},
			PayloadType: codec.VideoPayloadType,
		}},
		{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: codec.VideoClockRate, SDPFmtpLine: fmt.Sprintf("apt=%d", codec.VideoPayloadType),
			},
			PayloadType: codec.RetransmissionPayloadType,
		}},
	} {
		if err := m.RegisterCodec(c.codec, c.kind); err != nil {
			return fmt.Errorf("guest: codec: %w", err)
		}
	}
	err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return fmt.Errorf("guest: header extension: %w", err)
	}
	return nil
}

// newCertificate makes the certificate ahead of time, so that joining does not wait for it.
func newCertificate() (webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("guest: certificate: %w", err)
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("guest: certificate: %w", err)
	}
	return *certificate, nil
}

func newToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// httpClient returns the client that opens WebSockets, and a function that frees it.
func (o *Options) httpClient() (client *http.Client, free func()) {
	if o.HTTPClient != nil {
		return o.HTTPClient, func() {}
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: dialTimeout,
	}
	return &http.Client{Transport: t}, t.CloseIdleConnections
}
