package call

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/files"
	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/call/mapped"
	"github.com/porch-call/porch/backend/call/outside"
	"github.com/porch-call/porch/backend/call/stack"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/portmap"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// Options configure an [Engine]. The zero value is what the app uses.
type Options struct {
	Logger *slog.Logger // nil logs nothing

	// TLS is for TURN servers. nil takes the system's certificate authorities.
	TLS *tls.Config

	// Router is asked to let media in. nil means that none is.
	Router *portmap.Mapper

	// Port is the UDP port that the sockets take if it is free; 0 for any. It is
	// kept from start to start, so that addresses that were handed out stay good.
	Port uint16

	// Spool is the folder in which files wait that participants send to each other. It is made, and what a crash has left
	// in it is removed. "" means that calls pass no files.
	Spool string

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
	unmap   func() // gives back what the router was asked for
	panics  contain.Panics
	spool   string

	mediaPatience time.Duration // see nomedia.go
	filePatience  time.Duration // how long nothing of a file may move; 0 for that of package files

	mu     sync.Mutex
	closed bool
	calls  map[*Call]struct{}
}

// NewEngine returns an engine.
func NewEngine(o Options) (*Engine, error) {
	e := &Engine{logger: o.Logger, calls: make(map[*Call]struct{}), lines: lines.New(), mediaPatience: mediaPatience, unmap: func() {}}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	e.panics.Log, e.panics.Part = e.logger, "call"
	var err error
	if e.media, err = stack.Codecs(); err != nil {
		return nil, err
	}
	if o.Spool != "" {
		if err := files.Sweep(o.Spool); err != nil {
			e.logger.Error("calls pass no files", "err", err)
			o.Spool = ""
		}
	}
	e.spool = o.Spool
	e.setting = stack.Settings(o.Net, e.logger)
	if o.Net == nil {
		e.mux = path.NewMux()
		e.mux.Preferred = o.Port
		e.stun = path.NewSTUNClient(e.mux, e.logger)
		e.turn = path.TURNClient{Mux: e.mux, TLS: o.TLS, Logger: e.logger}
		if o.TLS == nil {
			e.turn.TLS = new(tls.Config)
		}
		if o.Router != nil {
			e.unmap = mapped.Keep(o.Router, e.mux, e.stun)
		}
	}
	return e, nil
}

// Mux returns the sockets of all calls, or nil on a virtual network.
func (e *Engine) Mux() *path.Mux { return e.mux }

// Mapped returns the addresses at which routers let packets to the sockets in.
func (e *Engine) Mapped() []path.Reflexive {
	if e.stun == nil {
		return nil
	}
	return e.stun.Mapped()
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
	certificate, err := stack.Certificate()
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
	e.unmap()
	if e.mux == nil {
		return nil
	}
	e.stun.Close()
	return e.mux.Close()
}
