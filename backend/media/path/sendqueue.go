package path

import "time"

// sendQueue is what waits for a line that takes no more: sound, RTCP, checks and
// handshakes before pictures. Everything waits for a while only, because what comes too
// late is of no use and delays what follows. It is not safe for concurrent use.
type sendQueue struct {
	urgent, pictures []waiting
	age              time.Duration // that pictures may reach
	closed           bool
}

type waiting struct {
	datagram
	since time.Time
}

const (
	maxUrgent   = 128 // datagrams: the oldest goes first, it would be the least use
	maxPictures = 512 // the newest goes: what is left begins with a keyframe in one piece
)

// urgentAge is how long what is not a picture may wait. Later sound is not played, and checks and handshakes are repeated.
const urgentAge = 500 * time.Millisecond

// put takes a datagram, and drops one if there are too many.
func (q *sendQueue) put(d datagram, now time.Time) {
	switch {
	case q.closed:
		d.free()
	case d.picture == nil:
		if len(q.urgent) == maxUrgent {
			q.urgent[0].free()
			q.urgent = remove(q.urgent, 1)
		}
		q.urgent = append(q.urgent, waiting{d, now})
	default:
		q.expire(now)
		if len(q.pictures) == maxPictures {
			d.drop()
			return
		}
		q.pictures = append(q.pictures, waiting{d, now})
	}
}

// expire drops what has waited for too long.
func (q *sendQueue) expire(now time.Time) {
	q.urgent = expired(q.urgent, urgentAge, now)
	q.pictures = expired(q.pictures, q.age, now)
}

// expired drops the datagrams of a list that are older than age, and returns the rest.
func expired(list []waiting, age time.Duration, now time.Time) []waiting {
	n := 0
	for n < len(list) && now.Sub(list[n].since) > age {
		list[n].drop()
		n++
	}
	return remove(list, n)
}

// next appends what goes first to dst, until that is full. The queue keeps it until
// sent says that it has gone.
func (q *sendQueue) next(dst []datagram, now time.Time) []datagram {
	q.expire(now)
	for _, list := range [][]waiting{q.urgent, q.pictures} {
		for _, w := range list[:min(len(list), cap(dst)-len(dst))] {
			dst = append(dst, w.datagram)
		}
	}
	return dst
}

// take removes and returns what goes first.
func (q *sendQueue) take(now time.Time) (d datagram, ok bool) {
	var first [1]datagram
	n := len(q.next(first[:0], now))
	q.sent(n)
	return first[0], n > 0
}

// sent removes the first n. Their buffers are the caller's.
func (q *sendQueue) sent(n int) {
	first := min(n, len(q.urgent))
	q.urgent = remove(q.urgent, first)
	q.pictures = remove(q.pictures, n-first)
}

func (q *sendQueue) empty() bool { return len(q.urgent) == 0 && len(q.pictures) == 0 }

// close gives all buffers back, and those that are put from now on.
func (q *sendQueue) close() {
	for _, list := range [][]waiting{q.urgent, q.pictures} {
		for _, w := range list {
			w.free()
		}
	}
	*q = sendQueue{closed: true}
}

// remove removes the first n, and keeps the memory.
func remove(list []waiting, n int) []waiting {
	if n == 0 {
		return list
	}
	rest := copy(list, list[n:])
	clear(list[rest:])
	return list[:rest]
}
