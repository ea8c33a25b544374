package capture

import (
	"errors"
	"image"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
)

// fakeCamera is a videoSource whose pictures come from the test.
type fakeCamera struct {
	pictures chan *image.YCbCr // a nil picture makes Read panic
	done     chan struct{}
	once     sync.Once
}

func newFakeCamera() *fakeCamera {
	return &fakeCamera{pictures: make(chan *image.YCbCr), done: make(chan struct{})}
}

func (c *fakeCamera) Read() (*image.YCbCr, error) {
	select {
	case p, ok := <-c.pictures:
		if !ok {
			return nil, errors.New("unplugged")
		}
		return p, nil
	case <-c.done:
		return nil, io.EOF
	}
}

func (c *fakeCamera) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// fakeEncoder encodes a picture as its size.
type fakeEncoder struct{ size image.Rectangle }

func (e fakeEncoder) Encode(p *image.YCbCr, _ int64, _ uint32, key bool) ([]byte, bool, error) {
	if p.Rect != e.size {
		return nil, false, errors.New("wrong size")
	}
	return []byte{byte(p.Rect.Dx() / 10), byte(p.Rect.Dy() / 10)}, key, nil
}

func (fakeEncoder) SetBitrate(int) error { return nil }
func (fakeEncoder) Close()               {}

type emitted struct {
	payload []byte
	key     bool
	at      int64
}

func startFakeCamera(t *testing.T) (*fakeCamera, *camera, <-chan emitted) {
	t.Helper()
	source := newFakeCamera()
	out := make(chan emitted, 100)
	c := startCamera(source, cameraOptions{
		encode: func(_ quality, size image.Rectangle) (videoEncoder, error) { return fakeEncoder{size}, nil },
		clock:  videoClock,
		unseen: new(atomic.Bool),
		limit:  new(limit),
		emit:   func(payload []byte, key bool, at int64) { out <- emitted{payload, key, at} },
	})
	t.Cleanup(func() { _ = c.Close() })
	return source, c, out
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func blank(w, h int) *image.YCbCr {
	return image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
}

func TestCameraScalesAndBeginsWithAKeyframe(t *testing.T) {
	source, _, out := startFakeCamera(t)
	source.pictures <- blank(1280, 720)
	first := receive(t, "a frame", out)
	if !first.key || first.payload[0] != 64 || first.payload[1] != 36 {
		t.Errorf("%+v", first)
	}
	source.pictures <- blank(1280, 720)
	if second := receive(t, "a second frame", out); second.key || second.at <= first.at {
		t.Errorf("%+v after %+v", second, first)
	}
	// The camera is turned on its side.
	source.pictures <- blank(480, 640)
	if third := receive(t, "a third frame", out); third.payload[0] != 27 || third.payload[1] != 36 {
		t.Errorf("%+v", third)
	}
}

// A requested keyframe does not wait for the next picture.
func TestCameraKeyframeWithoutANewPicture(t *testing.T) {
	source, c, out := startFakeCamera(t)
	source.pictures <- blank(640, 360)
	first := receive(t, "a frame", out)
	c.forceKeyframe()
	again := receive(t, "a keyframe", out)
	if !again.key || again.at <= first.at {
		t.Errorf("%+v after %+v", again, first)
	}
	if gap := codec.VideoTime(again.at - first.at); gap < keyframeSpacing {
		t.Errorf("the second keyframe comes %v after the first", gap)
	}
}

// TestCameraThatNobodySees: no picture is encoded, not even on request, and the first one after that is a keyframe of
// what the camera sees then.
func TestCameraThatNobodySees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeCamera()
		var out []emitted
		begin := time.Now() // epoch is of another clock
		c := startCamera(source, cameraOptions{
			encode: func(_ quality, size image.Rectangle) (videoEncoder, error) { return fakeEncoder{size}, nil },
			clock:  func() int64 { return int64(time.Since(begin)) / 100 * 9 / 1000 },
			unseen: new(atomic.Bool),
			limit:  new(limit),
			emit:   func(payload []byte, key bool, at int64) { out = append(out, emitted{payload, key, at}) },
		})
		show := func(w, h int) {
			source.pictures <- blank(w, h)
			time.Sleep(keyframeSpacing)
			synctest.Wait()
		}
		show(640, 360)
		c.unseen.Store(true)
		for range 3 {
			show(640, 360)
		}
		c.forceKeyframe()
		time.Sleep(keyframeSpacing)
		c.unseen.Store(false)
		c.forceKeyframe()
		time.Sleep(keyframeSpacing)
		synctest.Wait()
		if len(out) != 1 {
			t.Errorf("%d frames that nobody sees", len(out)-1)
		}
		show(480, 640)
		if next := out[len(out)-1]; len(out) != 2 || !next.key || next.payload[0] != 27 {
			t.Errorf("%d frames, the last %+v", len(out), next)
		}
		_ = c.Close()
	})
}

func TestCameraUnplugged(t *testing.T) {
	source, c, _ := startFakeCamera(t)
	close(source.pictures)
	if err := receive(t, "the loss", c.lost()); fault.CodeOf(err) != fault.CameraLost {
		t.Error(err)
	}
}

func TestCameraWhoseDriverPanics(t *testing.T) {
	source, c, _ := startFakeCamera(t)
	source.pictures <- nil
	if err := receive(t, "the loss", c.lost()); fault.CodeOf(err) != fault.CameraLost {
		t.Error(err)
	}
}

func TestCameraThatFreezes(t *testing.T) {
	_, c, _ := startFakeCamera(t)
	c.lastPicture.Store(int64(time.Since(epoch) - 2*pictureTimeout))
	if err := receive(t, "the loss", c.lost()); fault.CodeOf(err) != fault.CameraLost {
		t.Error(err)
	}
}

// TestCameraThatGoesDark: the loss of pictures and their return are each reported within a second.
func TestCameraThatGoesDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeCamera()
		c := startCamera(source, cameraOptions{
			encode: func(_ quality, size image.Rectangle) (videoEncoder, error) { return fakeEncoder{size}, nil },
			clock:  videoClock,
			unseen: new(atomic.Bool),
			limit:  new(limit),
			emit:   func([]byte, bool, int64) {},
		})
		var news []bool
		look := func(after time.Duration) {
			time.Sleep(after)
			synctest.Wait()
			select {
			case moving := <-c.moving():
				news = append(news, moving)
			default:
			}
		}
		look(3 * time.Second) // it warms up
		if len(news) != 0 {
			t.Errorf("before the first picture: %v", news)
		}
		for range 10 {
			source.pictures <- blank(640, 360)
			look(pictureStall / 2) // a dark room, where pictures take longer
		}
		look(time.Second - pictureStall/2)
		source.pictures <- blank(640, 360)
		look(lookEvery)
		if !slices.Equal(news, []bool{true, false, true}) {
			t.Errorf("told %v", news)
		}
		_ = c.Close()
	})
}

func TestGovernor(t *testing.T) {
	const interval = 33 * time.Millisecond
	run := func(g *governor, from time.Duration, share float64, length time.Duration) (changes int, now time.Duration) {
		for now = from; now < from+length; now += interval {
			if g.note(now, time.Duration(share*float64(interval)), interval) {
				changes++
			}
		}
		return changes, now
	}
	g := newGovernor(720)
	if q := g.quality(); q.height != 360 {
		t.Errorf("begins with %+v", q)
	}
	_, now := run(g, 0, 0.05, time.Minute)
	if q := g.quality(); q.height != 720 {
		t.Errorf("idle: %+v", q)
	}
	run(g, now, 0.9, 10*time.Second)
	if q := g.quality(); q.height != 270 {
		t.Errorf("busy: %+v", q)
	}
	// On a machine where every step up fails, the steps up become rarer.
	g = newGovernor(720)
	changes := 0
	for now := time.Duration(0); now < 10*time.Minute; now += interval {
		share := 0.05
		if g.step > 1 {
			share = 0.8
		}
		changes += one(g.note(now, time.Duration(share*float64(interval)), interval))
	}
	if changes > 16 {
		t.Errorf("%d changes in ten minutes", changes)
	}
	if changes, _ = run(newGovernor(360), 0, 0.01, time.Hour); changes != 0 {
		t.Errorf("a camera of 360 lines is enlarged")
	}
}
