package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/capture"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

// startNative brings the native engine into the call.
func (h *Host) startNative(c *call.Call, profile call.Profile, p *presence, window *windowsocket.Conn) error {
	p.playing = new(playing)
	local, err := c.JoinLocal(profile, newEars(p.playing, (*capture.Session).ReceiveRTP), window)
	if err != nil {
		return err
	}
	p.local = local
	h.startCapture(p, window)
	return nil
}

// startCapture opens the host's devices for a window. Opening may take long, so
// it happens beside the loop.
func (h *Host) startCapture(p *presence, window *windowsocket.Conn) {
	setup := capture.Setup{Choice: devicesOf(h.settings), Muted: p.muted, CameraOff: p.cameraOff}
	st := newStage(p, window, func() { h.loop.post("devices", h.tellDevices) })
	p.stage = st
	p.noDevices(missing{})
	h.background.Go(func() {
		session, err := h.capture.Start(h.ctx, setup, st)
		if err != nil {
			tellWindow(window, fault.CodeOf(err))
			st.lacks(missing{camera: true, microphone: true})
			return
		}
		late := true
		_ = h.loop.do(context.WithoutCancel(h.ctx), func() {
			if p.window != window { // the window has gone meanwhile, or the host has left
				return
			}
			late = false
			p.capture = session
			p.playing.Store(session)
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
	for _, r := range h.rooms {
		if p := r.presence; p != nil && p.stage != nil {
			p.noDevices(p.stage.lacking())
		}
	}
}

// missing says for what of the host there is no device that works.
type missing struct{ camera, microphone bool }

// noDevices notes what can't be seen or heard of the host though it was asked for.
func (p *presence) noDevices(m missing) {
	if p.missing != m {
		p.missing = m
		_ = p.tellMedia() // fails once the host is out
	}
}

// tellMedia tells the call what is so of the host's microphone and camera, and not
// what was asked for. The window hears the difference from its stage.
func (p *presence) tellMedia() error {
	return p.local.Handle(signalling.MediaState{
		Muted:     p.muted || p.missing.microphone,
		CameraOff: p.cameraOff || p.missing.camera,
	})
}

// stopCapture closes the host's devices.
func (h *Host) stopCapture(p *presence) {
	p.stage = nil
	s := p.capture
	if s == nil {
		return
	}
	p.capture = nil
	p.playing.Store(nil)
	h.background.Go(func() { _ = s.Close() })
}

func tellWindow(window *windowsocket.Conn, code fault.Code) {
	_ = window.Send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
}

// playing is the capture session that plays what the call forwards; nil while
// there is none.
type playing struct {
	atomic.Pointer[capture.Session]
}

func (p *playing) forceKeyframe() {
	if s := p.Load(); s != nil {
		s.ForceKeyframe()
	}
}

// ears is a call.LocalSink that gives all to the session that plays, while
// there is one. P is the packet's type, which only call and capture know.
type ears[P any] struct {
	playing *playing
	receive func(*capture.Session, string, signalling.Kind, P, time.Duration)
}

func newEars[P any](p *playing, receive func(*capture.Session, string, signalling.Kind, P, time.Duration)) *ears[P] {
	return &ears[P]{p, receive}
}

// ReceiveRTP implements call.LocalSink.
func (e *ears[P]) ReceiveRTP(participant string, kind signalling.Kind, packet P, roundTrip time.Duration) {
	if s := e.playing.Load(); s != nil {
		e.receive(s, participant, kind, packet, roundTrip)
	}
}

// KeyframeWanted implements call.LocalSink.
func (e *ears[P]) KeyframeWanted() { e.playing.forceKeyframe() }

// keyframePause is the least time between two requests for a keyframe of one
// participant because the window dropped a picture.
const keyframePause = 300 * time.Millisecond

// stage takes what a capture session makes: packets go to the call, by the
// embedded Local, and pictures and faults to the window.
type stage struct {
	*call.Local
	playing *playing
	window  *windowsocket.Conn
	changed func() // what lacks is another; it does not block

	mu    sync.Mutex // a leaf
	asked map[string]time.Time
	lack  missing
}

func newStage(p *presence, window *windowsocket.Conn, changed func()) *stage {
	return &stage{Local: p.local, playing: p.playing, window: window, changed: changed, asked: make(map[string]time.Time)}
}

// lacks notes what there is no working device for.
func (s *stage) lacks(m missing) {
	s.mu.Lock()
	same := s.lack == m
	s.lack = m
	s.mu.Unlock()
	if !same {
		s.changed()
	}
}

// lacking returns what lacks noted last.
func (s *stage) lacking() missing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lack
}

// Frame implements capture.Sink.
func (s *stage) Frame(f capture.Frame) {
	err := s.window.SendFrame(windowsocket.VideoFrame{
		Participant: f.Participant,
		Keyframe:    f.Key,
		Timestamp:   uint64(f.Timestamp.Microseconds()),
		Payload:     f.Payload,
	})
	if errors.Is(err, windowsocket.ErrKeyframeWanted) && s.mayAsk(f.Participant) {
		if f.Participant == codec.HostID {
			s.playing.forceKeyframe()
		} else {
			s.RequestKeyframe(f.Participant)
		}
	}
}

func (s *stage) mayAsk(participant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.asked[participant]) < keyframePause {
		return false
	}
	s.asked[participant] = now
	return true
}

// State implements capture.Sink.
func (s *stage) State(state capture.State) {
	s.lacks(missing{camera: state.NoCamera, microphone: state.NoMicrophone})
	_ = s.window.Send(windowsocket.Devices{ // an error ends the window, which is noticed elsewhere
		Level:  int(100 * state.Level),
		Faults: convert(state.Faults, func(code fault.Code) string { return string(code) }),
	})
}
