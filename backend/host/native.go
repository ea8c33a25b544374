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
func (s *hostSeat) startNative(c *call.Call, profile call.Profile, window *windowsocket.Conn) error {
	s.activeCapture = new(studio.ActiveCapture)
	local, err := c.JoinLocal(profile, studio.NewSpeakerSink(s.activeCapture), window)
	if err != nil {
		return err
	}
	s.local = local
	s.startCapture(window)
	return nil
}

// startCapture opens the host's devices for a window. It does so in the
// background, because opening may take long.
func (s *hostSeat) startCapture(window *windowsocket.Conn) {
	h := s.host
	setup := capture.Setup{Choice: devicesOf(h.settings), Muted: s.muted, CameraOff: s.cameraOff}
	st := studio.NewWindowSink(s.local, s.activeCapture, window, func() { h.loop.Post("devices", h.tellDevices) })
	s.windowSink = st
	s.noDevices(studio.Missing{})
	h.background.Go(func() {
		session, err := h.capture.Start(h.ctx, setup, st)
		if err != nil {
			tellWindow(window, fault.CodeOf(err))
			st.Lacks(studio.Missing{Camera: true, Microphone: true})
			return
		}
		late := true
		_ = h.loop.Do(context.WithoutCancel(h.ctx), func() {
			if s.window != window { // the window has gone in the meantime, or the host has left
				return
			}
			late = false
			s.capture = session
			s.activeCapture.Begin(session)
			session.SetMuted(s.muted)
			session.SetCameraOff(s.cameraOff)
		})
		if late {
			_ = session.Close()
		}
	})
}

// tellDevices tells the calls what the window sinks have reported of devices since
// the last time.
func (h *Host) tellDevices() {
	for _, o := range h.openLinks {
		if s := o.hostSeat; s != nil && s.windowSink != nil {
			s.noDevices(s.windowSink.Lacking())
		}
	}
}

// noDevices notes for which devices that were asked for there is none that works.
func (s *hostSeat) noDevices(m studio.Missing) {
	if s.missing != m {
		s.missing = m
		_ = s.tellMedia() // fails once the host is out
	}
}

// tellMedia tells the call the true state of the host's microphone and camera, not
// what was asked for. The window learns the difference from its window sink.
func (s *hostSeat) tellMedia() error {
	return s.local.Handle(signalling.MediaState{
		Muted:     s.muted || s.missing.Microphone,
		CameraOff: s.cameraOff || s.missing.Camera,
	})
}

// stopCapture closes the host's devices.
func (s *hostSeat) stopCapture() {
	s.windowSink = nil
	active := s.capture
	if active == nil {
		return
	}
	s.capture = nil
	s.activeCapture.Begin(nil)
	if active.Presenting() {
		_ = s.local.Handle(signalling.Sharing{}) // fails once the host is out
	}
	s.host.background.Go(func() { _ = active.Close() })
}

// tellScreens tells the window which screens can be shared. It waits for the display.
func (s *hostSeat) tellScreens() error {
	h := s.host
	list, err := h.capture.Screens(h.ctx)
	screens := windowsocket.Screens{Screens: []windowsocket.Screen{}}
	if err != nil {
		screens.Fault = string(fault.CodeOf(err))
	}
	for _, screen := range list {
		screens.Screens = append(screens.Screens, windowsocket.Screen(screen))
	}
	return s.toWindow(screens)
}

// shareScreen opens a screen for the call, or closes it if id is "". It waits for the display.
func (s *hostSeat) shareScreen(id string) error {
	h := s.host
	var session *capture.Session
	if err := h.loop.Do(h.ctx, func() { session = s.capture }); err != nil {
		return err
	}
	var own windowsocket.OwnScreen
	switch {
	case session == nil:
		own.Fault = string(fault.ScreenMissing)
	case id == "":
		session.StopScreen()
	default:
		err := session.ShareScreen(id, func() { _ = s.toWindow(windowsocket.OwnScreen{}) }) // fails once the host is out
		own.Open = err == nil
		if err != nil {
			own.Fault = string(fault.CodeOf(err))
		}
	}
	return s.toWindow(own)
}

// toWindow sends the window a message, if there is a window.
func (s *hostSeat) toWindow(m signalling.Message) error {
	return s.host.loop.Do(s.host.ctx, func() {
		if s.window != nil {
			_ = s.window.Send(m) // an error ends the window, which is noticed elsewhere
		}
	})
}

func tellWindow(window *windowsocket.Conn, code fault.Code) {
	_ = window.Send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
}
