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

// Missing says for what of the host there is no device that works.
type Missing struct{ Camera, Microphone bool }

// ActiveCapture is the capture session that plays what the call forwards; nil while
// there is none.
type ActiveCapture struct {
	atomic.Pointer[capture.Session]
}

// ForceKeyframe makes the session that plays begin its picture anew.
func (p *ActiveCapture) ForceKeyframe() {
	if s := p.Load(); s != nil {
		s.ForceKeyframe()
	}
}

// SpeakerSink is a [call.LocalSink] that gives all to the session that plays, while
// there is one.
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
func (s *SpeakerSink) KeyframeWanted() { s.active.ForceKeyframe() }

// keyframePause is the least time between two requests for a keyframe of one
// participant because the window dropped a picture.
const keyframePause = 300 * time.Millisecond

// WindowSink is the [capture.Sink] of a host in a call: packets go to the call, by the
// embedded Local, and pictures and faults to the window.
type WindowSink struct {
	*call.Local
	active  *ActiveCapture
	window  *windowsocket.Conn
	changed func() // what lacks is another; it does not block

	mu    sync.Mutex // a leaf
	asked map[string]time.Time
	lack  Missing
}

// NewWindowSink returns a sink for a capture session. changed is called when what
// lacks is another; it does not block.
func NewWindowSink(local *call.Local, p *ActiveCapture, window *windowsocket.Conn, changed func()) *WindowSink {
	return &WindowSink{Local: local, active: p, window: window, changed: changed, asked: make(map[string]time.Time)}
}

// Lacks notes what there is no working device for.
func (s *WindowSink) Lacks(m Missing) {
	s.mu.Lock()
	same := s.lack == m
	s.lack = m
	s.mu.Unlock()
	if !same {
		s.changed()
	}
}

// Lacking returns what lacks noted last.
func (s *WindowSink) Lacking() Missing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lack
}

// Frame implements capture.Sink.
func (s *WindowSink) Frame(f capture.Frame) {
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
