package recording

import (
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/signalling"
)

// item is one thing to be written: a packet, a report on a clock, or that a picture is dark.
type item struct {
	name      string // of the participant, or of its screen
	kind      signalling.Kind
	at        time.Duration // of the recording
	packet    *rtp.Packet   // nil for the others
	roundTrip time.Duration
	dark      bool
	timestamp uint32 // RTP, of a report: that of at
}

// size is roughly how many bytes an item takes.
func (i item) size() int {
	if i.packet == nil {
		return 128
	}
	return 256 + len(i.packet.Payload)
}

// queue holds items up to a size. Push never waits.
type queue struct {
	limit int // bytes

	mu      sync.Mutex
	items   []item
	bytes   int
	dropped uint64
	closed  bool
	wake    chan struct{} // buffered 1; full means that the writer is woken already
}

func newQueue(limit int) *queue { return &queue{limit: limit, wake: make(chan struct{}, 1)} }

// push adds an item, and drops it if the queue is full or closed.
func (q *queue) push(i item) {
	q.mu.Lock()
	switch size := i.size(); {
	case q.closed:
	case q.bytes+size > q.limit:
		q.dropped++
	default:
		q.items, q.bytes = append(q.items, i), q.bytes+size
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all items in place of spare, which is used again. They count as waiting until the next call. over reports
// that the queue is closed: then nothing follows.
func (q *queue) take(spare []item) (items []item, dropped uint64, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(spare)
	items, q.items, q.bytes = q.items, spare[:0], 0
	return items, q.dropped, q.closed
}

// close makes the queue take no more.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
