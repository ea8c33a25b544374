package capture

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
)

// Sound is processed in blocks of 10 ms, 48 kHz, mono, 16 bit, because the audio processing module takes those.
const (
	blockTime = 10 * time.Millisecond
	blockSize = codec.AudioClockRate / 100
)

// A sound device without data for soundStall counts as silent, and after soundTimeout as lost. Drivers report that
// late or never.
const (
	soundStall   = 600 * time.Millisecond
	soundTimeout = time.Second
	// soundStart is how long a newly opened device may stall. PulseAudio's virtual devices use blocks of up to two
	// seconds until a client asks for less.
	soundStart = 5 * time.Second
	// soundSteady is how long a device must run without stalling to count as started before soundStart is over.
	soundSteady = time.Second
)

// audioSystem is the microphones and speakers of this machine. Its methods may hang.
type audioSystem interface {
	devices() (microphones, speakers []Device, err error)
	// capture opens a microphone by id. "" and unknown ids mean the default one. The driver's thread calls take with
	// a few milliseconds of sound, which is valid during the call.
	capture(id string, take func(pcm []int16)) (audioDevice, error)
	// playback opens a speaker. The driver's thread calls fill, which writes all of pcm.
	playback(id string, fill func(pcm []int16)) (audioDevice, error)
}

// audioDevice is an open microphone or speaker.
type audioDevice interface {
	// stopped is closed when the driver reports that the device has stopped.
	stopped() <-chan struct{}
	Close() error
}

// watchedSound is an audioDevice with a watchdog. It implements device.
type watchedSound struct {
	audioDevice
	opened time.Duration
	began  atomic.Bool  // data has been transferred
	last   atomic.Int64 // time of the last transfer (before the first one, of opening), in ns since epoch
	since  atomic.Int64 // since when data has been transferred without stalling
	motion motion
	gone   chan error
	done   chan struct{}
	stop   sync.Once
	ended  chan struct{}
	closed error
}

// watchSound opens an audioDevice and watches it. It passes a wrapped callback to open. code is the fault to report
// when the device is lost.
func watchSound(code fault.Code, callback func(pcm []int16), open func(func(pcm []int16)) (audioDevice, error)) (*watchedSound, error) {
	w := &watchedSound{
		opened: time.Since(epoch), motion: newMotion(),
		gone: make(chan error, 2), done: make(chan struct{}), ended: make(chan struct{}),
	}
	w.last.Store(int64(w.opened))
	var once sync.Once
	dev, err := open(func(pcm []int16) {
		now := int64(time.Since(epoch))
		if was := w.last.Swap(now); !w.began.Swap(true) || now-was > int64(soundStall) {
			w.since.Store(now)
		}
		defer func() {
			// A panic on the driver's thread would end the process.
			if p := recover(); p != nil {
				clear(pcm)
				once.Do(func() { w.gone <- fault.Newf(code, "panic: %v", p) })
			}
		}()
		callback(pcm)
	})
	if err != nil {
		return nil, err
	}
	w.audioDevice = dev
	go w.watch(code)
	return w, nil
}

func (w *watchedSound) watch(code fault.Code) {
	defer close(w.ended)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-w.stopped():
			w.gone <- fault.New(code, errors.New("the driver stopped it"))
			return
		case now := <-ticker.C:
			last := time.Duration(w.last.Load())
			still, steady := now.Sub(epoch)-last, w.began.Load() && last-time.Duration(w.since.Load()) >= soundSteady
			starting := !steady && now.Sub(epoch) <= w.opened+soundStart
			w.motion.tell(w.began.Load() && (still < soundStall || starting))
			if still > soundTimeout && !starting {
				w.gone <- fault.New(code, errors.New("no data"))
				return
			}
		}
	}
}

// moving implements device.
func (w *watchedSound) moving() <-chan bool { return w.motion.news }

// lost implements device.
func (w *watchedSound) lost() <-chan error { return w.gone }

// Close implements device.
func (w *watchedSound) Close() error {
	w.stop.Do(func() {
		close(w.done)
		<-w.ended
		w.closed = w.audioDevice.Close()
	})
	return w.closed
}

// blocks cuts sound of any length into blocks of blockSize.
type blocks struct {
	rest []int16
}

// each calls do for every whole block. The block is valid during the call.
func (b *blocks) each(pcm []int16, do func(block []int16)) {
	b.rest = append(b.rest, pcm...)
	n := 0
	for ; len(b.rest)-n >= blockSize; n += blockSize {
		do(b.rest[n : n+blockSize])
	}
	b.rest = append(b.rest[:0], b.rest[n:]...)
}
