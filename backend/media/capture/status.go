package capture

import (
	"math"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

const (
	// levelEvery is the shortest time between two reported changes of level, and levelStep is the smallest reported
	// change.
	levelEvery = 100 * time.Millisecond
	levelStep  = 0.02
)

// part is a kind of device.
type part int

const (
	ofCamera part = iota
	ofMicrophone
	ofSpeaker
	parts
)

// status keeps the state of a session's devices and reports its changes.
type status struct {
	sink Sink

	mu     sync.Mutex // guards what follows; held during Sink.State to keep its calls in order
	faults [parts]fault.Code
	level  float64 // falls slower than it rises, as viewers expect
	shown  float64
	at     time.Time
}

func newStatus(sink Sink) *status { return &status{sink: sink} }

// fault notes that a device can't be used, or with "" that it can be used again.
func (s *status) fault(of part, code fault.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[of] == code {
		return
	}
	s.faults[of] = code
	s.tell()
}

// hear notes the level of the microphone, in −dBov (RFC 6464).
func (s *status) hear(level uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level == silence {
		s.level = 0
	} else {
		s.level = max(meter(level), s.level*0.95)
	}
	if math.Abs(s.level-s.shown) < levelStep && (s.level > 0 || s.shown == 0) || time.Since(s.at) < levelEvery {
		return
	}
	s.tell()
}

// tell reports the state if it has changed. The caller holds mu.
func (s *status) tell() {
	s.shown, s.at = s.level, time.Now()
	state := State{
		Level: s.level, Faults: []fault.Code{},
		NoCamera: s.faults[ofCamera] != "", NoMicrophone: s.faults[ofMicrophone] != "",
	}
	for _, code := range s.faults {
		if code != "" {
			state.Faults = append(state.Faults, code)
		}
	}
	s.sink.State(state)
}

// meter converts a level to the scale of State.Level.
func meter(level uint8) float64 { return min(max((60-float64(level))/54, 0), 1) }
