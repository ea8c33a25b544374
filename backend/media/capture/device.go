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
	// openPatience is how long a driver may take to open or close a device.
	openPatience  = 10 * time.Second
	closePatience = 2 * time.Second
	// retryEvery is how often a missing device is tried again.
	retryEvery = 2 * time.Second
	// lookEvery is how often the data of a device is checked. With soundStall and pictureStall, a device that stops
	// delivering is reported within a second.
	lookEvery = 100 * time.Millisecond
)

// device is an open camera, microphone or speaker.
type device interface {
	// moving sends true when data begins to arrive, and false when none has arrived for soundStall or pictureStall.
	// It holds only the newest value.
	moving() <-chan bool
	// lost is closed, or sends the reason, when the device stops working.
	lost() <-chan error
	// Close releases the device. It may be called twice.
	Close() error
}

// keeper keeps one device open while it runs. It opens the device, opens it again after a loss, and reports faults. A
// driver that hangs or panics costs a goroutine, but not the session.
type keeper struct {
	what  string // for the log
	open  func(ctx context.Context) (device, error)
	wrong fault.Code            // the fault to report when opening takes longer than wait
	tell  func(code fault.Code) // gets each new state: "" when the device works
	log   *slog.Logger
	retry time.Duration // 0 for retryEvery
	wait  time.Duration // 0 for openPatience
}

// run keeps the device open until ctx ends, and returns when the device is closed.
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

// watch reports the state of an open device until it is lost or ctx ends. A device that opens and delivers no data
// does not count as working.
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

// attempt opens the device. If that takes longer than k.wait it reports the fault and goes on waiting, because a
// second attempt would only hang as well.
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
			r.dev = nil // a nil of the driver's own type would not compare equal to nil
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

// motion reports whether a device's data moves; see device.moving. Only one goroutine calls tell.
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

// closeDevice closes dev, and stops waiting after closePatience.
func closeDevice(dev device) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // a panic of the driver while closing is ignored
		_ = dev.Close()                  // and so is its error
	}()
	select {
	case <-done:
	case <-time.After(closePatience):
	}
}
