package capture

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// fakeDevice is a device that the test ends.
type fakeDevice struct {
	gone   chan error
	motion chan bool
	closed atomic.Int32
	close  func() // nil for a Close that returns at once
}

// newFakeDevice returns a fakeDevice whose data moves.
func newFakeDevice() *fakeDevice {
	d := &fakeDevice{gone: make(chan error, 1), motion: make(chan bool, 1)}
	d.motion <- true
	return d
}

func (d *fakeDevice) moving() <-chan bool { return d.motion }

func (d *fakeDevice) lost() <-chan error { return d.gone }

func (d *fakeDevice) Close() error {
	d.closed.Add(1)
	if d.close != nil {
		d.close()
	}
	return nil
}

// kept runs a keeper in a synctest bubble.
type kept struct {
	mu    sync.Mutex
	told  []fault.Code
	stop  context.CancelFunc
	ended chan struct{}
}

func keep(t *testing.T, open func(ctx context.Context) (device, error)) *kept {
	t.Helper()
	k := &kept{ended: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	k.stop = stop
	go func() {
		defer close(k.ended)
		keeper{
			what:  "camera",
			open:  open,
			wrong: fault.CameraLost,
			tell: func(code fault.Code) {
				k.mu.Lock()
				defer k.mu.Unlock()
				k.told = append(k.told, code)
			},
			log: slog.New(slog.DiscardHandler),
		}.run(ctx)
	}()
	return k
}

func (k *kept) mustHaveTold(t *testing.T, codes ...fault.Code) {
	t.Helper()
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.told, codes) {
		t.Errorf("told %q, want %q", k.told, codes)
	}
}

func (k *kept) end() {
	k.stop()
	<-k.ended
}

func TestKeeperOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := newFakeDevice()
		k := keep(t, func(context.Context) (device, error) { return dev, nil })
		k.mustHaveTold(t, "")
		k.end()
		if n := dev.closed.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

func TestKeeperTellsEachStateOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 0
		dev := newFakeDevice()
		k := keep(t, func(context.Context) (device, error) {
			if refusals++; refusals <= 5 {
				return nil, fault.New(fault.CameraMissing, nil)
			}
			return dev, nil
		})
		time.Sleep(4 * retryEvery)
		k.mustHaveTold(t, fault.CameraMissing)
		time.Sleep(2 * retryEvery)
		k.mustHaveTold(t, fault.CameraMissing, "")
		dev.gone <- fault.New(fault.CameraLost, nil)
		k.mustHaveTold(t, fault.CameraMissing, "", fault.CameraLost)
		dev.motion <- true
		if n := dev.closed.Load(); n != 1 {
			t.Errorf("the lost device is closed %d times", n)
		}
		time.Sleep(2 * retryEvery)
		k.mustHaveTold(t, fault.CameraMissing, "", fault.CameraLost, "")
		k.end()
	})
}

// A device that opens and delivers no data does not work. One that pauses works again when its data returns.
func TestKeeperTellsOfDevicesThatGiveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := newFakeDevice()
		<-dev.motion
		openings := 0
		k := keep(t, func(context.Context) (device, error) {
			if openings++; openings == 1 {
				return nil, fault.New(fault.CameraBusy, nil)
			}
			return dev, nil
		})
		time.Sleep(2 * retryEvery)
		k.mustHaveTold(t, fault.CameraBusy)
		for _, moving := range []bool{true, false, true} {
			dev.motion <- moving
			synctest.Wait()
		}
		k.mustHaveTold(t, fault.CameraBusy, "", fault.CameraLost, "")
		if openings != 2 || dev.closed.Load() != 0 {
			t.Errorf("opened %d times, closed %d", openings, dev.closed.Load())
		}
		k.end()
	})
}

func TestKeeperHangingDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var openings atomic.Int32
		release := make(chan struct{})
		dev := newFakeDevice()
		k := keep(t, func(context.Context) (device, error) {
			openings.Add(1)
			<-release
			return dev, nil
		})
		k.mustHaveTold(t)
		time.Sleep(openPatience)
		k.mustHaveTold(t, fault.CameraLost)
		time.Sleep(time.Hour)
		if n := openings.Load(); n != 1 {
			t.Errorf("a hanging driver is opened %d times", n)
		}
		close(release)
		k.mustHaveTold(t, fault.CameraLost, "")
		k.end()
	})
}

// The session can end while a driver hangs. A device that the driver returns later is closed.
func TestKeeperEndsWhileTheDriverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		dev := newFakeDevice()
		k := keep(t, func(context.Context) (device, error) {
			<-release
			return dev, nil
		})
		synctest.Wait()
		k.end()
		close(release)
		synctest.Wait()
		if n := dev.closed.Load(); n != 1 {
			t.Errorf("the late device is closed %d times", n)
		}
	})
}

func TestKeeperDriverThatHangsAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		dev := newFakeDevice()
		dev.close = func() { <-release }
		k := keep(t, func(context.Context) (device, error) { return dev, nil })
		k.mustHaveTold(t, "")
		before := time.Now()
		k.end()
		if took := time.Since(before); took != closePatience {
			t.Errorf("gave up after %v", took)
		}
		close(release)
	})
}

func TestKeeperDriverThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := newFakeDevice()
		dev.close = func() { panic("driver") }
		tries := 0
		k := keep(t, func(context.Context) (device, error) {
			if tries++; tries == 1 {
				panic("driver")
			}
			return dev, nil
		})
		k.mustHaveTold(t, fault.CameraLost)
		time.Sleep(retryEvery)
		k.mustHaveTold(t, fault.CameraLost, "")
		k.end()
	})
}

func TestKeeperErrorWithoutACode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(t, func(context.Context) (device, error) { return nil, errors.New("EIO") })
		k.mustHaveTold(t, fault.CameraLost)
		k.end()
	})
}

// fakeSound is an audioDevice whose driver is the test.
type fakeSound struct {
	halted chan struct{}
	closed atomic.Int32
	data   func([]int16)
}

func (s *fakeSound) stopped() <-chan struct{} { return s.halted }

func (s *fakeSound) Close() error {
	s.closed.Add(1)
	return nil
}

func watchFake(t *testing.T, callback func([]int16)) (*watchedSound, *fakeSound) {
	t.Helper()
	fake := &fakeSound{halted: make(chan struct{})}
	w, err := watchSound(fault.MicrophoneLost, callback, func(data func([]int16)) (audioDevice, error) {
		fake.data = data
		return fake, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, fake
}

func lostNow(w *watchedSound) bool {
	synctest.Wait()
	select {
	case err := <-w.lost():
		return fault.CodeOf(err) == fault.MicrophoneLost
	default:
		return false
	}
}

func TestSoundWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, fake := watchFake(t, func([]int16) {})
		time.Sleep(soundStart - time.Second)
		if lostNow(w) {
			t.Error("lost before it began")
		}
		for range 100 {
			fake.data(nil)
			time.Sleep(soundTimeout * 9 / 10)
		}
		if lostNow(w) {
			t.Error("lost while data moves")
		}
		time.Sleep(soundTimeout)
		if !lostNow(w) {
			t.Error("not lost without data")
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := fake.closed.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

// TestSoundThatGoesSilent: silence is reported within a second. The report is withdrawn if sound returns before the
// device is given up.
func TestSoundThatGoesSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, fake := watchFake(t, func([]int16) {})
		news := func() string {
			synctest.Wait()
			select {
			case moving := <-w.moving():
				return map[bool]string{true: "moves", false: "still"}[moving]
			default:
				return ""
			}
		}
		hear := func(d time.Duration) {
			for range d / blockTime {
				fake.data(nil)
				time.Sleep(blockTime)
			}
		}
		time.Sleep(time.Second)
		if got := news(); got != "" {
			t.Errorf("before the first sound: %q", got)
		}
		hear(lookEvery)
		if got := news(); got != "moves" {
			t.Errorf("with the first sound: %q", got)
		}
		time.Sleep(2 * time.Second) // some devices begin like this
		if got := news(); got != "" {
			t.Errorf("while it starts: %q", got)
		}
		hear(soundSteady + lookEvery)
		time.Sleep(soundStall - lookEvery)
		if got := news(); got != "" {
			t.Errorf("after a short pause: %q", got)
		}
		time.Sleep(2 * lookEvery)
		if got := news(); got != "still" || lostNow(w) {
			t.Errorf("without sound: %q", got)
		}
		hear(lookEvery)
		if got := news(); got != "moves" {
			t.Errorf("with sound again: %q", got)
		}
		_ = w.Close()
	})
}

func TestSoundStoppedByTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, fake := watchFake(t, func([]int16) {})
		close(fake.halted)
		if !lostNow(w) {
			t.Error("not lost")
		}
		_ = w.Close()
	})
}

func TestSoundCallbackThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, fake := watchFake(t, func([]int16) { panic("ours") })
		pcm := []int16{1, 2, 3}
		fake.data(pcm)
		fake.data(pcm)
		if pcm[0] != 0 {
			t.Error("what was in the buffer is played")
		}
		if !lostNow(w) {
			t.Error("not lost")
		}
		_ = w.Close()
	})
}

func TestBlocks(t *testing.T) {
	var cut blocks
	var got []int16
	n := int16(0)
	for _, size := range []int{1, 479, 480, 481, 2000, 0, 3} {
		pcm := make([]int16, size)
		for i := range pcm {
			pcm[i] = n
			n++
		}
		cut.each(pcm, func(block []int16) {
			if len(block) != blockSize {
				t.Errorf("block of %d", len(block))
			}
			got = append(got, block...)
		})
	}
	if len(got) != int(n)/blockSize*blockSize {
		t.Errorf("%d samples of %d", len(got), n)
	}
	for i, s := range got {
		if int(s) != i {
			t.Fatalf("sample %d is %d", i, s)
		}
	}
}

// late is a device that a driver opens after the session has ended.
type late struct{ device }

// TestLateFailureIsNoDevice: a driver fails with a nil of its own type after its session has ended.
func TestLateFailureIsNoDevice(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opening, fail := make(chan struct{}), make(chan struct{})
	k := keeper{what: "microphone", wrong: fault.MicrophoneLost, wait: time.Minute, open: func(context.Context) (device, error) {
		close(opening)
		<-fail
		return (*late)(nil), errors.New("busy")
	}}
	ended := make(chan error)
	go func() {
		_, err := k.attempt(ctx, func(fault.Code, error) {})
		ended <- err
	}()
	<-opening
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(fail) // a panic would end the test process; leak checks wait for the goroutine
}
