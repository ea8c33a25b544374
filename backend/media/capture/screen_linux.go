//go:build cgo && linux

package capture

import (
	"fmt"
	"image"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/capture/internal/x11"
)

func systemScreens() screenSystem { return x11Screens{} }

// x11Screens is the screenSystem of an X11 desktop. Under Wayland an X server shows the windows of X11 programs only, and
// nothing of the others, so there is nothing to share.
type x11Screens struct{}

func (x11Screens) display() (*x11.Display, error) {
	if os.Getenv("WAYLAND_DISPLAY") != "" || os.Getenv("XDG_SESSION_TYPE") == "wayland" {
		return nil, fault.New(fault.ScreenWayland, nil)
	}
	d, err := x11.Open()
	if err != nil {
		return nil, fault.New(fault.ScreenMissing, err)
	}
	return d, nil
}

func (s x11Screens) screens() ([]Screen, error) {
	d, err := s.display()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var list []Screen
	for _, m := range d.Monitors() {
		list = append(list, Screen{ID: screenID(m), Name: m.Name, Width: m.At.Dx(), Height: m.At.Dy()})
	}
	return list, nil
}

// screenID tells monitors apart also where they have no names.
func screenID(m x11.Monitor) string { return fmt.Sprintf("%s@%d,%d", m.Name, m.At.Min.X, m.At.Min.Y) }

func (s x11Screens) open(id string, unseen *atomic.Bool) (videoSource, error) {
	d, err := s.display()
	if err != nil {
		return nil, err
	}
	for _, m := range d.Monitors() {
		if at := even(m.At); screenID(m) == id && !at.Empty() {
			return &x11Source{display: d, grabber: d.Grab(at), size: at.Size(), unseen: unseen, done: make(chan struct{})}, nil
		}
	}
	d.Close()
	return nil, fault.Newf(fault.ScreenMissing, "screen %q", id)
}

// x11Source is the videoSource of a monitor.
type x11Source struct {
	display *x11.Display
	size    image.Point
	unseen  *atomic.Bool
	pacing  pacing
	next    time.Time
	picture *image.YCbCr

	done chan struct{}
	end  sync.Once
	mu   sync.Mutex // held while the display is asked
	// grabber is nil after Close. Guarded by mu.
	grabber *x11.Grabber
}

// Read implements videoSource.
func (s *x11Source) Read() (*image.YCbCr, error) {
	for {
		select {
		case <-s.done:
			return nil, io.EOF
		case <-time.After(time.Until(s.next)):
		}
		begin := time.Now()
		due, err := s.look(begin)
		s.next = begin.Add(time.Since(begin) + s.pacing.wait(time.Since(begin), s.unseen.Load()))
		if err != nil {
			return nil, err
		}
		if due {
			return s.picture, nil
		}
	}
}

// look takes a picture, and reports whether it is sent.
func (s *x11Source) look(now time.Time) (due bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grabber == nil {
		return false, io.EOF
	}
	pixels, changed, err := s.grabber.Grab()
	if err != nil || !s.pacing.due(changed, now.Sub(epoch)) {
		return false, err
	}
	if changed || s.picture == nil {
		s.picture = x11.Convert(s.picture, pixels, s.size.X, s.size.Y)
	}
	return true, nil
}

// Close implements videoSource.
func (s *x11Source) Close() error {
	s.end.Do(func() {
		close(s.done)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.grabber.Close()
		s.grabber = nil
		s.display.Close()
	})
	return nil
}
