package crowd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pion/webrtc/v4"
	"github.com/porch-call/porch/backend/guest"
)

// Crowd is a number of guests in a call. Its methods may be called from any goroutine.
type Crowd struct {
	guests   []*guest.Guest
	received atomic.Uint64
	lost     atomic.Uint64
	sources  []*source
	running  sync.WaitGroup
}

// Gather makes size guests join a link one after the other and publish. It returns when all are in and connected. If
// one fails, it returns the error, and none of them stays in the call. options apply to every guest, except that a
// number is added to Name, and that Tracks and OnTrack are the crowd's own.
func Gather(ctx context.Context, link string, size int, options guest.Options) (*Crowd, error) {
	c := new(Crowd)
	for i := range size {
		if err := c.join(ctx, link, fmt.Sprintf("%s %d", options.Name, i+1), options); err != nil {
			return nil, errors.Join(fmt.Errorf("crowd: guest %d of %d: %w", i+1, size, err), c.Close())
		}
	}
	return c, nil
}

func (c *Crowd) join(ctx context.Context, link, name string, o guest.Options) error {
	s, err := newSource()
	if err != nil {
		return err
	}
	o.Name = name
	o.Tracks = []webrtc.TrackLocal{s.audio, s.video}
	o.OnTrack = func(t *guest.Track) { c.running.Go(func() { c.count(t) }) }
	o.OnKeyframeRequest = func() { s.wantKey.Store(true) }
	g, err := guest.Join(ctx, link, o)
	if err != nil {
		return err
	}
	c.guests = append(c.guests, g)
	c.sources = append(c.sources, s)
	select {
	case <-g.Connected():
	case <-g.Done():
		return fmt.Errorf("left before it was connected: %w", g.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.running.Go(func() { s.run(g.Done()) })
	return nil
}

// count reads a track to its end and counts the gaps in its sequence numbers.
func (c *Crowd) count(t *guest.Track) {
	var next uint16
	for first := true; ; first = false {
		p, err := t.ReadRTP()
		if err != nil {
			return
		}
		c.received.Add(1)
		if gap := int16(p.SequenceNumber - next); !first && gap > 0 {
			c.lost.Add(uint64(gap))
		} else if gap < 0 && !first {
			continue // late: a retransmission, or overtaken
		}
		next = p.SequenceNumber + 1
	}
}

// Sent returns how many RTP packets the guests have published.
func (c *Crowd) Sent() uint64 {
	var n uint64
	for _, s := range c.sources {
		n += s.sent.Load()
	}
	return n
}

// Received returns how many RTP packets the guests have received.
func (c *Crowd) Received() uint64 { return c.received.Load() }

// Missing returns how many sequence numbers were skipped on arrival. Packets that arrived late are counted too.
func (c *Crowd) Missing() uint64 { return c.lost.Load() }

// Close makes all guests leave, and waits until they have.
func (c *Crowd) Close() error {
	var errs []error
	for _, g := range c.guests {
		errs = append(errs, g.Leave())
	}
	c.running.Wait()
	return errors.Join(errs...)
}
