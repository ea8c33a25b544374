package host

import (
	"context"
	"errors"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/windowfiles"
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
	window        *windowsocket.Conn    // nil while the window is gone
	participant   *call.Participant     // of the webview engine
	local         *call.Local           // of the native engine
	activeCapture *studio.ActiveCapture // of the native engine
	capture       *capture.Session      // of the native engine; nil while it starts
	windowSink    *studio.WindowSink    // of the native engine: knows its devices; nil while the window is gone
	muted         bool                  // of the native engine: as the window last said
	cameraOff     bool                  // the same for the camera
	missing       studio.Missing        // of the native engine: devices that were asked for and do not work
	files         *windowfiles.Way      // nil if the call passes no files
	expiry        *time.Timer
}

// ticket is what a window's token stands for.
type ticket struct {
	link   sealed.LinkID
	engine string
}

// EnterCall lets a window into a link's call. engine says what the page can do:
// "webview" if it has RTCPeerConnection, else "native". If both are possible,
// the settings decide. The host is in once the window has opened the window
// socket. Faults: LinkNotFound, LinkSpent, LinkRemoved, EngineUnavailable.
func (h *Host) EnterCall(ctx context.Context, linkID, client, engine string) (hoststate.Entry, error) {
	var e hoststate.Entry
	err := h.doLink(ctx, linkID, func(o *openLink) error {
		chosen, err := chooseEngine(h.settings.Engine, engine)
		if err != nil {
			return err
		}
		h.client = client
		if h.enter != nil && h.enter.LinkID == linkID {
			h.enter = nil
			h.touch()
		}
		t := h.windows.Grant(ticket{link: o.id, engine: chosen})
		e = hoststate.Entry{URL: t.URL, Token: t.Token, Engine: chosen}
		return nil
	})
	return e, err
}

// chooseEngine picks a media engine. able is what the page can do.
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

// ServeWindow takes the host's window through a call. It handles a window
// socket, opened with a ticket of EnterCall, until the socket ends.
func (h *Host) ServeWindow(window *windowsocket.Conn) {
	t, ok := window.Claims().(ticket)
	if !ok {
		window.Close(fault.TokenRefused)
		return
	}
	var s *hostSeat
	err := h.do(h.ctx, func() (err error) {
		s, err = h.enterWindow(t, window)
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
				err = s.windowSaid(m)
			}
		case !errors.As(err, &broken): // the socket has ended
			_ = h.loop.Do(context.WithoutCancel(h.ctx), func() { s.loseWindow(t.link, window) })
			return
		}
		if err != nil {
			code := fault.CodeOf(err)
			_ = window.Send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
		}
	}
	_ = h.loop.Do(context.WithoutCancel(h.ctx), func() { s.leaveBy(t.link, window) })
	window.Close("")
}

// windowSaid handles a message of the host's window.
func (s *hostSeat) windowSaid(m signalling.Message) error {
	h := s.host
	if handled, err := s.files.Said(m); handled {
		return err
	}
	if s.participant != nil {
		return s.participant.Handle(m)
	}
	switch m := m.(type) {
	case windowsocket.KeyframeWanted:
		if m.Participant != codec.HostID {
			s.local.RequestKeyframe(m.Participant)
			return nil
		}
		return h.loop.Do(h.ctx, func() {
			if s.capture != nil {
				s.capture.ForceKeyframe()
			}
		})
	case windowsocket.ScreensWanted:
		return s.tellScreens()
	case windowsocket.ShareScreen:
		return s.shareScreen(m.ID)
	case signalling.MediaState:
		var refused error
		if err := h.loop.Do(h.ctx, func() {
			s.muted, s.cameraOff = m.Muted, m.CameraOff
			if s.capture != nil {
				s.capture.SetMuted(m.Muted)
				s.capture.SetCameraOff(m.CameraOff)
			}
			refused = s.tellMedia()
		}); err != nil {
			return err
		}
		return refused
	}
	return s.local.Handle(m)
}

// enterWindow brings the host into a call, or puts a newer window in place of an
// older one. The host is in one call at a time, so entering one leaves the
// other.
func (h *Host) enterWindow(t ticket, window *windowsocket.Conn) (*hostSeat, error) {
	o := h.openLinks[t.link]
	if o == nil {
		return nil, fault.New(fault.CallEnded, nil)
	}
	for _, other := range h.openLinks {
		if other != o && other.hostSeat != nil {
			other.leaveHostSeat()
		}
	}
	s := o.hostSeat
	if s != nil && s.engine != t.engine {
		s.retire("")
		o.hostSeat, s = nil, nil
	}
	if s != nil {
		return s, s.returnWindow(window)
	}
	c, err := o.ensureCall()
	if err != nil {
		return nil, err
	}
	s = &hostSeat{host: h, engine: t.engine, window: window}
	profile := call.Profile{ID: codec.HostID, Name: h.me.Name, Host: true, Layers: true}
	if t.engine == hoststate.EngineWebview {
		s.participant, err = c.Join(profile, window)
	} else {
		err = s.startNative(c, profile, window)
	}
	if err != nil {
		o.endIfEmpty()
		return nil, err
	}
	o.hostSeat, o.hostIn = s, true
	s.files = windowfiles.Open(h.ctx, c, h.downloads, h.background.TryGo)
	s.files.Attach(window)
	h.touch()
	return s, nil
}

// returnWindow gives the host's seat its newer window: a reloaded one, or
// another one.
func (s *hostSeat) returnWindow(window *windowsocket.Conn) error {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	if old := s.window; old != nil {
		old.Close(fault.SeatTaken)
	}
	s.window = window
	s.files.Attach(window)
	if s.participant != nil {
		_, err := s.participant.Attach(window, false) // a new page has no peer connection
		return err
	}
	if err := s.local.Attach(window); err != nil {
		return err
	}
	s.startCapture(window)
	return nil
}

// loseWindow keeps the host's seat for a window that may come back. The native
// engine's camera and microphone are closed in the meantime.
func (s *hostSeat) loseWindow(link sealed.LinkID, window *windowsocket.Conn) {
	h := s.host
	o := h.openLinks[link]
	if o == nil || o.hostSeat != s || s.window != window {
		return
	}
	s.window = nil
	s.files.Detach(window)
	if s.participant != nil {
		s.participant.Detach(window)
	}
	s.stopCapture()
	if s.local != nil {
		s.noDevices(studio.Missing{Camera: true, Microphone: true})
	}
	s.expiry = time.AfterFunc(h.timing.Window, func() {
		h.loop.Post("window "+string(link), func() {
			if o.hostSeat == s && s.window == nil {
				o.leaveHostSeat()
			}
		})
	})
	h.touch()
}

// LeaveCall takes the host out of a call. Guests go on as long as the app runs.
// Fault: NotInCall.
func (h *Host) LeaveCall(ctx context.Context, linkID string) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		if o.hostSeat == nil {
			return fault.New(fault.NotInCall, nil)
		}
		o.leaveHostSeat()
		return nil
	})
}

// EndCall ends a call for all participants. The link is spent.
func (h *Host) EndCall(ctx context.Context, linkID string) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		o.spend(signalling.EndEnded)
		return nil
	})
}

// leaveBy takes the host out of a call when their window says so. A window that
// a newer one has replaced is ignored.
func (s *hostSeat) leaveBy(link sealed.LinkID, window *windowsocket.Conn) {
	o := s.host.openLinks[link]
	if o != nil && o.hostSeat == s && s.window == window {
		o.leaveHostSeat()
	}
}

// leaveHostSeat takes the host out of a link's call.
func (o *openLink) leaveHostSeat() {
	s := o.hostSeat
	o.hostSeat = nil
	s.retire("")
	o.host.touch()
	o.endIfEmpty()
}

// dismiss ends the host's seat in a call that is over, and tells the window why.
func (s *hostSeat) dismiss(reason signalling.EndReason) {
	if s.window != nil {
		_ = s.window.Send(signalling.Ended{Reason: reason})
	}
	s.retire(reason)
}

// retire closes all that belongs to the host's seat.
func (s *hostSeat) retire(reason signalling.EndReason) {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.stopCapture()
	if s.participant != nil {
		s.participant.Leave(reason)
	}
	if s.local != nil {
		s.local.Leave(reason)
	}
	if s.window != nil {
		s.window.Close("")
		s.window = nil
	}
}
