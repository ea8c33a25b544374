package switchboard

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// Bounds of one channel's queues. A guest costs at most their sum.
const (
	queueFrames   = 512     // frames waiting, in each direction
	toGuestBytes  = 1 << 20 // bytes waiting for the guest: a few of the largest messages
	fromGuestHeld = 8       // so many of the guest's largest frames may wait for the host

	// Overhead is what a waiting frame costs besides its bytes, in bytes.
	Overhead = 48
)

// Held returns how many bytes of a guest's frames may wait for the host if the
// guest may send frames of up to limit bytes.
func Held(limit int) int { return fromGuestHeld * (limit + Overhead) }

// SealRoom is more than sealing adds to a message, in bytes. Frames.Limit is
// larger by it than what was set.
const SealRoom = 64

// OnLimit makes the channel call f after each change of the limit, on the
// goroutine that set it, so f must return at once. frames is an end that Pipe or
// [Memory.Connect] returned, and that was not handed on yet.
func OnLimit(frames Frames, f func()) {
	if e, ok := frames.(*end); ok {
		e.c.mu.Lock()
		defer e.c.mu.Unlock()
		e.c.onLimit = f
	}
}

// channel is a Frames pair within this process.
type channel struct {
	host, guest *end
	remote      RemoteInfo
	onClose     func() // called once, without mu
	onWelcome   func() // called once, before the host's first frame is sent, without mu; may be nil
	welcome     sync.Once
	done        chan struct{}

	// Guarded by the mu of the Memory, as is attachment.channels.
	since    time.Time // when it began; never changes
	welcomed bool      // the host has said something
	leaving  bool      // it gives its place to a newer one

	mu      sync.Mutex // guards what follows
	account *account
	limit   int    // the guest's largest frame, sealed
	onLimit func() // called without mu; may be nil
	closed  bool
	code    signalling.CloseCode
}

// end is one side of a channel: it sends into the other's inbox.
type end struct {
	c     *channel
	other *end
	inbox queue // guarded by c.mu
}

// queue is a bounded queue of frames. Its owner's mutex guards it.
type queue struct {
	frames [][]byte
	bytes  int
	ready  chan struct{} // buffered 1; full means that frames wait
	budget *account      // of the channel
	lent   int           // cost of the frame that was read last, until the reader asks for the next
}

// Pipe returns both ends of a channel within this process, as [NewMemory]
// connects them. It is for code that carries frames to a host in another way. A
// frame that finds no room in the budget closes its channel with
// [signalling.CloseTooSlow]; nil means no budget.
func Pipe(remote RemoteInfo, budget *Budget) (host, guest Frames) {
	c := newChannel(remote)
	Charge(c.host, budget)
	return c.host, c.guest
}

func newChannel(remote RemoteInfo) *channel {
	c := &channel{
		remote: remote, done: make(chan struct{}), limit: signalling.MaxFrameBefore + SealRoom, account: new(account),
	}
	c.host = &end{c: c}
	c.guest = &end{c: c, other: c.host}
	c.host.other = c.guest
	c.host.inbox.budget, c.guest.inbox.budget = c.account, c.account
	// A reader may leave frames of an ended channel unread.
	runtime.AddCleanup(c, func(a *account) { a.give(a.held) }, c.account)
	c.host.inbox.ready = make(chan struct{}, 1)
	c.guest.inbox.ready = make(chan struct{}, 1)
	return c
}

// Send implements [Frames].
func (e *end) Send(frame []byte) error {
	c := e.c
	if e == c.host && c.onWelcome != nil {
		c.welcome.Do(c.onWelcome)
	}
	c.mu.Lock()
	if c.closed {
		code := c.code
		c.mu.Unlock()
		return Closed{code}
	}
	room := toGuestBytes
	if e == c.guest {
		if len(frame) > c.limit {
			c.mu.Unlock()
			e.Close(signalling.CloseTooLarge)
			return Closed{signalling.CloseTooLarge}
		}
		room = Held(c.limit)
	}
	if !e.other.inbox.push(frame, room) {
		e.other.inbox.clear()
		c.mu.Unlock()
		e.Close(signalling.CloseTooSlow)
		return Closed{signalling.CloseTooSlow}
	}
	c.mu.Unlock()
	return nil
}

// Recv implements [Frames].
func (e *end) Recv(ctx context.Context) ([]byte, error) {
	c := e.c
	c.mu.Lock()
	e.inbox.giveBack()
	c.mu.Unlock()
	for {
		c.mu.Lock()
		if frame, ok := e.inbox.pop(); ok {
			c.mu.Unlock()
			return frame, nil
		}
		if c.closed {
			code := c.code
			c.mu.Unlock()
			return nil, Closed{code}
		}
		c.mu.Unlock()
		select {
		case <-e.inbox.ready:
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close implements [Frames].
func (e *end) Close(code signalling.CloseCode) {
	c := e.c
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed, c.code = true, code
	e.inbox.clear() // it will not be read any more
	c.mu.Unlock()
	close(c.done)
	if c.onClose != nil {
		c.onClose()
	}
}

// Done implements [Frames].
func (e *end) Done() <-chan struct{} { return e.c.done }

// Remote implements [Frames].
func (e *end) Remote() RemoteInfo { return e.c.remote }

// SetLimit implements [Frames].
func (e *end) SetLimit(n int) {
	e.c.mu.Lock()
	e.c.limit = n + SealRoom
	changed := e.c.onLimit
	e.c.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// Limit implements [Frames].
func (e *end) Limit() int {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	return e.c.limit
}

// push adds a frame and reports whether there was room: fewer than queueFrames
// frames, of at most room bytes together.
func (q *queue) push(frame []byte, room int) bool {
	cost := len(frame) + Overhead
	if len(q.frames) >= queueFrames || q.bytes+cost > room || !q.budget.take(cost) {
		return false
	}
	q.frames = append(q.frames, frame)
	q.bytes += cost
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

func (q *queue) pop() ([]byte, bool) {
	if len(q.frames) == 0 {
		return nil, false
	}
	frame := q.frames[0]
	q.frames[0] = nil
	q.frames = q.frames[1:]
	q.bytes -= len(frame) + Overhead
	q.lent = len(frame) + Overhead // the reader holds it while a slow connection takes it
	if len(q.frames) == 0 {
		q.frames = nil
	}
	return frame, true
}

func (q *queue) clear() {
	q.giveBack()
	q.budget.give(q.bytes)
	q.frames, q.bytes = nil, 0
}

// giveBack gives back the cost of the frame that was read last, when its reader
// has finished with it.
func (q *queue) giveBack() {
	q.budget.give(q.lent)
	q.lent = 0
}
