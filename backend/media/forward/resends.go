package forward

import (
	"sync"
	"sync/atomic"
	"time"
)

// resends is the budget of what is sent again to one receiver. Loss that comes of
// a full line grows with each retransmission, so these are a share of what is
// sent anyway.
type resends struct {
	sent atomic.Uint64 // bytes of media that were sent

	roundTrip *atomic.Int64 // to the receiver, in nanoseconds; nil or 0 for unknown

	mu      sync.Mutex // a leaf
	begun   bool
	credit  uint64 // bytes that may be sent again now, times 100
	counted uint64 // of sent
	mark    uint64 // sent at the beginning of the current second
	markAt  time.Time
	second  uint64 // sent in the second before
}

const (
	resendShare  = 15                     // percent of what was sent in the last second
	resendFloor  = 20_000                 // bytes: a first loss is always answered
	resendTries  = 3                      // of one packet
	resendMemory = 1 << 8                 // packets of one slot whose tries are known
	resendAge    = 400 * time.Millisecond // what is older is of no use for a picture
)

// take takes size bytes of the budget; ok is false when it is spent.
func (r *resends) take(size int, now time.Time) (ok bool) {
	sent := r.sent.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		r.begun, r.credit, r.counted = true, 100*resendFloor, sent
		r.mark, r.markAt = sent, now
	}
	if d := now.Sub(r.markAt); d >= time.Second {
		r.second = uint64(float64(sent-r.mark) / d.Seconds())
		r.mark, r.markAt = sent, now
	}
	r.credit += resendShare * (sent - r.counted)
	r.counted = sent
	r.credit = min(r.credit, max(100*resendFloor, resendShare*r.second))
	if r.credit < 100*uint64(size) {
		return false
	}
	r.credit -= 100 * uint64(size)
	return true
}

// wait is how long a receiver is given to get what was sent again.
func (r *resends) wait() time.Duration {
	if r.roundTrip == nil {
		return 0
	}
	return time.Duration(r.roundTrip.Load())
}

// resent is what is known of one packet that was sent again.
type resent struct {
	sequence uint16
	tries    uint8
	at       time.Time
}

// again reports whether a packet may be sent again, and notes that it is.
func again(memory []resent, sequence uint16, wait time.Duration, now time.Time) bool {
	m := &memory[int(sequence)%len(memory)]
	if m.tries == 0 || m.sequence != sequence || now.Sub(m.at) > time.Minute { // or of an earlier round of numbers
		*m = resent{sequence: sequence}
	}
	if m.tries >= resendTries || m.tries > 0 && now.Sub(m.at) < wait {
		return false
	}
	m.tries++
	m.at = now
	return true
}
