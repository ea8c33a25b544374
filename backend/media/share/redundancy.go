package share

import "time"

// RedundantRate is what one voice takes on the wire beside [SoundRate] if each packet carries the one before, in bit/s.
const RedundantRate = 36_000

const (
	// Loss of a receiver above lossy is worth repairing ahead of time. Below calm for calmFor it is not any more.
	lossy   = 0.03
	calm    = 0.015
	calmFor = 10 * time.Second
	// crampedFor is how long a line that had no room for redundancy is taken to have none.
	crampedFor = 10 * time.Second
)

// Redundancy decides whether a receiver's sound is sent so that what is lost can be restored from what follows. The zero
// value is ready to use.
type Redundancy struct {
	losing  bool
	lostAt  time.Time // when loss was last above calm
	cramped time.Time // when there was last no room
}

// Losing takes the share of packets that the receiver lately missed, and reports whether to do something about it.
func (r *Redundancy) Losing(lost float64, now time.Time) bool {
	switch {
	case lost > lossy:
		r.losing, r.lostAt = true, now
	case lost > calm:
		r.lostAt = now
	case now.Sub(r.lostAt) > calmFor:
		r.losing = false
	}
	return r.losing
}

// mostAssumed is the most loss that publishers are told to expect. A receiver may say what it likes of its own.
const mostAssumed = 0.25

// Decide takes the share of packets that the receiver lately missed, and reports whether its sound is sent twice, at so
// many bit/s, which it must take and have room for. Otherwise assumed is the loss that publishers are told to expect, so
// that they add forward error correction; 0 for none.
func (r *Redundancy) Decide(lost float64, takes bool, sound int, to Receiver, way Way, now time.Time) (twice bool, assumed float64) {
	switch {
	case !r.Losing(lost, now):
		return false, 0
	case takes && r.Fits(sound, to, way, now):
		return true, 0
	}
	return false, min(lost, mostAssumed)
}

// Fits reports whether a receiver's line, and the way out that it shares with others, have room for redundant sound at so
// many bit/s. Where loss is for want of room, redundancy makes it worse.
func (r *Redundancy) Fits(sound int, to Receiver, way Way, now time.Time) bool {
	if need := 2 * sound; to.Capacity < need || way.Capacity < need {
		r.cramped = now
		return false
	}
	return r.cramped.IsZero() || now.Sub(r.cramped) > crampedFor
}
