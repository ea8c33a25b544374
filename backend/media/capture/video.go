package capture

import (
	"context"
	"errors"
	"image"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
)

// videoSource is a camera or its replacement.
type videoSource interface {
	// Read waits for the next picture, which is valid until the next Read. After Close it returns io.EOF.
	Read() (*image.YCbCr, error)
	Close() error
}

// videoSystem is the cameras of this machine.
type videoSystem interface {
	cameras() ([]Device, error)
	// open opens a camera by id. "" and unknown ids mean the default one. Errors without a fault code count as
	// fault.CameraLost. It may hang.
	open(ctx context.Context, id string) (videoSource, error)
}

// videoEncoder encodes pictures of one size; see package vp8.
type videoEncoder interface {
	Encode(picture *image.YCbCr, at int64, duration uint32, key bool) (payload []byte, isKey bool, err error)
	SetBitrate(bitrate int) error
	Close()
}

const (
	// A camera without a picture for pictureStall counts as dark, and after pictureTimeout as lost.
	pictureStall   = 800 * time.Millisecond
	pictureTimeout = 5 * time.Second
	// keyframeSpacing is the shortest time between two requested keyframes. Requests in between are met by one.
	keyframeSpacing = 100 * time.Millisecond
	// startInterval is the assumed time between pictures until it is known.
	startInterval = time.Second / 30
)

// camera reads a videoSource and encodes its pictures. It implements device.
//
// It has two goroutines. One reads and scales into a free one of three pictures, and the other encodes the newest
// picture. A requested keyframe is made at once from the last encoded picture, because the camera's next picture may
// take 33 ms.
type camera struct {
	source videoSource
	encode func(quality, image.Rectangle) (videoEncoder, error)
	emit   func(payload []byte, key bool, at int64)
	clock  func() int64            // 1/90000 s
	fixed  *quality                // whatever the load; nil adapts
	unseen *atomic.Bool            // set while no picture is needed; pictures are then left out
	limit  *limit                  // what others can have
	effect *atomic.Pointer[string] // see Choice; nil for none
	anew   atomic.Bool             // pictures were left out: the next one is a keyframe
	ladder *governor               // used by the encoder's goroutine; nil before the first picture, and if fixed

	demand  chan struct{} // buffered; full means that a keyframe is already requested
	mailbox chan *image.YCbCr
	free    chan *image.YCbCr
	gone    chan error

	opened      time.Duration
	lastPicture atomic.Int64 // in ns since epoch
	motion      motion
	scaleTime   atomic.Int64 // for the last picture, in ns
	lines       atomic.Int64 // of the source's last picture
	height      atomic.Int64 // lines to scale to

	done  chan struct{}
	stop  sync.Once
	loops sync.WaitGroup
}

type cameraOptions struct {
	encode func(quality, image.Rectangle) (videoEncoder, error)
	emit   func(payload []byte, key bool, at int64)
	clock  func() int64
	fixed  *quality                // whatever the load; nil adapts
	unseen *atomic.Bool            // pictures are left out while it is set; the camera stays open
	limit  *limit                  // what others can have
	effect *atomic.Pointer[string] // see Choice; nil for none
}

// startCamera starts to read source, and owns it from then on.
func startCamera(source videoSource, o cameraOptions) *camera {
	c := &camera{
		source:  source,
		encode:  o.encode,
		emit:    o.emit,
		clock:   o.clock,
		fixed:   o.fixed,
		unseen:  o.unseen,
		limit:   o.limit,
		effect:  o.effect,
		demand:  make(chan struct{}, 1),
		mailbox: make(chan *image.YCbCr, 1),
		free:    make(chan *image.YCbCr, 3),
		gone:    make(chan error, 3),
		done:    make(chan struct{}),
		motion:  newMotion(),
		opened:  time.Since(epoch),
	}
	c.height.Store(int64(c.quality().height))
	for range cap(c.free) {
		c.free <- nil
	}
	c.lastPicture.Store(int64(c.opened))
	c.loops.Add(3)
	go c.guard("read", c.read)
	go c.guard("encode", c.encodeAll)
	go c.guard("watch", c.watch)
	return c
}

// forceKeyframe asks for a keyframe now.
func (c *camera) forceKeyframe() {
	select {
	case c.demand <- struct{}{}:
	default:
	}
}

// moving implements device.
func (c *camera) moving() <-chan bool { return c.motion.news }

// lost implements device.
func (c *camera) lost() <-chan error { return c.gone }

// Close implements device. It waits for a source that hangs.
func (c *camera) Close() error {
	c.stop.Do(func() { close(c.done) })
	err := c.source.Close()
	c.loops.Wait()
	return err
}

// guard runs a loop. Its end and a panic in it count as the loss of the camera.
func (c *camera) guard(name string, loop func() error) {
	defer c.loops.Done()
	defer func() {
		if p := recover(); p != nil {
			c.gone <- fault.Newf(fault.CameraLost, "%s: panic: %v", name, p)
		}
	}()
	if err := loop(); err != nil {
		select {
		case <-c.done:
		default:
			c.gone <- fault.Newf(fault.CameraLost, "%s: %w", name, err)
		}
	}
}

// read moves pictures from the source to the mailbox.
func (c *camera) read() error {
	for {
		picture, err := c.source.Read()
		if err != nil {
			return err
		}
		now := time.Now()
		c.lastPicture.Store(int64(now.Sub(epoch)))
		c.lines.Store(int64(picture.Rect.Dy()))
		if c.unseen.Load() {
			c.anew.Store(true)
			continue
		}
		var into *image.YCbCr
		select {
		case <-c.done:
			return nil
		case into = <-c.free:
		default:
			continue // the encoder is too slow, so this picture is left out
		}
		w, h := fit(picture.Rect.Dx(), picture.Rect.Dy(), int(c.height.Load()))
		if into == nil || into.Rect.Dx() != w || into.Rect.Dy() != h {
			into = image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
		}
		scaleInto(into, picture)
		if c.effect != nil {
			filter(into, *c.effect.Load())
		}
		c.scaleTime.Store(int64(time.Since(now)))
		select {
		case old := <-c.mailbox: // older than this picture, and not being encoded yet
			c.free <- old
		default:
		}
		c.mailbox <- into
	}
}

// encodeAll encodes the pictures in the mailbox.
func (c *camera) encodeAll() error {
	var (
		encoder  videoEncoder
		encoded  quality // of the encoder
		size     image.Rectangle
		last     *image.YCbCr // the picture that was encoded last
		lastAt   int64
		lastKey  int64
		interval = int64(startInterval.Seconds() * codec.VideoClockRate)
		wantKey  = true
		spacing  = time.NewTimer(0) // fires when a postponed request may be met
	)
	<-spacing.C
	defer spacing.Stop()
	defer func() {
		if encoder != nil {
			encoder.Close()
		}
	}()
	for {
		select {
		case <-c.done:
			return nil
		case <-c.demand:
			wantKey = true
			if c.anew.Load() {
				continue // the last picture is an old one
			}
			if wait := keyframeSpacing - codec.VideoTime(c.clock()-lastKey); wait > 0 && lastKey != 0 {
				spacing.Reset(wait)
				continue
			}
		case <-spacing.C:
		case picture := <-c.mailbox:
			if last != nil {
				c.free <- last
			}
			last = picture
			if c.anew.Swap(false) {
				wantKey = true
				c.ladder.pause()
			}
		}
		if last == nil {
			continue
		}
		begin := time.Now()
		at := max(c.clock(), lastAt+1)
		if lastAt != 0 {
			interval += (min(at-lastAt, codec.VideoClockRate) - interval) / 8
		}
		if encoder == nil || size != last.Rect {
			if encoder != nil {
				encoder.Close()
			}
			var err error
			encoded = c.quality()
			if encoder, err = c.encode(encoded, last.Rect); err != nil {
				encoder = nil
				return err
			}
			size, wantKey = last.Rect, true
		}
		mayKey := lastKey == 0 || codec.VideoTime(at-lastKey) >= keyframeSpacing
		payload, key, err := encoder.Encode(last, at, uint32(max(interval, 1)), wantKey && mayKey)
		if err != nil {
			return err
		}
		lastAt = at
		if key {
			lastKey, wantKey = at, false
		}
		if payload != nil {
			c.emit(payload, key, at)
		}
		encoded = c.govern(encoder, encoded, time.Since(begin), codec.VideoTime(interval))
	}
}

// quality returns what to encode: what this machine can handle, within the limit.
func (c *camera) quality() quality {
	q := ladder[startStep]
	switch {
	case c.fixed != nil:
		q = *c.fixed
	case c.ladder != nil:
		q = c.ladder.quality()
	}
	return c.limit.bound(q)
}

// govern adapts the quality to the load of the last picture, and to the limit. encoded is what it was encoded with.
func (c *camera) govern(encoder videoEncoder, encoded quality, took, interval time.Duration) quality {
	if c.fixed == nil {
		if c.ladder == nil {
			c.ladder = newGovernor(int(c.lines.Load()))
		}
		c.ladder.note(time.Since(epoch), took+time.Duration(c.scaleTime.Load()), interval)
	}
	q := c.quality()
	if q.height != encoded.height {
		c.height.Store(int64(q.height))
	}
	if q.bitrate != encoded.bitrate {
		_ = encoder.SetBitrate(q.bitrate) // a new size makes a new encoder anyway
	}
	return q
}

// watch reports whether pictures arrive. It returns an error when none has arrived for pictureTimeout.
func (c *camera) watch() error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return nil
		case now := <-ticker.C:
			last := time.Duration(c.lastPicture.Load())
			still := now.Sub(epoch) - last
			c.motion.tell(last > c.opened && still < pictureStall)
			if still > pictureTimeout {
				return errors.New("no picture")
			}
		}
	}
}

// epoch is the zero of monotonic times in this package.
var epoch = time.Now()

// videoClock returns the time since epoch in 1/90000 s.
func videoClock() int64 { return int64(time.Since(epoch)) / 100 * 9 / 1000 }
