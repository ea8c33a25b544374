package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

const (
	// openPatience is how long a driver may take to open or to close.
	openPatience  = 10 * time.Second
	closePatience = 2 * time.Second
	// retryEvery is how often a device that is not there is looked for.
	retryEvery = 2 * time.Second
	// lookEvery is how often a device's data is looked at. With soundStall and
	// pictureStall, others know within a second that nothing comes any more.
	lookEvery = 100 * time.Millisecond
)

// device is an open camera, microphone or speaker.
type device interface {
	// moving sends true when data has begun to move, and false when none has come
	// for so long that others should know. It holds the newest only.
	moving() <-chan bool
	// lost is closed, or sends why, when the device no longer works by itself.
	lost() <-chan error
	// Close releases the device. It may be called twice.
	Close() error
}

// keeper keeps one device open for as long as it runs: it opens it, opens it
// again when it was lost, and tells what is wrong. A driver that hangs or panics
// costs a goroutine, never the session.
type keeper struct {
	what  string // for the log
	open  func(ctx context.Context) (device, error)
	wrong fault.Code            // what to tell when opening takes forever
	tell  func(code fault.Code) // a new state: "" when the device works
	log   *slog.Logger
	retry time.Duration // 0: retryEvery
	wait  time.Duration // 0: openPatience
}

// run keeps the device open until ctx ends, and returns when it is closed.
func (k keeper) run(ctx context.Context) {
	if k.retry == 0 {
		k.retry = retryEvery
	}
	if k.wait == 0 {
		k.wait = openPatience
	}
	state := fault.Code("unknown")
	tell := func(code fault.Code, cause error) {
		if code == state {
			return
		}
		state = code
		if code != "" {
			k.log.Warn("device not usable", "device", k.what, "fault", string(code), "cause", cause)
		}
		k.tell(code)
	}
	for ctx.Err() == nil {
		dev, err := k.attempt(ctx, tell)
		if err == nil {
			err = k.watch(ctx, dev, tell)
			closeDevice(dev)
		}
		if ctx.Err() != nil {
			return
		}
		tell(fault.CodeOf(err), err)
		select {
		case <-ctx.Done():
		case <-time.After(k.retry):
		}
	}
}

// watch tells how an open device is until it is lost, or ctx ends. One that opens
// and gives nothing does not work.
func (k keeper) watch(ctx context.Context, dev device, tell func(fault.Code, error)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-dev.lost():
			return err
		case moving := <-dev.moving():
			if moving {
				tell("", nil)
			} else {
				tell(k.wrong, errors.New("gives nothing"))
			}
		}
	}
}

// attempt opens the device. When that takes longer than k.wait it says so, and
// goes on waiting: a second attempt would only hang as well.
func (k keeper) attempt(ctx context.Context, tell func(fault.Code, error)) (device, error) {
	type result struct {
		dev device
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("%s: driver panicked: %v", k.what, p)
			}
			done <- r
		}()
		if r.dev, r.err = k.open(ctx); r.err != nil {
			r.dev = nil // a nil of the driver's own type would pass for a device
		}
	}()
	patience := time.NewTimer(k.wait)
	defer patience.Stop()
	for {
		select {
		case r := <-done:
			if r.err != nil && ctx.Err() == nil && fault.CodeOf(r.err) == fault.Internal {
				r.err = fault.New(k.wrong, r.err)
			}
			return r.dev, r.err
		case <-patience.C:
			tell(k.wrong, errors.New("does not open"))
		case <-ctx.Done():
			go func() {
				if r := <-done; r.dev != nil {
					r.dev.Close()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// motion tells whether a device's data moves; see device.moving. One goroutine tells.
type motion struct {
	news chan bool
	now  bool
}

func newMotion() motion { return motion{news: make(chan bool, 1)} }

func (m *motion) tell(moving bool) {
	if moving == m.now {
		return
	}
	m.now = moving
	select {
	case <-m.news:
	default:
	}
	m.news <- moving
}

// closeDevice closes dev and gives up on it after closePatience.
func closeDevice(dev device) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // a driver's panic on the way out changes nothing
		_ = dev.Close()                  // nor does its error
	}()
	select {
	case <-done:
	case <-time.After(closePatience):
	}
}
