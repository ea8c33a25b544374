package forward

import (
	"sync"
	"sync/atomic"
	"time"
)

// resends is the budget for retransmissions to one receiver. Each retransmission makes a loss worse that comes from a
// full line, so the budget is a share of what is sent anyway.
type resends struct {
	sent atomic.Uint64 // bytes of media sent, without retransmissions

	roundTrip *atomic.Int64 // to the receiver, in nanoseconds; nil or 0 for unknown

	mu      sync.Mutex // guards what follows; no other lock is acquired under it
	begun   bool
	credit  uint64 // bytes that may be sent again now, times 100
	counted uint64 // bytes of sent that are already in credit
	mark    uint64 // value of sent at the beginning of the current second
	markAt  time.Time
	second  uint64 // bytes sent in the second before
}

const (
	resendShare  = 15                     // percent of the bytes sent in the last second
	resendFloor  = 20_000                 // bytes, so that a first loss is always answered
	resendTries  = 3                      // retransmissions of one packet
	resendMemory = 1 << 8                 // packets of one slot whose tries are remembered
	resendAge    = 400 * time.Millisecond // an older packet is of no use for a picture
)

// take takes size bytes from the budget. ok is false if the budget is spent.
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

// wait returns how long a receiver is given to get a retransmission before the next one.
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

// again reports whether a packet may be sent again, and counts the try.
func again(memory []resent, sequence uint16, wait time.Duration, now time.Time) bool {
	m := &memory[int(sequence)%len(memory)]
	if m.tries == 0 || m.sequence != sequence || now.Sub(m.at) > time.Minute { // or before the numbers wrapped
		*m = resent{sequence: sequence}
	}
	if m.tries >= resendTries || m.tries > 0 && now.Sub(m.at) < wait {
		return false
	}
	m.tries++
	m.at = now
	return true
}
