// Package awake keeps the computer from going to sleep by itself while it is needed, because the host's computer
// carries the call. It does not keep the display lit, and does not know what the computer is needed for. It gives
// back what it holds when the computer is no longer needed and when it is closed. If the process dies, the system
// takes it back.
package awake

import (
	"context"
	"log/slog"
	"sync"
)

// reason is shown by the system to users who ask what keeps it awake.
const reason = "A guest is in a Porch call"

// taking asks the system to stay awake. release gives that back, without waiting for the system. ctx bounds only the
// request.
type taking func(ctx context.Context) (release func(), err error)

// Keeper keeps the computer awake while it is needed. Its methods are safe for concurrent use.
type Keeper struct {
	take   taking
	log    *slog.Logger
	wake   chan struct{} // buffered 1; full means already woken
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned

	mu     sync.Mutex // guards needed; no other lock is acquired under it
	needed bool
}

// Open starts a keeper that holds nothing yet. Close ends it.
func Open(log *slog.Logger) *Keeper { return open(log, take) }

func open(log *slog.Logger, take taking) *Keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{take: take, log: log, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go k.run(ctx)
	return k
}

// Keep sets whether the computer is needed from now on. It never waits for the system, and may be called again with
// the same value.
func (k *Keeper) Keep(needed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.needed == needed {
		return
	}
	k.needed = needed
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Close gives back what is held, and returns when that is done. A second call waits as well.
func (k *Keeper) Close() error {
	k.cancel()
	<-k.done
	return nil
}

// run holds what is needed. If the system refuses, run asks again when the computer is needed the next time, and logs
// only the first refusal.
func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	var release func()
	acted, said := false, false // acted is the last value of needed that was acted on
	for ctx.Err() == nil {
		k.mu.Lock()
		needed := k.needed
		k.mu.Unlock()
		switch {
		case needed == acted: // nothing has changed since
		case needed:
			got, err := k.take(ctx)
			release = got
			if err != nil && ctx.Err() == nil && !said {
				said = true
				k.log.Warn("this computer may go to sleep during calls: the system can't be told not to", "error", err)
			}
		case release != nil:
			release()
			release = nil
		}
		acted = needed
		select {
		case <-k.wake:
		case <-ctx.Done():
		}
	}
	if release != nil {
		release()
	}
}
