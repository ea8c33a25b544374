//go:build cgo && (linux || porch_native)

package capture

import (
	"context"
	"image"
	"log/slog"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/capture/internal/opus"
	"github.com/porch-call/porch/backend/media/capture/internal/vp8"
	"github.com/porch-call/porch/backend/media/playout"
)

// Available reports whether this build has the native engine.
func Available() bool { return true }

// opusBitrate is the bitrate of the host's voice in bit/s, including error correction.
const opusBitrate = 40_000

// listPatience is how long listing the devices may take.
const listPatience = 5 * time.Second

// Ids of the synthetic devices.
const (
	syntheticCameraID     = "synthetic-picture"
	syntheticMicrophoneID = "synthetic-tone"
)

// Engine is the native media engine. Its methods are safe for concurrent use.
type Engine struct {
	log       *slog.Logger
	synthetic bool
	video     videoSystem
	audio     audioSystem
	screens   screenSystem

	mu       sync.Mutex
	sessions map[*Session]struct{}
	closed   bool
}

// Open returns an engine. It opens no device, and never fails because of one.
func Open(o Options) (*Engine, error) {
	e := &Engine{
		log:       o.Logger,
		synthetic: o.Synthetic,
		video:     systemCameras(),
		audio:     miniaudio{},
		screens:   systemScreens(),
		sessions:  make(map[*Session]struct{}),
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	if e.synthetic {
		e.video = syntheticSystem{}
	}
	return e, nil
}

// Close ends the engine's sessions. It may be called twice.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	var open []*Session
	for s := range e.sessions {
		open = append(open, s)
	}
	e.mu.Unlock()
	for _, s := range open {
		_ = s.Close() // never fails
	}
	return nil
}

// Devices lists the devices. If a driver hangs, its list is empty.
func (e *Engine) Devices(ctx context.Context) (Devices, error) {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	type sound struct{ microphones, speakers []Device }
	cameras := ask(ctx, e.log, "cameras", e.video.cameras)
	sounds := ask(ctx, e.log, "sound devices", func() (sound, error) {
		microphones, speakers, err := e.audio.devices()
		return sound{microphones, speakers}, err
	})
	d := Devices{Cameras: <-cameras}
	s := <-sounds
	d.Microphones, d.Speakers = s.microphones, s.speakers
	if e.synthetic {
		d.Microphones = []Device{{ID: syntheticMicrophoneID, Name: "Tone", Default: true}}
	}
	// The lists are empty rather than nil, because they become JSON arrays.
	for _, list := range []*[]Device{&d.Cameras, &d.Microphones, &d.Speakers} {
		if *list == nil {
			*list = []Device{}
		}
	}
	return d, nil
}

// Screens lists the monitors that can be shared. It returns ScreenMissing or ScreenWayland if there is none.
func (e *Engine) Screens(ctx context.Context) ([]Screen, error) {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	type answer struct {
		list []Screen
		err  error
	}
	a := <-ask(ctx, e.log, "screens", func() (answer, error) {
		list, err := e.screens.screens()
		return answer{list, err}, nil
	})
	if a.err == nil && len(a.list) == 0 {
		a.err = fault.New(fault.ScreenMissing, nil)
	}
	return a.list, a.err
}

// ask calls a driver on a goroutine of its own. If the call hangs, fails or panics, there is no answer.
func ask[T any](ctx context.Context, log *slog.Logger, what string, question func() (T, error)) <-chan T {
	answered := make(chan T, 1)
	go func() {
		answer := make(chan T, 1)
		go func() {
			var a T
			defer func() {
				if p := recover(); p != nil {
					log.Warn("driver panicked", "listing", what, "panic", p)
				}
				answer <- a
			}()
			found, err := question()
			if err != nil {
				log.Info("no devices", "listing", what, "cause", err)
				return
			}
			a = found
		}()
		select {
		case a := <-answer:
			answered <- a
		case <-ctx.Done():
			log.Warn("driver hangs", "listing", what)
			var nothing T
			answered <- nothing
		}
	}()
	return answered
}

// Start begins a session. It opens each device on its own, and returns without waiting for them. ctx bounds only the
// start.
func (e *Engine) Start(ctx context.Context, setup Setup, sink Sink) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	encoder, err := opus.NewEncoder(opusBitrate)
	if err != nil {
		return nil, fault.New(fault.EngineUnavailable, err)
	}
	processor, err := newSoundProcessor(setup.Choice.Sound)
	if err != nil {
		encoder.Close()
		return nil, fault.New(fault.EngineUnavailable, err)
	}
	s := newSession(e, setup, sink, encoder, processor)
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.sessions[s] = struct{}{}
	}
	e.mu.Unlock()
	if closed {
		_ = s.Close() // never fails
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	s.start()
	return s, nil
}

func (e *Engine) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s)
}

func newVideoEncoder(q quality, size image.Rectangle) (videoEncoder, error) {
	threads := 1
	if size.Dy() > 540 {
		threads = 2
	}
	return vp8.NewEncoder(vp8.Config{Width: size.Dx(), Height: size.Dy(), Bitrate: q.bitrate, Threads: threads})
}

// newScreenEncoder returns an encoder whose pictures stay sharp.
func newScreenEncoder(q quality, size image.Rectangle) (videoEncoder, error) {
	return vp8.NewEncoder(vp8.Config{Width: size.Dx(), Height: size.Dy(), Bitrate: q.bitrate, Threads: 2, Screen: true})
}

func newSoundDecoder() (playout.Decoder, error) { return opus.NewDecoder() }

// syntheticSystem is the videoSystem of synthetic pictures.
type syntheticSystem struct{}

func (syntheticSystem) cameras() ([]Device, error) {
	return []Device{{ID: syntheticCameraID, Name: "Moving picture", Default: true}}, nil
}

func (syntheticSystem) open(context.Context, string) (videoSource, error) {
	return newSyntheticVideo(), nil
}
