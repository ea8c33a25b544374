package host

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/capture"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

// missing says for what of the host there is no device that works.
type missing struct{ camera, microphone bool }

// playing is the capture session that plays what the call forwards; nil while
// there is none.
type playing struct {
	atomic.Pointer[capture.Session]
}

// forceKeyframe makes the session that plays begin its picture anew.
func (p *playing) forceKeyframe() {
	if s := p.Load(); s != nil {
		s.ForceKeyframe()
	}
}

// ears is a call.LocalSink that gives all to the session that plays, while
// there is one.
type ears struct{ playing *playing }

// newEars returns a sink for what a call forwards to the host.
func newEars(p *playing) *ears { return &ears{p} }

// ReceiveRTP implements call.LocalSink.
func (e *ears) ReceiveRTP(participant string, kind signalling.Kind, packet *rtp.Packet, roundTrip time.Duration) {
	if s := e.playing.Load(); s != nil {
		s.ReceiveRTP(participant, kind, packet, roundTrip)
	}
}

// KeyframeWanted implements call.LocalSink.
func (e *ears) KeyframeWanted() { e.playing.forceKeyframe() }

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

// newStage returns a sink for a capture session. changed is called when what
// lacks is another; it does not block.
func newStage(local *call.Local, p *playing, window *windowsocket.Conn, changed func()) *stage {
	return &stage{Local: local, playing: p, window: window, changed: changed, asked: make(map[string]time.Time)}
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
	faults := make([]string, 0, len(state.Faults))
	for _, code := range state.Faults {
		faults = append(faults, string(code))
	}
	s.lacks(missing{camera: state.NoCamera, microphone: state.NoMicrophone})
	_ = s.window.Send(windowsocket.Devices{ // an error ends the window, which is noticed elsewhere
		Level:  int(100 * state.Level),
		Faults: faults,
	})
}
