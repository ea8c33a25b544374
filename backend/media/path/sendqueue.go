package path

import "time"

// sendQueue holds what waits for a line that is full. Sound, RTCP, checks and
// handshakes go before pictures. Datagrams expire, because those that come too late
// are of no use and delay the next ones. It is not safe for concurrent use.
type sendQueue struct {
	urgent, pictures []waiting
	age              time.Duration // how long pictures may wait
	closed           bool
}

type waiting struct {
	datagram
	since time.Time
}

const (
	maxUrgent   = 128 // datagrams; if there are more, the oldest is dropped, because it is of the least use
	maxPictures = 512 // datagrams; if there are more, the newest is dropped, so that what is left begins with a whole keyframe
)

// urgentAge is how long other datagrams than pictures may wait. Sound that comes
// later is not played, and checks and handshakes are repeated.
const urgentAge = 500 * time.Millisecond

// put adds a datagram. If there are too many, it drops one.
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

// expire drops the datagrams that have waited too long.
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

// next appends the datagrams that go first to dst, up to its capacity. They stay in
// the queue until sent is called.
func (q *sendQueue) next(dst []datagram, now time.Time) []datagram {
	q.expire(now)
	for _, list := range [][]waiting{q.urgent, q.pictures} {
		for _, w := range list[:min(len(list), cap(dst)-len(dst))] {
			dst = append(dst, w.datagram)
		}
	}
	return dst
}

// take removes and returns the datagram that goes first.
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

// waited returns how long the oldest datagram has waited.
func (q *sendQueue) waited(now time.Time) (d time.Duration) {
	for _, list := range [][]waiting{q.urgent, q.pictures} {
		if len(list) > 0 {
			d = max(d, now.Sub(list[0].since))
		}
	}
	return d
}

// close gives all buffers back, and also those that are put later.
func (q *sendQueue) close() {
	for _, list := range [][]waiting{q.urgent, q.pictures} {
		for _, w := range list {
			w.free()
		}
	}
	*q = sendQueue{closed: true}
}

// remove removes the first n, and keeps the slice's memory.
func remove(list []waiting, n int) []waiting {
	if n == 0 {
		return list
	}
	rest := copy(list, list[n:])
	clear(list[rest:])
	return list[:rest]
}
