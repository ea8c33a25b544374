package studio

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

// Missing says which kinds of the host's devices have none that works.
type Missing struct{ Camera, Microphone bool }

// ActiveCapture holds the capture session that plays what the call forwards, or nil
// while there is none.
type ActiveCapture struct {
	atomic.Pointer[capture.Session]

	mu    sync.Mutex  // guards what follows and the order of SetUnseen, AssumeLoss and Limit; no other lock is taken under it
	taken bool        // another participant, or the window, takes the host's picture
	lost  float64     // the share of the host's sound that receivers are assumed to lose
	limit [2]int      // bit/s and lines of the host's picture
	shown atomic.Bool // the window shows it
}

// Begin makes s the session that plays, nil for none.
func (p *ActiveCapture) Begin(s *capture.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Store(s)
	if s != nil {
		s.SetUnseen(!p.taken)
		s.AssumeLoss(p.lost)
		s.Limit(p.limit[0], p.limit[1])
	}
}

// assume notes which share of the host's sound receivers are assumed to lose.
func (p *ActiveCapture) assume(share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == share {
		return
	}
	p.lost = share
	if s := p.Load(); s != nil {
		s.AssumeLoss(share)
	}
}

// Taken notes whether other participants and the window take the host's picture.
func (p *ActiveCapture) Taken(others, window bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = others || window
	p.shown.Store(window)
	if s := p.Load(); s != nil {
		s.SetUnseen(!p.taken)
	}
}

// Limit notes what others can have of the host's picture.
func (p *ActiveCapture) Limit(bitrate, lines int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = [2]int{bitrate, lines}
	if s := p.Load(); s != nil {
		s.Limit(bitrate, lines)
	}
}

// ForceKeyframe makes the session send a keyframe.
func (p *ActiveCapture) ForceKeyframe() {
	if s := p.Load(); s != nil {
		s.ForceKeyframe()
	}
}

// SpeakerSink is a [call.LocalSink] that gives all it receives to the active
// capture, if there is one.
type SpeakerSink struct{ active *ActiveCapture }

// NewSpeakerSink returns a sink for what a call forwards to the host.
func NewSpeakerSink(p *ActiveCapture) *SpeakerSink { return &SpeakerSink{p} }

// ReceiveRTP implements call.LocalSink.
func (s *SpeakerSink) ReceiveRTP(participant string, kind signalling.Kind, packet *rtp.Packet, roundTrip time.Duration) {
	if s := s.active.Load(); s != nil {
		s.ReceiveRTP(participant, kind, packet, roundTrip)
	}
}

// KeyframeWanted implements call.LocalSink.
func (s *SpeakerSink) KeyframeWanted(kind signalling.Kind) {
	if kind != signalling.KindScreen {
		s.active.ForceKeyframe()
	} else if s := s.active.Load(); s != nil {
		s.ForceScreenKeyframe()
	}
}

// PictureTaken implements call.LocalSink.
func (s *SpeakerSink) PictureTaken(others, window bool) { s.active.Taken(others, window) }

// LossAssumed implements call.LocalSink.
func (s *SpeakerSink) LossAssumed(share float64) { s.active.assume(share) }

// PictureLimited implements call.LocalSink.
func (s *SpeakerSink) PictureLimited(bitrate, lines int) { s.active.Limit(bitrate, lines) }

// ScreenLimited implements call.LocalSink.
func (s *SpeakerSink) ScreenLimited(taken bool, bitrate int) {
	if s := s.active.Load(); s != nil {
		s.LimitScreen(taken, bitrate)
	}
}

// keyframePause is the least time between two keyframe requests to one participant
// because the window dropped a picture.
const keyframePause = 300 * time.Millisecond

// WindowSink is the [capture.Sink] of a host in a call. The embedded Local takes
// packets to the call, and the window gets pictures and faults.
type WindowSink struct {
	*call.Local
	active  *ActiveCapture
	window  *windowsocket.Conn
	changed func() // called when the missing devices have changed; must not block
	behind  bool   // own pictures were left out; used only by the goroutine that brings them

	mu    sync.Mutex // guards what follows; no other lock is taken under it
	asked map[string]time.Time
	lack  Missing
}

// NewWindowSink returns a sink for a capture session. changed is called when the
// missing devices have changed, and must not block.
func NewWindowSink(local *call.Local, p *ActiveCapture, window *windowsocket.Conn, changed func()) *WindowSink {
	return &WindowSink{Local: local, active: p, window: window, changed: changed, asked: make(map[string]time.Time)}
}

// Lacks notes for which kinds there is no device that works.
func (s *WindowSink) Lacks(m Missing) {
	s.mu.Lock()
	same := s.lack == m
	s.lack = m
	s.mu.Unlock()
	if !same {
		s.changed()
	}
}

// Lacking returns what Lacks noted last.
func (s *WindowSink) Lacking() Missing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lack
}

// Frame implements capture.Sink.
func (s *WindowSink) Frame(f capture.Frame) {
	if f.Participant == codec.HostID && !s.showsOwn(f.Key) {
		return
	}
	err := s.window.SendFrame(windowsocket.VideoFrame{
		Participant: f.Participant,
		Keyframe:    f.Key,
		Timestamp:   uint64(f.Timestamp.Microseconds()),
		Payload:     f.Payload,
	})
	if errors.Is(err, windowsocket.ErrKeyframeWanted) && s.mayAsk(f.Participant) {
		if f.Participant == codec.HostID {
			s.active.ForceKeyframe()
		} else {
			s.RequestKeyframe(f.Participant)
		}
	}
}

// showsOwn reports whether the window is sent a picture of the host. The first one
// after a pause must be a keyframe; showsOwn asks for it. Pictures of other
// participants never come here in a pause, because the call does not forward them.
func (s *WindowSink) showsOwn(key bool) bool {
	switch {
	case !s.active.shown.Load():
		s.behind = true
		return false
	case s.behind && !key:
		if s.mayAsk(codec.HostID) {
			s.active.ForceKeyframe()
		}
		return false
	}
	s.behind = false
	return true
}

func (s *WindowSink) mayAsk(participant string) bool {
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
func (s *WindowSink) State(state capture.State) {
	faults := make([]string, 0, len(state.Faults))
	for _, code := range state.Faults {
		faults = append(faults, string(code))
	}
	s.Lacks(Missing{Camera: state.NoCamera, Microphone: state.NoMicrophone})
	_ = s.window.Send(windowsocket.Devices{ // an error ends the window, which is noticed elsewhere
		Level:  int(100 * state.Level),
		Faults: faults,
	})
}
