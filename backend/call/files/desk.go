package files

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
)

const (
	// mostRate is how many bytes a second all transfers of a call carry, each way: on a fast line it is this computer
	// that the call needs.
	mostRate = 4 << 20
	// takesOfOne is how many files one participant receives at a time.
	takesOfOne = 4
	// spoolQuota is how many bytes of one call wait on disk at most.
	spoolQuota = 256 << 20
	// patience is how long nothing may move before a transfer is given up.
	patience   = 30 * time.Second
	sweepEvery = time.Second

	frameRate, frameBurst = 1500, 3000 // that one participant sends, a second
)

// Pipe is a participant's way for frames. Send queues a frame and does not block; what it queues is bounded by the
// windows of the desk. Close ends the way for good. Neither calls the Desk.
type Pipe interface {
	Send(b []byte) error
	Close()
}

// Options configure a Desk.
type Options struct {
	// Dir is where files wait; see [Sweep].
	Dir string
	// Over hears that an offer is over because the file is not what was said (WhyRefused), or the disk takes no more
	// (WhyRoom). It may block.
	Over func(id uint32, why Why)
	// Line returns what is known of the way to a participant. It must not block.
	Line   func(who string) Line
	Logger *slog.Logger
	// Patience is how long nothing may move; 0 for 30 s.
	Patience time.Duration
}

// Desk moves the bytes of files. It is safe for concurrent use. No method but Save and Close waits for the disk, and
// none waits for a participant; Handle waits if all together are too fast.
type Desk struct {
	o       Options
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	up, out *rate.Limiter // bytes

	mu       sync.Mutex // no other lock is taken under it
	offers   map[uint32]*offer
	pipes    map[string]*pipe
	spooled  int64 // bytes that the spools have or will have
	sweeping bool
	closed   bool
}

// pipe is a participant's way, as long as it is there.
type pipe struct {
	Pipe
	frames *rate.Limiter
}

// NewDesk returns a desk without offers.
func NewDesk(o Options) *Desk {
	if o.Patience == 0 {
		o.Patience = patience
	}
	d := &Desk{
		o: o, offers: make(map[uint32]*offer), pipes: make(map[string]*pipe),
		up: rate.NewLimiter(mostRate, 4*MaxPart), out: rate.NewLimiter(mostRate, 4*MaxPart),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Offer notes a file that a participant offers.
func (d *Desk) Offer(id uint32, owner, name string, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offers[id] = &offer{id: id, owner: owner, name: name, size: size, up: NewWindow(), readers: make(map[string]*reader)}
}

// Take begins to send a file to a participant as soon as there are ways for both; try is the participant's number for it,
// which tells what comes from what was on its way before. It returns those who have no way yet.
// The faults are FileGone, FilesFull and TooFast.
func (d *Desk) Take(id uint32, who string, try uint8) (lacking []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, r, err := d.reader(id, who, try)
	if err != nil || r == nil {
		return nil, err
	}
	if d.pipes[who] == nil {
		lacking = append(lacking, who)
	} else {
		d.begin(r)
	}
	if o.got < o.size && d.pipes[o.owner] == nil {
		lacking = append(lacking, o.owner)
	}
	d.ask(o, time.Now())
	return lacking, nil
}

// reader makes a reader, nil if there is one. The caller holds mu.
func (d *Desk) reader(id uint32, who string, try uint8) (*offer, *reader, error) {
	o := d.offers[id]
	if o == nil || o.over || o.owner == who || d.closed {
		return nil, nil, fault.New(fault.FileGone, nil)
	}
	if r := o.readers[who]; r != nil && !r.ended() {
		if r.try == try {
			return o, nil, nil
		}
		d.end(r, WhyCancelled)
	}
	taken := 0
	for _, other := range d.offers {
		if r := other.readers[who]; r != nil && !r.ended() {
			taken++
		}
	}
	if taken >= takesOfOne {
		return nil, nil, fault.New(fault.TooFast, nil)
	}
	if !d.reserve(o) {
		return nil, nil, fault.New(fault.FilesFull, nil)
	}
	now := time.Now()
	if len(o.readers) == 0 {
		o.moved = now
	}
	r := &reader{o: o, who: who, try: try, window: NewWindow(), wake: make(chan struct{}, 1), done: make(chan struct{}), moved: now}
	o.readers[who] = r
	if !d.sweeping {
		d.sweeping = true
		d.workers.Go(d.sweepAll)
	}
	return o, r, nil
}

// begin starts to send to a reader whose way is there. The caller holds mu.
func (d *Desk) begin(r *reader) {
	if p := d.pipes[r.who]; p != nil && r.pipe == nil && !r.ended() {
		r.pipe, r.moved = p, time.Now()
		d.workers.Go(func() { d.run(r, r.toPipe) })
	}
}

// Drop ends what a participant receives of a file, at its wish.
func (d *Desk) Drop(id uint32, who string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.offers[id]; o != nil && o.readers[who] != nil {
		d.end(o.readers[who], WhyCancelled)
	}
}

// End ends an offer. Whoever receives the file gets the rest of it, if all of it has come.
func (d *Desk) End(id uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.offers[id]; o != nil {
		d.endOffer(o, WhyStopped)
	}
}

func (d *Desk) endOffer(o *offer, why Why) {
	if o.over {
		return
	}
	o.over = true
	if p := d.pipes[o.owner]; p != nil && o.asked {
		_ = p.Send(frame{kind: kindStop, id: o.id, why: WhyOver}.write()) // the way may be gone
	}
	for _, r := range o.readers {
		if o.got < o.size || why != WhyStopped {
			d.end(r, why)
		}
	}
	d.release(o, 0)
}

// end ends a reader. The caller holds mu.
func (d *Desk) end(r *reader, why Why) {
	if r.ended() {
		return
	}
	r.why = why
	close(r.done)
	if r.pipe != nil {
		_ = r.pipe.Send(frame{kind: kindStop, try: r.try, id: r.o.id, why: why}.write()) // the way may be gone
	}
	if !r.running {
		d.gone(r)
	}
}

// gone forgets a reader that has no goroutine. The caller holds mu.
func (d *Desk) gone(r *reader) {
	if r.o.readers[r.who] == r {
		delete(r.o.readers, r.who)
	}
	d.release(r.o, 0)
}

// release notes that so many goroutines less use an offer's spool, and removes it when it is of no more use. The
// caller holds mu.
func (d *Desk) release(o *offer, users int) {
	o.users -= users
	if !o.over || o.users > 0 || len(o.readers) > 0 {
		return
	}
	delete(d.offers, o.id)
	d.discard(o)
}

// discard removes the spool of an offer that nobody uses. The caller holds mu.
func (d *Desk) discard(o *offer) {
	if o.reserved {
		d.spooled -= o.size
	}
	if s := o.spool; s != nil {
		d.workers.Go(s.remove)
	}
	o.reserved, o.spool, o.first, o.got, o.granted, o.asked, o.grants = false, nil, nil, 0, 0, false, nil
}

// Leave ends all that a participant receives, and forgets its way.
func (d *Desk) Leave(who string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(who)
	for _, o := range d.offers {
		if r := o.readers[who]; r != nil {
			d.end(r, WhyCancelled)
		}
	}
}

// Connect gives a participant a way, in place of the one before.
func (d *Desk) Connect(who string, p Pipe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.forget(who)
	d.pipes[who] = &pipe{Pipe: p, frames: rate.NewLimiter(frameRate, frameBurst)}
	now := time.Now()
	for _, o := range d.offers {
		if r := o.readers[who]; r != nil {
			d.begin(r)
		}
		if o.owner == who {
			d.ask(o, now)
		}
	}
}

// Disconnect says that a way is gone. It does nothing if it is not in use.
func (d *Desk) Disconnect(who string, p Pipe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.pipes[who]; now != nil && now.Pipe == p {
		d.forget(who)
	}
}

// forget ends all that goes along a participant's way. What a sender has sent stays, and it is asked for the rest on its
// next way. The caller holds mu.
func (d *Desk) forget(who string) {
	p := d.pipes[who]
	if p == nil {
		return
	}
	delete(d.pipes, who)
	for _, o := range d.offers {
		if r := o.readers[who]; r != nil && r.pipe == p {
			d.end(r, WhyCancelled)
		}
		if o.owner == who {
			o.asked, o.granted, o.grants = false, o.got, nil
		}
	}
}

// sweepAll gives up what does not move any more.
func (d *Desk) sweepAll() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			d.sweep(now)
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *Desk) sweep(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.offers {
		stalled := o.got < o.size && len(o.readers) > 0 && now.Sub(o.moved) > d.o.Patience
		for _, r := range o.readers {
			switch {
			case stalled:
				d.end(r, WhyStopped)
			case now.Sub(r.moved) <= d.o.Patience, r.pipe != nil && r.sent == r.read && r.sent == o.got, r.own:
			case r.pipe == nil:
				d.end(r, WhySlow)
			default: // what it has not read still lies on its way
				d.end(r, WhySlow)
				r.pipe.Close()
			}
		}
	}
}

// Close ends all transfers, removes their files, and waits for it. It may be called twice.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	for who := range d.pipes {
		d.forget(who)
	}
	for _, o := range d.offers {
		for _, r := range o.readers {
			d.end(r, WhyOver)
		}
		d.endOffer(o, WhyOver)
	}
	d.mu.Unlock()
	d.cancel()
	d.workers.Wait()
}
