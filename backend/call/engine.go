package call

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/sdp/v3"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/call/outside"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// Options configure an [Engine]. The zero value is what the app uses.
type Options struct {
	Logger *slog.Logger // nil logs nothing

	// TLS is for TURN servers. nil takes the system's certificate authorities.
	TLS *tls.Config

	// Net is the network; nil is the machine's own. Tests give a virtual one, in
	// which a call's ICEConfig has no effect.
	Net transport.Net
}

// ICEConfig says how guests outside this network reach a call.
type ICEConfig = outside.Config

// Engine is what all calls of a process share: codecs, settings and sockets. It is
// safe for concurrent use.
type Engine struct {
	logger  *slog.Logger
	media   *webrtc.MediaEngine
	setting webrtc.SettingEngine
	mux     *path.Mux        // nil on a virtual network: pion opens sockets and carries all media
	stun    *path.STUNClient // nil without mux
	turn    path.TURNClient
	lines   *lines.Lines
	panics  contain.Panics

	mediaPatience time.Duration // see nomedia.go

	mu     sync.Mutex
	closed bool
	calls  map[*Call]struct{}
}

// NewEngine returns an engine.
func NewEngine(o Options) (*Engine, error) {
	e := &Engine{logger: o.Logger, calls: make(map[*Call]struct{}), lines: lines.New(), mediaPatience: mediaPatience}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	e.panics.Log, e.panics.Part = e.logger, "call"
	var err error
	if e.media, err = newMediaEngine(); err != nil {
		return nil, err
	}
	e.setting = newSettingEngine(o, e.logger)
	if o.Net == nil {
		e.mux = path.NewMux()
		e.stun = path.NewSTUNClient(e.mux, e.logger)
		e.turn = path.TURNClient{Mux: e.mux, TLS: o.TLS, Logger: e.logger}
		if o.TLS == nil {
			e.turn.TLS = new(tls.Config)
		}
	}
	return e, nil
}

// newMediaEngine registers what offers contain: Opus and VP8 with
// retransmissions, and the header extensions in the order of their ids.
func newMediaEngine() (*webrtc.MediaEngine, error) {
	m := new(webrtc.MediaEngine)
	errs := []error{
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2,
				SDPFmtpLine:  "minptime=10;useinbandfec=1;usedtx=1",
				RTCPFeedback: []webrtc.RTCPFeedback{{Type: "transport-cc"}, {Type: "nack"}},
			},
			PayloadType: codec.AudioPayloadType,
		}, webrtc.RTPCodecTypeAudio),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate,
				RTCPFeedback: []webrtc.RTCPFeedback{
					{Type: "goog-remb"}, {Type: "transport-cc"},
					{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
				},
			},
			PayloadType: codec.VideoPayloadType,
		}, webrtc.RTPCodecTypeVideo),
		m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: codec.VideoClockRate,
				SDPFmtpLine: fmt.Sprintf("apt=%d", codec.VideoPayloadType),
			},
			PayloadType: codec.RetransmissionPayloadType,
		}, webrtc.RTPCodecTypeVideo),
	}
	const up, down = webrtc.RTPTransceiverDirectionRecvonly, webrtc.RTPTransceiverDirectionSendonly
	extend := func(uri string, kind webrtc.RTPCodecType, directions ...webrtc.RTPTransceiverDirection) {
		errs = append(errs, m.RegisterHeaderExtension(
			webrtc.RTPHeaderExtensionCapability{URI: uri}, kind, directions...))
	}
	extend(sdp.AudioLevelURI, webrtc.RTPCodecTypeAudio, up)
	extend(sdp.ABSSendTimeURI, webrtc.RTPCodecTypeVideo, down)
	extend(sdp.TransportCCURI, webrtc.RTPCodecTypeAudio, up, down)
	extend(sdp.TransportCCURI, webrtc.RTPCodecTypeVideo, up, down)
	extend(sdp.SDESMidURI, webrtc.RTPCodecTypeAudio, up)
	extend(sdp.SDESMidURI, webrtc.RTPCodecTypeVideo, up)
	extend(sdp.SDESRTPStreamIDURI, webrtc.RTPCodecTypeVideo, up)
	extend(sdp.SDESRepairRTPStreamIDURI, webrtc.RTPCodecTypeVideo, up)
	return m, errors.Join(errs...)
}

// Timing of the transports.
const (
	dtlsRetransmission = 50 * time.Millisecond // as browsers; pion waits 1 s
	iceDisconnected    = 4 * time.Second
	iceFailed          = 20 * time.Second
	iceKeepAlive       = 2 * time.Second
	iceRequests        = 25                     // to one pair, 200 ms apart, because the other side may learn of us late
	relayWait          = 500 * time.Millisecond // before a path through a TURN server is taken
)

func newSettingEngine(o Options, logger *slog.Logger) webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.LoggerFactory = pionlog.New(logger)
	s.SetNet(o.Net)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.DisableActiveTCP(true)
	s.SetICEMaxBindingRequests(iceRequests)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepAlive)
	// Browsers that hide their addresses behind mDNS names become known by their
	// checks alone. By default pion would wait a second for a better candidate.
	s.SetPrflxAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(relayWait)
	s.SetDTLSRetransmissionInterval(dtlsRetransmission)
	s.SetSRTPReplayProtectionWindow(forward.ReplayWindow)
	s.SetSRTPProtectionProfiles(path.SRTPProfiles...)
	return s
}

// cork holds packets back until uncork, so that many leave with one system call.
func (e *Engine) cork() {
	if e != nil && e.mux != nil {
		e.mux.Cork()
	}
}

func (e *Engine) uncork() {
	if e != nil && e.mux != nil {
		e.mux.Uncork()
	}
}

// newConnection returns a peer connection for p. Once it is connected, media takes
// the direct way (see [path.SRTPPath]). On a virtual network pion decrypts, and RTP
// and RTCP are handled on the goroutine that decrypted them.
func (e *Engine) newConnection(p *peer, certificates []webrtc.Certificate) (*webrtc.PeerConnection, error) {
	setting := e.setting
	setting.BufferFactory = func(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
		if kind == packetio.RTPBufferPacket {
			return path.NewTap(p.in.Receive)
		}
		return path.NewTap(func(b []byte) { // once for each SSRC that a packet concerns
			forward.ReadFeedback(b, func(about uint32, f forward.Feedback) {
				if about == ssrc || about == 0 {
					p.receiveRTCP(about, f)
				}
			})
		})
	}
	if e.mux != nil {
		setting.SetICEUDPMux(p.sockets())
		setting.SetDTLSKeyLogWriter(&p.secrets)
		setting.SetDTLSServerHelloMessageHook(p.secrets.ServerHello)
	}
	registry := new(interceptor.Registry)
	registry.Add(path.Writers{Bound: p.bound})
	api := webrtc.NewAPI(
		webrtc.WithMediaEngine(e.media),
		webrtc.WithSettingEngine(setting),
		webrtc.WithInterceptorRegistry(registry),
	)
	return api.NewPeerConnection(webrtc.Configuration{
		Certificates: certificates,
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
}

// Prepare asks STUN servers ("stun:host:port") until stop is called. A call that
// begins meanwhile offers their answers from the start. relay is that of
// [ICEConfig]. stop may be called twice.
func (e *Engine) Prepare(urls []string, relay func() netip.Addr) (stop func()) {
	if e.stun == nil {
		return func() {}
	}
	_, stop = e.stun.Watch(urls, relay, nil)
	return stop
}

// NewCall begins a call without participants. It returns fault.ShuttingDown after
// Close.
func (e *Engine) NewCall(hooks Hooks, config ICEConfig) (*Call, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	certificate, err := newCertificate()
	if err != nil {
		return nil, fmt.Errorf("certificate of a call: %w", err)
	}
	e.sayUnusable()
	c := newCall(e, hooks, config, certificate)
	e.calls[c] = struct{}{}
	return c, nil
}

func (e *Engine) forget(c *Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.calls, c)
}

// Close ends all calls with EndShutdown and waits until their goroutines have
// ended. It may be called twice.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	calls := make([]*Call, 0, len(e.calls))
	for c := range e.calls {
		calls = append(calls, c)
	}
	e.mu.Unlock()
	for _, c := range calls {
		c.Close(signalling.EndShutdown)
	}
	if e.mux == nil {
		return nil
	}
	e.stun.Close()
	return e.mux.Close()
}
