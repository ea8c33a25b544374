package host

import (
	"context"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/studio"
	"github.com/porch-call/porch/backend/windowsocket"
)

// startNative brings the native engine into the call.
func (p *hostSeat) startNative(c *call.Call, profile call.Profile, window *windowsocket.Conn) error {
	p.activeCapture = new(studio.ActiveCapture)
	local, err := c.JoinLocal(profile, studio.NewSpeakerSink(p.activeCapture), window)
	if err != nil {
		return err
	}
	p.local = local
	p.startCapture(window)
	return nil
}

// startCapture opens the host's devices for a window. Opening may take long, so
// it happens beside the loop.
func (p *hostSeat) startCapture(window *windowsocket.Conn) {
	h := p.host
	setup := capture.Setup{Choice: devicesOf(h.settings), Muted: p.muted, CameraOff: p.cameraOff}
	st := studio.NewWindowSink(p.local, p.activeCapture, window, func() { h.loop.Post("devices", h.tellDevices) })
	p.windowSink = st
	p.noDevices(studio.Missing{})
	h.background.Go(func() {
		session, err := h.capture.Start(h.ctx, setup, st)
		if err != nil {
			tellWindow(window, fault.CodeOf(err))
			st.Lacks(studio.Missing{Camera: true, Microphone: true})
			return
		}
		late := true
		_ = h.loop.Do(context.WithoutCancel(h.ctx), func() {
			if p.window != window { // the window has gone meanwhile, or the host has left
				return
			}
			late = false
			p.capture = session
			p.activeCapture.Store(session)
			session.SetMuted(p.muted)
			session.SetCameraOff(p.cameraOff)
		})
		if late {
			_ = session.Close()
		}
	})
}

// tellDevices tells the calls what the stages have said since the last time.
func (h *Host) tellDevices() {
	for _, r := range h.openLinks {
		if p := r.hostSeat; p != nil && p.windowSink != nil {
			p.noDevices(p.windowSink.Lacking())
		}
	}
}

// noDevices notes what can't be seen or heard of the host though it was asked for.
func (p *hostSeat) noDevices(m studio.Missing) {
	if p.missing != m {
		p.missing = m
		_ = p.tellMedia() // fails once the host is out
	}
}

// tellMedia tells the call what is so of the host's microphone and camera, and not
// what was asked for. The window hears the difference from its stage.
func (p *hostSeat) tellMedia() error {
	return p.local.Handle(signalling.MediaState{
		Muted:     p.muted || p.missing.Microphone,
		CameraOff: p.cameraOff || p.missing.Camera,
	})
}

// stopCapture closes the host's devices.
func (p *hostSeat) stopCapture() {
	p.windowSink = nil
	s := p.capture
	if s == nil {
		return
	}
	p.capture = nil
	p.activeCapture.Store(nil)
	p.host.background.Go(func() { _ = s.Close() })
}

func tellWindow(window *windowsocket.Conn, code fault.Code) {
	_ = window.Send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
}
