package capture

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// patience bounds every wait in these tests.
const patience = 20 * time.Second

// recorder is a Sink that keeps what it gets.
type recorder struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at every change
	packets  map[signalling.Kind][]*rtp.Packet
	frames   map[string][]Frame
	framesAt map[string][]time.Time // when they arrived
	faults   []fault.Code
	state    State
	loudest  float64
	requests map[string]int
}

func newRecorder() *recorder {
	return &recorder{
		changed:  make(chan struct{}),
		packets:  make(map[signalling.Kind][]*rtp.Packet),
		frames:   make(map[string][]Frame),
		framesAt: make(map[string][]time.Time),
		requests: make(map[string]int),
	}
}

func (r *recorder) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error {
	kept := pkt.Clone()
	r.change(func() { r.packets[kind] = append(r.packets[kind], kept) })
	return nil
}

func (r *recorder) RequestKeyframe(participant string) {
	r.change(func() { r.requests[participant]++ })
}

func (r *recorder) Frame(f Frame) {
	r.change(func() {
		r.frames[f.Participant] = append(r.frames[f.Participant], f)
		r.framesAt[f.Participant] = append(r.framesAt[f.Participant], time.Now())
	})
}

// State records a fault each time it begins.
func (r *recorder) State(s State) {
	r.change(func() {
		for _, code := range s.Faults {
			if !slices.Contains(r.state.Faults, code) {
				r.faults = append(r.faults, code)
			}
		}
		r.state = s
		r.loudest = max(r.loudest, s.Level)
	})
}

// until waits until ok holds. ok is called with the recorder locked.
func (r *recorder) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		r.mu.Lock()
		held, changed := ok(), r.changed
		r.mu.Unlock()
		if held {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waited in vain for %s; faults %v, audio %d, video %d, frames %d", what, r.faults,
				len(r.packets[signalling.KindAudio]), len(r.packets[signalling.KindVideo]), len(r.frames[codec.HostID]))
		}
	}
}

// relaySink also passes on every audio packet.
type relaySink struct {
	*recorder
	hand func(pkt *rtp.Packet)
}

func (r relaySink) WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error {
	if kind == signalling.KindAudio {
		r.hand(pkt)
	}
	return r.recorder.WriteRTP(kind, pkt)
}

// ear keeps the sound that a test hears.
type ear struct {
	mu      sync.Mutex
	pcm     []int16
	changed chan struct{}
}

func (e *ear) hear(pcm []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = append(e.pcm, pcm...)
	close(e.changed)
	e.changed = make(chan struct{})
}

// until waits until ok holds for the sound heard so far.
func (e *ear) until(t *testing.T, what string, ok func(pcm []int16) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		e.mu.Lock()
		pcm, changed := e.pcm, e.changed
		e.mu.Unlock()
		if ok(pcm) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// one returns 1 for true and 0 for false.
func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func magnitude(n int) int { return max(n, -n) }

func hasFault(r *recorder, code fault.Code) bool {
	for _, f := range r.faults {
		if f == code {
			return true
		}
	}
	return false
}
