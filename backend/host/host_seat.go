package host

import (
	"context"
	"errors"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/studio"
	"github.com/porch-call/porch/backend/windowsocket"
)

// hostSeat is the host's own part in one call. The loop owns it.
type hostSeat struct {
	host          *Host
	engine        string
	window        *windowsocket.Conn    // nil while the window is away
	participant   *call.Participant     // engine webview
	local         *call.Local           // engine native
	activeCapture *studio.ActiveCapture // engine native
	capture       *capture.Session      // engine native; nil while it starts
	windowSink    *studio.WindowSink    // engine native: what its devices are; nil while the window is away
	muted         bool                  // native: as the window last said
	cameraOff     bool                  // likewise
	missing       studio.Missing        // native: what of it there is no device for
	expiry        *time.Timer
}

// ticket is what a window's token stands for.
type ticket struct {
	link   sealed.LinkID
	engine string
}

// EnterCall lets a window into a link's call. engine is what the page can do:
// "webview" when it has RTCPeerConnection, else "native"; where both are
// possible the settings decide. The host is in once the window has opened the
// loopback socket. Faults: LinkNotFound, LinkSpent, LinkRemoved,
// EngineUnavailable.
func (h *Host) EnterCall(ctx context.Context, linkID, client, engine string) (hoststate.Entry, error) {
	var e hoststate.Entry
	err := h.doLink(ctx, linkID, func(r *openLink) error {
		chosen, err := chooseEngine(h.settings.Engine, engine)
		if err != nil {
			return err
		}
		h.client = client
		if h.enter != nil && h.enter.LinkID == linkID {
			h.enter = nil
			h.touch()
		}
		t := h.windows.Grant(ticket{link: r.id, engine: chosen})
		e = hoststate.Entry{URL: t.URL, Token: t.Token, Engine: chosen}
		return nil
	})
	return e, err
}

// chooseEngine picks a media engine for a page that can do able.
func chooseEngine(preferred, able string) (string, error) {
	native := capture.Available()
	switch able {
	case hoststate.EngineWebview:
		if preferred == hoststate.EngineNative && native {
			return hoststate.EngineNative, nil
		}
		return hoststate.EngineWebview, nil
	case hoststate.EngineNative:
		if native {
			return hoststate.EngineNative, nil
		}
		return "", fault.New(fault.EngineUnavailable, nil)
	default:
		return "", fault.Newf(fault.MessageInvalid, "engine %q", able)
	}
}

// ServeWindow takes the host's window through a call: it handles a loopback
// socket, from a ticket of EnterCall, until that ends.
func (h *Host) ServeWindow(window *windowsocket.Conn) {
	t, ok := window.Claims().(ticket)
	if !ok {
		window.Close(fault.TokenRefused)
		return
	}
	var p *hostSeat
	err := h.do(h.ctx, func() (err error) {
		p, err = h.enterWindow(t, window)
		return err
	})
	if err != nil {
		window.Close(fault.CodeOf(err))
		return
	}
	left := false
	for !left {
		m, err := window.Recv(h.ctx)
		var broken *fault.Error
		switch {
		case err == nil:
			_, left = m.(signalling.Leave)
			if !left {
				err = p.windowSaid(m)
			}
		case !errors.As(err, &broken): // the socket has ended
			_ = h.loop.Do(context.WithoutCancel(h.ctx), func() { p.loseWindow(t.link, window) })
			return
		}
		if err != nil {
			code := fault.CodeOf(err)
			_ = window.Send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
		}
	}
	_ = h.loop.Do(context.WithoutCancel(h.ctx), func() { p.leaveBy(t.link, window) })
	window.Close("")
}

// windowSaid handles a message of the host's window.
func (p *hostSeat) windowSaid(m signalling.Message) error {
	h := p.host
	if p.participant != nil {
		return p.participant.Handle(m)
	}
	switch m := m.(type) {
	case windowsocket.KeyframeWanted:
		if m.Participant != codec.HostID {
			p.local.RequestKeyframe(m.Participant)
			return nil
		}
		return h.loop.Do(h.ctx, func() {
			if p.capture != nil {
				p.capture.ForceKeyframe()
			}
		})
	case signalling.MediaState:
		var refused error
		if err := h.loop.Do(h.ctx, func() {
			p.muted, p.cameraOff = m.Muted, m.CameraOff
			if p.capture != nil {
				p.capture.SetMuted(m.Muted)
				p.capture.SetCameraOff(m.CameraOff)
			}
			refused = p.tellMedia()
		}); err != nil {
			return err
		}
		return refused
	}
	return p.local.Handle(m)
}

// enterWindow brings the host into a call, or a newer window into the place of
// an older one. The host is in one call at a time: entering one leaves another.
func (h *Host) enterWindow(t ticket, window *windowsocket.Conn) (*hostSeat, error) {
	r := h.openLinks[t.link]
	if r == nil {
		return nil, fault.New(fault.CallEnded, nil)
	}
	for _, other := range h.openLinks {
		if other != r && other.hostSeat != nil {
			other.leaveHostSeat()
		}
	}
	p := r.hostSeat
	if p != nil && p.engine != t.engine {
		p.retire("")
		r.hostSeat, p = nil, nil
	}
	if p != nil {
		return p, p.returnWindow(window)
	}
	c, err := r.ensureCall()
	if err != nil {
		return nil, err
	}
	p = &hostSeat{host: h, engine: t.engine, window: window}
	profile := call.Profile{ID: codec.HostID, Name: h.me.Name, Host: true}
	if t.engine == hoststate.EngineWebview {
		p.participant, err = c.Join(profile, window)
	} else {
		err = p.startNative(c, profile, window)
	}
	if err != nil {
		r.settle()
		return nil, err
	}
	r.hostSeat, r.hostIn = p, true
	h.touch()
	return p, nil
}

// returnWindow gives the host's seat its newer window: reloaded, or another one.
func (p *hostSeat) returnWindow(window *windowsocket.Conn) error {
	if p.expiry != nil {
		p.expiry.Stop()
		p.expiry = nil
	}
	if old := p.window; old != nil {
		old.Close(fault.SeatTaken)
	}
	p.window = window
	if p.participant != nil {
		_, err := p.participant.Attach(window, false) // a new page has no peer connection
		return err
	}
	if err := p.local.Attach(window); err != nil {
		return err
	}
	p.startCapture(window)
	return nil
}

// loseWindow keeps the host's place for a window that may come back. Camera and
// microphone of the native engine are closed meanwhile.
func (p *hostSeat) loseWindow(link sealed.LinkID, window *windowsocket.Conn) {
	h := p.host
	r := h.openLinks[link]
	if r == nil || r.hostSeat != p || p.window != window {
		return
	}
	p.window = nil
	if p.participant != nil {
		p.participant.Detach(window)
	}
	p.stopCapture()
	if p.local != nil {
		p.noDevices(studio.Missing{Camera: true, Microphone: true})
	}
	p.expiry = time.AfterFunc(h.timing.Window, func() {
		h.loop.Post("window "+string(link), func() {
			if r.hostSeat == p && p.window == nil {
				r.leaveHostSeat()
			}
		})
	})
	h.touch()
}

// LeaveCall takes the host out of a call; guests go on while the app runs.
// Fault: NotInCall.
func (h *Host) LeaveCall(ctx context.Context, linkID string) error {
	return h.doLink(ctx, linkID, func(r *openLink) error {
		if r.hostSeat == nil {
			return fault.New(fault.NotInCall, nil)
		}
		r.leaveHostSeat()
		return nil
	})
}

// EndCall ends a call for everyone; the link is spent.
func (h *Host) EndCall(ctx context.Context, linkID string) error {
	return h.doLink(ctx, linkID, func(r *openLink) error {
		r.spend(signalling.EndEnded)
		return nil
	})
}

// leaveBy takes the host out of a call when their window says so; one that a
// newer window has replaced has nothing to say.
func (p *hostSeat) leaveBy(link sealed.LinkID, window *windowsocket.Conn) {
	r := p.host.openLinks[link]
	if r != nil && r.hostSeat == p && p.window == window {
		r.leaveHostSeat()
	}
}

// leaveHostSeat takes the host out of a link's call.
func (r *openLink) leaveHostSeat() {
	p := r.hostSeat
	r.hostSeat = nil
	p.retire("")
	r.host.touch()
	r.settle()
}

// dismiss ends the host's seat in a call that is over: the window is told why.
func (p *hostSeat) dismiss(reason signalling.EndReason) {
	if p.window != nil {
		_ = p.window.Send(signalling.Ended{Reason: reason})
	}
	p.retire(reason)
}

// retire closes what the host's seat has.
func (p *hostSeat) retire(reason signalling.EndReason) {
	if p.expiry != nil {
		p.expiry.Stop()
	}
	p.stopCapture()
	if p.participant != nil {
		p.participant.Leave(reason)
	}
	if p.local != nil {
		p.local.Leave(reason)
	}
	if p.window != nil {
		p.window.Close("")
		p.window = nil
	}
}
