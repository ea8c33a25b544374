package path

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// queued returns a datagram that holds a number.
func queued(n int, picture *atomic.Uint64) datagram {
	b := buffers.Get().(*[]byte) // goes back to the pool
	*b = append((*b)[:0], byte(n), byte(n>>8))
	return datagram{buffer: b, picture: picture}
}

// numbers empties a queue and returns the numbers in it.
func numbers(q *sendQueue, now time.Time) (all []int) {
	for d, ok := q.take(now); ok; d, ok = q.take(now) {
		all = append(all, int((*d.buffer)[0])|int((*d.buffer)[1])<<8)
	}
	return all
}

func TestSoundOvertakesPictures(t *testing.T) {
	var dropped atomic.Uint64
	q := sendQueue{age: lineAge}
	now := time.Now()
	q.put(queued(1, &dropped), now)
	q.put(queued(2, nil), now)
	q.put(queued(3, &dropped), now)
	q.put(queued(4, nil), now)
	batch := q.next(make([]datagram, 0, 3), now)
	if len(batch) != 3 || batch[2].picture == nil {
		t.Fatalf("%d first", len(batch))
	}
	q.sent(1)                  // the line took one of three
	q.put(queued(5, nil), now) // queued meanwhile
	q.put(queued(6, &dropped), now)
	if got := numbers(&q, now); !slices.Equal(got, []int{4, 5, 1, 3, 6}) || dropped.Load() != 0 {
		t.Errorf("%v, %d dropped", got, dropped.Load())
	}
	if !q.empty() {
		t.Error("not empty")
	}
}

func TestWhatWaitsTooLongIsDropped(t *testing.T) {
	var dropped atomic.Uint64
	q := sendQueue{age: lineAge}
	begin := time.Now()
	q.put(queued(1, &dropped), begin)
	q.put(queued(2, nil), begin)
	q.put(queued(3, &dropped), begin.Add(lineAge))
	if got := numbers(&q, begin.Add(lineAge+1)); !slices.Equal(got, []int{2, 3}) || dropped.Load() != 1 {
		t.Errorf("%v, %d dropped", got, dropped.Load())
	}
}

func TestAQueueKnowsHowLongItHolds(t *testing.T) {
	q := sendQueue{age: lineAge}
	begin := time.Now()
	if got := q.waited(begin); got != 0 {
		t.Errorf("%v in an empty queue", got)
	}
	q.put(queued(1, new(atomic.Uint64)), begin)
	q.put(queued(2, nil), begin.Add(10*time.Millisecond))
	if got := q.waited(begin.Add(30 * time.Millisecond)); got != 30*time.Millisecond {
		t.Errorf("%v", got)
	}
	q.sent(1)
	if got := q.waited(begin.Add(30 * time.Millisecond)); got != 30*time.Millisecond {
		t.Errorf("%v after the sound has left", got)
	}
	q.sent(1)
	if got := q.waited(begin.Add(30 * time.Millisecond)); got != 0 {
		t.Errorf("%v after all have left", got)
	}
}

// TestAStuckLineIsGivenUp checks that what can't be sent does not wait forever. Otherwise drain would go on trying
// every millisecond after a call.
func TestAStuckLineIsGivenUp(t *testing.T) {
	q := sendQueue{age: lineAge}
	begin := time.Now()
	q.put(queued(1, nil), begin)
	q.put(queued(2, nil), begin.Add(urgentAge))
	if got := q.next(make([]datagram, 0, 3), begin.Add(urgentAge+1)); len(got) != 1 || (*got[0].buffer)[0] != 2 {
		t.Errorf("%d wait", len(got))
	}
	if q.next(make([]datagram, 0, 3), begin.Add(2*urgentAge+1)); !q.empty() {
		t.Error("not empty")
	}
}

func TestQueueIsBounded(t *testing.T) {
	var dropped atomic.Uint64
	q := sendQueue{age: lineAge}
	now := time.Now()
	for n := range maxPictures + 10 {
		q.put(queued(n, &dropped), now)
	}
	for n := range maxUrgent + 10 {
		q.put(queued(n, nil), now)
	}
	got := numbers(&q, now)
	if len(got) != maxUrgent+maxPictures || got[0] != 10 || got[maxUrgent] != 0 || dropped.Load() != 10 {
		t.Errorf("%d queued, the first %d, the first picture %d, %d dropped", len(got), got[0], got[maxUrgent], dropped.Load())
	}
}

func TestClosedQueueKeepsNothing(t *testing.T) {
	var dropped atomic.Uint64
	q := sendQueue{age: lineAge}
	now := time.Now()
	for range 2 {
		q.put(queued(1, &dropped), now)
		q.put(queued(2, nil), now)
		q.close()
		if !q.empty() {
			t.Error("not empty")
		}
	}
}

// stuckConn is a TURN server's connection that takes one datagram each time it is told to.
type stuckConn struct {
	net.PacketConn
	take chan []byte
}

func (c stuckConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.take <- slices.Clone(b)
	return len(b), nil
}

func TestSoundOvertakesPicturesAtASlowServer(t *testing.T) {
	conn := stuckConn{take: make(chan []byte)}
	to := netip.MustParseAddrPort("203.0.113.1:9")
	s := &TURNSocket{
		socket: new(udpSocket), conn: conn, queue: sendQueue{age: relayAge}, filled: make(chan struct{}, 1), lost: make(chan struct{}),
		peers: map[netip.AddrPort]*permission{to: {ready: true}},
	}
	s.workers.Go(s.write)
	defer s.workers.Wait()
	defer close(s.lost)
	var dropped atomic.Uint64
	send := func(n byte, picture *atomic.Uint64) {
		d := queued(int(n), picture)
		d.to = to
		s.send(d)
	}
	send(0, &dropped)
	waits := func() bool {
		s.queueMu.Lock()
		defer s.queueMu.Unlock()
		return !s.queue.empty()
	}
	for waits() { // until the server is asked to take it
		time.Sleep(time.Millisecond)
	}
	send(1, &dropped)
	send(2, nil)
	time.Sleep(relayAge + 10*time.Millisecond)
	send(3, &dropped)
	send(4, nil)
	var got []byte
	for range 4 {
		got = append(got, (<-conn.take)[0])
	}
	if !slices.Equal(got, []byte{0, 2, 4, 3}) || dropped.Load() != 1 {
		t.Errorf("sent %v, dropped %d", got, dropped.Load())
	}
	if s.socket.stalls.Load() == 0 {
		t.Error("the route does not tell that the server is slow")
	}
}
