package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// wish is what a router is asked for, in the words of all protocols.
type wish struct {
	target
	protocol  Protocol
	suggested uint16   // the port outside that would be best
	nonce     [12]byte // of PCP: whoever renews or ends a mapping must know it
	lifetime  time.Duration
}

// headStart is how long a way waits for the better ones before it makes a mapping.
// PCP says most, and one router may speak all three.
const headStart = 250 * time.Millisecond

// way asks a router by one protocol. A way that must look for the router does so at
// once, and asks for the mapping once ready is closed.
type way struct {
	by  string
	ask func(ctx context.Context, w wish, ready <-chan struct{}) (grant, error)
}

// ask asks by all protocols side by side, and returns the first grant. before is
// the protocol that worked last; it is asked alone first.
func (m *Mapper) ask(ctx context.Context, w wish, before string) (grant, error) {
	ways := []way{{"PCP", m.pcp}, {"NAT-PMP", m.natPMP}, {"UPnP", m.igd}}
	if w.local.Addr().Is6() {
		ways = ways[:1]
	}
	if m.o.only != "" {
		ways = slices.DeleteFunc(ways, func(one way) bool { return one.by != m.o.only })
	}
	for _, one := range ways {
		if one.by != before {
			continue
		}
		alone, cancel := context.WithTimeout(ctx, askWithin/4)
		g, err := one.ask(alone, w, closed)
		cancel()
		if err == nil {
			g.by = before
			return g, nil
		}
	}
	return race(ctx, w, ways)
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// race asks by all protocols, each with a head start before the next. A grant that
// comes after the first one is left to run out: taking it back could end the first,
// because both may be one mapping in the router.
func race(ctx context.Context, w wish, ways []way) (grant, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		grant
		err error
	}
	outcomes := make(chan outcome, len(ways))
	for i, one := range ways {
		ready := make(chan struct{})
		timer := time.AfterFunc(time.Duration(i)*headStart, func() { close(ready) })
		defer timer.Stop()
		go func() {
			g, err := one.ask(ctx, w, ready)
			g.by = one.by
			outcomes <- outcome{g, err}
		}()
	}
	worst := errSilent
	var winner *grant
	for range ways {
		o := <-outcomes
		switch {
		case o.err == nil && winner == nil:
			winner = &o.grant
			cancel() // the others end at once
		case o.err == nil:
		case !errors.Is(o.err, errSilent) && !errors.Is(o.err, context.Canceled) && !errors.Is(o.err, context.DeadlineExceeded):
			worst = telling(worst, o.err)
		}
	}
	if winner == nil {
		return grant{}, worst
	}
	return *winner, nil
}

// telling returns that error of two which says most about the router's own address.
func telling(a, b error) error {
	var r, o refusal
	if errors.As(a, &r) && (r.external.IsValid() || !errors.As(b, &o)) {
		return a
	}
	return b
}

// await waits until a way may ask for its mapping.
func await(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lasting returns a lifetime that a router has given, in seconds, within bounds.
func (w wish) lasting(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, w.lifetime)
}

func as16(a netip.Addr) [16]byte { return a.WithZone("").As16() }
