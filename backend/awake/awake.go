// Package awake keeps the computer from going to sleep by itself while it is
// needed: the host's computer carries the call. It does not know what for, and
// it keeps no display lit. What it holds of the system is given back when it is
// not needed, when it is closed, and by the system when the process dies.
package awake

import (
	"context"
	"log/slog"
	"sync"
)

// reason is what the system shows people who ask what keeps it awake.
const reason = "A guest is in a Porch call"

// taking asks the system to stay awake. release gives that back, without
// waiting for the system. ctx bounds the asking only.
type taking func(ctx context.Context) (release func(), err error)

// Keeper keeps the computer awake, or doesn't. Its methods are safe for
// concurrent use.
type Keeper struct {
	take   taking
	log    *slog.Logger
	wake   chan struct{} // buffered 1; full means already woken
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned

	mu     sync.Mutex // guards needed; a leaf
	needed bool
}

// Open starts a keeper that holds nothing yet; Close ends it.
func Open(log *slog.Logger) *Keeper { return open(log, take) }

func open(log *slog.Logger, take taking) *Keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{take: take, log: log, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go k.run(ctx)
	return k
}

// Keep says whether the computer is needed from now on. It never waits for the
// system, and may be called again with the same value.
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

// Close gives back what is held, and waits until that is done. A second call
// waits as well.
func (k *Keeper) Close() error {
	k.cancel()
	<-k.done
	return nil
}

// run brings what is held in step with what is needed. A system that refuses is
// asked again for the next call, and said once.
func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	var release func()
	acted, said := false, false // acted is what was needed when the system was asked last
	for ctx.Err() == nil {
		k.mu.Lock()
		needed := k.needed
		k.mu.Unlock()
		switch {
		case needed == acted: // woken for what has been done
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
