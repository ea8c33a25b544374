//go:build cgo && (linux || porch_native)

package capture

import (
	"image"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// screenSystem is the screens of this machine. Its errors are faults: ScreenMissing or ScreenWayland.
type screenSystem interface {
	screens() ([]Screen, error)
	// open opens a screen by id; it returns ScreenMissing for one that is gone. While unseen is set, no picture is needed.
	open(id string, unseen *atomic.Bool) (videoSource, error)
}

// screenQuality is what a screen is encoded in at most. Text that is scaled down or coarse can't be read, so a screen keeps
// its size, and pictures are left out instead.
var screenQuality = quality{1080, 2_500_000}

// grabEvery is how often a screen is looked at. A picture that is the same is sent settling times more, because the
// encoder's first one is coarse, and then every stillEvery, so that receivers notice that the stream lives.
const (
	grabEvery  = 100 * time.Millisecond
	settling   = 8
	stillEvery = time.Second
)

// pacing decides when a screen is looked at, and which pictures of it are sent. It takes the time as an argument.
type pacing struct {
	same int           // pictures sent since the last one that differed
	sent time.Duration // when the last one was
	busy time.Duration // what the last look took
}

// wait returns how long to wait after a look that began at begin and took so long. A slow machine looks less often.
func (p *pacing) wait(took time.Duration, unseen bool) time.Duration {
	if unseen {
		return stillEvery
	}
	p.busy += (took - p.busy) / 4
	return max(grabEvery, min(4*p.busy, stillEvery)) - took
}

// due reports whether a picture is sent, at time now.
func (p *pacing) due(changed bool, now time.Duration) bool {
	switch {
	case changed:
		p.same = 0
	case p.same < settling:
		p.same++
	case now-p.sent < stillEvery:
		return false
	}
	p.sent = now
	return true
}

// presentation is a screen that a session shares.
type presentation struct {
	camera *camera
	unseen atomic.Bool
	limit  limit
}

// share begins to share an open screen.
func (s *Session) share(p *presentation, source videoSource) {
	p.camera = startCamera(source, cameraOptions{
		encode: newScreenEncoder,
		fixed:  &screenQuality,
		clock:  videoClock,
		unseen: &p.unseen,
		limit:  &p.limit,
		emit:   func(payload []byte, _ bool, at int64) { s.screen.write(payload, at) },
	})
}

// ShareScreen begins to share a screen with the call, in place of another one. ended is called if that ends by itself; it
// runs on its own goroutine. It returns ScreenMissing, ScreenWayland or ShuttingDown. It waits for the display.
func (s *Session) ShareScreen(id string, ended func()) error {
	p := new(presentation)
	source, err := s.engine.screens.open(id, &p.unseen)
	if err != nil {
		return err
	}
	s.share(p, source)
	s.mu.Lock()
	closed, old := s.closed, s.presented.Load()
	if !closed {
		s.presented.Store(p)
	}
	s.mu.Unlock()
	if closed {
		closeDevice(p.camera)
		return fault.New(fault.ShuttingDown, nil)
	}
	if old != nil {
		closeDevice(old.camera)
	}
	go func() {
		select {
		case <-p.camera.done:
		case err := <-p.camera.lost():
			s.engine.log.Warn("a screen can't be shared any more", "cause", err)
			closeDevice(p.camera)
			if s.presented.CompareAndSwap(p, nil) {
				ended()
			}
		}
	}()
	return nil
}

// StopScreen ends ShareScreen. It may be called twice.
func (s *Session) StopScreen() {
	if p := s.presented.Swap(nil); p != nil {
		closeDevice(p.camera)
	}
}

// Presenting reports whether a screen is shared.
func (s *Session) Presenting() bool { return s.presented.Load() != nil }

// LimitScreen says whether others look at the shared screen, and what they can have of it in bit/s, 0 for no limit.
func (s *Session) LimitScreen(taken bool, bitrate int) {
	if p := s.presented.Load(); p != nil {
		p.unseen.Store(!taken)
		p.limit.set(bitrate, 0)
	}
}

// ForceScreenKeyframe makes a keyframe of the shared screen; see ForceKeyframe.
func (s *Session) ForceScreenKeyframe() {
	if p := s.presented.Load(); p != nil {
		p.camera.forceKeyframe()
	}
}

// even returns the largest part of r that a 4:2:0 picture can have.
func even(r image.Rectangle) image.Rectangle {
	r.Max.X -= r.Dx() & 1
	r.Max.Y -= r.Dy() & 1
	return r
}
