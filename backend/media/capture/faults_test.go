//go:build cgo && (linux || porch_native)

package capture

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// trouble is a machine whose drivers do what a test wants.
type trouble struct {
	openCamera  func() (videoSource, error)
	openSound   func(take func([]int16)) (audioDevice, error)
	listCameras func() ([]Device, error)
	listSound   func() (microphones, speakers []Device, err error)
}

func (m trouble) cameras() ([]Device, error) { return m.listCameras() }

func (m trouble) open(context.Context, string) (videoSource, error) { return m.openCamera() }

func (m trouble) devices() (microphones, speakers []Device, err error) { return m.listSound() }

func (m trouble) capture(_ string, take func([]int16)) (audioDevice, error) { return m.openSound(take) }

func (m trouble) playback(_ string, fill func([]int16)) (audioDevice, error) {
	return m.openSound(fill)
}

func (m trouble) engine(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	e.video, e.audio = m, m
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func calm() trouble {
	return trouble{
		openCamera:  func() (videoSource, error) { return newSyntheticVideo(), nil },
		openSound:   func(take func([]int16)) (audioDevice, error) { return newSyntheticAudio(take), nil },
		listCameras: func() ([]Device, error) { return []Device{{ID: "c"}}, nil },
		listSound: func() (microphones, speakers []Device, err error) {
			return []Device{{ID: "m"}}, []Device{{ID: "s"}}, nil
		},
	}
}

func TestSessionGoesOnWithoutACamera(t *testing.T) {
	for _, c := range []struct {
		name string
		open func() (videoSource, error)
		want fault.Code
	}{
		{"missing", func() (videoSource, error) { return nil, fault.New(fault.CameraMissing, nil) }, fault.CameraMissing},
		{"refused", func() (videoSource, error) { return nil, fault.New(fault.CameraRefused, nil) }, fault.CameraRefused},
		{"broken", func() (videoSource, error) { return nil, errors.New("EIO") }, fault.CameraLost},
		{"panics", func() (videoSource, error) { panic("driver") }, fault.CameraLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := calm()
			m.openCamera = c.open
			sink := newRecorder()
			s := begin(t, m.engine(t), Setup{}, sink)
			sink.until(t, "the fault and sound", func() bool {
				return hasFault(sink, c.want) && len(sink.packets[signalling.KindAudio]) >= 10
			})
			_ = s.Close()
		})
	}
}

// A camera that hangs forever holds up neither sound nor the end of the session.
func TestSessionWithAHangingCamera(t *testing.T) {
	release := make(chan struct{})
	m := calm()
	m.openCamera = func() (videoSource, error) {
		<-release
		return newSyntheticVideo(), nil
	}
	sink := newRecorder()
	s := begin(t, m.engine(t), Setup{}, sink)
	sink.until(t, "sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 10 })
	s.SetCameraOff(true)
	s.SetCameraOff(false)
	_ = s.Close()
	close(release)
}

func TestSessionCameraComesBack(t *testing.T) {
	cameras := make(chan *fakeCamera, 2)
	m := calm()
	m.openCamera = func() (videoSource, error) {
		c := newFakeCamera()
		cameras <- c
		return c, nil
	}
	sink := newRecorder()
	s := begin(t, m.engine(t), Setup{}, sink)
	first := receive(t, "the camera", cameras)
	first.pictures <- blank(640, 360)
	sink.until(t, "a picture", func() bool { return len(sink.frames[codec.HostID]) == 1 })
	close(first.pictures)
	sink.until(t, "the loss", func() bool { return hasFault(sink, fault.CameraLost) })
	second := receive(t, "the camera again", cameras)
	second.pictures <- blank(640, 360)
	sink.until(t, "a picture again", func() bool { return len(sink.frames[codec.HostID]) == 2 && len(sink.state.Faults) == 0 })
	_ = s.Close()
	if !sink.frames[codec.HostID][1].Key {
		t.Error("the camera comes back without a keyframe")
	}
}

func TestSessionMeterMovesAndFallsSilent(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{CameraOff: true}, sink)
	sink.until(t, "a level", func() bool { return sink.loudest > 0.5 })
	s.SetMuted(true)
	sink.until(t, "silence", func() bool { return sink.state.Level == 0 })
	_ = s.Close()
}

func TestDevicesSurviveDrivers(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	m := calm()
	m.listCameras = func() ([]Device, error) { panic("driver") }
	m.listSound = func() (microphones, speakers []Device, err error) {
		<-release
		return nil, nil, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		d, err := m.engine(t).Devices(ctx)
		if err != nil || d.Cameras == nil || len(d.Cameras)+len(d.Microphones)+len(d.Speakers) != 0 {
			t.Errorf("%+v, %v", d, err)
		}
	})
	cancel()
	wg.Wait()

	m = calm()
	m.listCameras = func() ([]Device, error) { return nil, errors.New("EIO") }
	d, err := m.engine(t).Devices(t.Context())
	if err != nil || len(d.Cameras) != 0 || len(d.Microphones) != 1 || len(d.Speakers) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}
