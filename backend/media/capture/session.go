//go:build cgo && (linux || porch_native)

package capture

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
	"github.com/porch-call/porch/backend/media/playout"
	"github.com/porch-call/porch/backend/signalling"
)

// Session is the capture and playback of one call. Its methods are safe for concurrent use. Except for Close, they
// don't wait for devices.
type Session struct {
	engine    *Engine
	sink      Sink
	processor *soundProcessor
	effect    atomic.Pointer[string] // see Choice; never nil
	others    *playout.Receiver      // the other participants
	voice     *audioUplink
	picture   *videoUplink // one for all cameras, so that receivers see one stream
	encoder   soundEncoder
	status    *status
	camera    atomic.Pointer[camera] // nil while no camera is open
	unseen    atomic.Bool            // the host's picture is not needed
	limit     limit                  // of the host's picture
	screen    *videoUplink
	presented atomic.Pointer[presentation] // nil while no screen is shared

	mic      chan soundBlock // from the driver's thread to the encoder's goroutine
	micEnd   chan struct{}
	micEnded chan struct{}

	mu         sync.Mutex
	choice     Choice
	cameraOff  bool
	closed     bool
	cameraJob  *job
	micJob     *job
	speakerJob *job
}

// micQueue is how many blocks may wait for the encoder: 320 ms.
const micQueue = 32

func newSession(e *Engine, setup Setup, sink Sink, encoder soundEncoder, processor *soundProcessor) *Session {
	s := &Session{
		engine:    e,
		sink:      sink,
		processor: processor,
		others:    playout.New(newSoundDecoder, shown{sink}),
		voice:     newAudioUplink(encoder, sink),
		status:    newStatus(sink),
		picture:   newVideoUplink(signalling.KindVideo, sink),
		screen:    newVideoUplink(signalling.KindScreen, sink),
		encoder:   encoder,
		mic:       make(chan soundBlock, micQueue),
		micEnd:    make(chan struct{}),
		micEnded:  make(chan struct{}),
		choice:    setup.Choice,
		cameraOff: setup.CameraOff,
	}
	s.effect.Store(&setup.Choice.Effect)
	s.voice.muted.Store(setup.Muted)
	go s.sendSound()
	return s
}

func (s *Session) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.startSpeaker()
	s.startMicrophone()
	if !s.cameraOff {
		s.startCamera()
	}
}

// SetMuted stops and resumes the sending of audio. The microphone stays open, so that the first words after unmuting
// are not cut off. While muted, its sound goes only to the echo canceller.
func (s *Session) SetMuted(muted bool) { s.voice.muted.Store(muted) }

// SetCameraOff closes the camera, so that its light goes out, and stops the encoder, or opens the camera again.
func (s *Session) SetCameraOff(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || off == s.cameraOff {
		return
	}
	s.cameraOff = off
	if off {
		s.cameraJob.cancel()
		s.status.fault(ofCamera, "")
	} else {
		s.startCamera()
	}
}

// SetUnseen says whether the host's picture is seen neither in the call nor in the window. While it is not, pictures are
// not scaled or encoded, and the camera stays open. The first picture after that is a keyframe.
func (s *Session) SetUnseen(unseen bool) { s.unseen.Store(unseen) }

// AssumeLoss says which share of the host's sound receivers are assumed to lose. The more it is, the more of the bitrate
// goes into repairing that.
func (s *Session) AssumeLoss(share float64) {
	s.voice.assumed.Store(int32(math.Ceil(100 * min(share, 1))))
}

// Limit says what others can have of the host's picture: bit/s, and lines. 0 is no limit. The encoder's rate changes at
// once, and its size with the next picture.
func (s *Session) Limit(bitrate, lines int) { s.limit.set(bitrate, lines) }

// ForceKeyframe makes a keyframe of the host's picture at once, but at most ten a second.
func (s *Session) ForceKeyframe() {
	if c := s.camera.Load(); c != nil {
		c.forceKeyframe()
	}
}

// Switch changes to other devices. Devices that stay the same are not touched.
func (s *Session) Switch(choice Choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	was := s.choice
	s.choice = choice
	if choice.Speaker != was.Speaker {
		s.startSpeaker()
	}
	if choice.Microphone != was.Microphone {
		s.startMicrophone()
	}
	s.effect.Store(&choice.Effect)
	if choice.Sound != was.Sound {
		s.processor.keep(choice.Sound)
	}
	if choice.Camera != was.Camera && !s.cameraOff {
		s.startCamera()
	}
}

// ReceiveRTP takes a packet from another participant, which is valid only during the call. Packets of one participant
// and kind come from one goroutine. Lost packets may still arrive up to roundTrip later, which is the round trip to
// the participant, 0 for unknown.
func (s *Session) ReceiveRTP(participant string, kind signalling.Kind, pkt *rtp.Packet, roundTrip time.Duration) {
	switch kind {
	case signalling.KindAudio:
		s.others.ReceiveAudio(participant, pkt)
	case signalling.KindVideo:
		s.others.ReceiveVideo(participant, pkt, roundTrip)
	}
}

// shown shows the other participants' pictures. It implements playout.Sink.
type shown struct{ Sink }

// Show implements playout.Sink.
func (s shown) Show(participant string, f frames.Frame) {
	s.Frame(Frame{Participant: participant, Key: f.Key, Timestamp: f.At, Payload: f.Payload})
}

// Close releases the devices and ends the session. It gives up on a driver that hangs. It may be called twice.
func (s *Session) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	jobs := []*job{s.cameraJob, s.micJob, s.speakerJob}
	s.mu.Unlock()
	for _, j := range jobs {
		j.cancel()
	}
	s.StopScreen()
	for _, j := range jobs {
		j.wait()
	}
	if first {
		close(s.micEnd)
	}
	<-s.micEnded
	if first {
		s.others.Close()
		s.processor.close()
		s.encoder.Close()
		s.engine.forget(s)
	}
	return nil
}

// startCamera, startMicrophone and startSpeaker replace the running keeper. The caller holds s.mu.

func (s *Session) startCamera() {
	id := s.choice.Camera
	s.cameraJob = s.cameraJob.replace(keeper{
		what:  "camera",
		wrong: fault.CameraLost,
		tell:  func(code fault.Code) { s.status.fault(ofCamera, code) },
		log:   s.engine.log,
		open: func(ctx context.Context) (device, error) {
			source, err := s.engine.video.open(ctx, id)
			if err != nil {
				return nil, err
			}
			return s.openCamera(source), nil
		},
	})
}

func (s *Session) openCamera(source videoSource) device {
	var fixed *quality
	if s.engine.synthetic {
		fixed = &ladder[startStep]
	}
	c := startCamera(source, cameraOptions{
		encode: newVideoEncoder,
		fixed:  fixed,
		clock:  videoClock,
		effect: &s.effect,
		unseen: &s.unseen,
		limit:  &s.limit,
		emit: func(payload []byte, key bool, at int64) {
			s.picture.write(payload, at)
			s.sink.Frame(Frame{Participant: codec.HostID, Key: key, Timestamp: codec.VideoTime(at), Payload: payload})
		},
	})
	s.camera.Store(c)
	return shownCamera{c, s}
}

// shownCamera is an open camera that ForceKeyframe can use.
type shownCamera struct {
	*camera
	session *Session
}

// Close implements device.
func (c shownCamera) Close() error {
	c.session.camera.CompareAndSwap(c.camera, nil)
	return c.camera.Close()
}

func (s *Session) startMicrophone() {
	id := s.choice.Microphone
	s.micJob = s.micJob.replace(keeper{
		what:  "microphone",
		wrong: fault.MicrophoneLost,
		tell:  func(code fault.Code) { s.status.fault(ofMicrophone, code) },
		log:   s.engine.log,
		open: func(context.Context) (device, error) {
			var cut blocks
			from := microphone{queue: s.mic}
			return watchSound(fault.MicrophoneLost, func(pcm []int16) {
				cut.each(pcm, from.hear)
			}, func(take func([]int16)) (audioDevice, error) {
				if s.engine.synthetic {
					return newSyntheticAudio(take), nil
				}
				return s.engine.audio.capture(id, take)
			})
		},
	})
}

// sendSound cleans, encodes and sends the microphone's sound.
func (s *Session) sendSound() {
	defer close(s.micEnded)
	for {
		select {
		case <-s.micEnd:
			return
		case block := <-s.mic:
			if !s.engine.synthetic {
				s.processor.capture(block.pcm[:])
			}
			if err := s.voice.write(&block); err != nil {
				s.engine.log.Debug("sound not sent", "cause", err)
			}
			s.status.hear(s.voice.heard())
		}
	}
}

func (s *Session) startSpeaker() {
	id := s.choice.Speaker
	s.speakerJob = s.speakerJob.replace(keeper{
		what:  "speaker",
		wrong: fault.SpeakerLost,
		tell: func(code fault.Code) {
			if code == fault.SpeakerMissing && s.engine.synthetic {
				code = "" // synthetic sources are for machines without devices
			}
			s.status.fault(ofSpeaker, code)
		},
		log: s.engine.log,
		open: func(context.Context) (device, error) {
			var (
				block [blockSize]int16
				rest  []int16
			)
			return watchSound(fault.SpeakerLost, func(pcm []int16) {
				for len(pcm) > 0 {
					if len(rest) == 0 {
						s.others.Fill(block[:])
						s.processor.render(block[:])
						rest = block[:]
					}
					n := copy(pcm, rest)
					pcm, rest = pcm[n:], rest[n:]
				}
			}, func(fill func([]int16)) (audioDevice, error) { return s.engine.audio.playback(id, fill) })
		},
	})
}

// job is a running keeper.
type job struct {
	stop context.CancelFunc
	done chan struct{}
}

// replace ends j, which may be nil, and runs k once j has released its device.
func (j *job) replace(k keeper) *job {
	j.cancel()
	ctx, stop := context.WithCancel(context.Background())
	next := &job{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(next.done)
		j.wait()
		k.run(ctx)
	}()
	return next
}

func (j *job) cancel() {
	if j != nil {
		j.stop()
	}
}

func (j *job) wait() {
	if j != nil {
		<-j.done
	}
}
