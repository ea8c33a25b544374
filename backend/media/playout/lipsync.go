package playout

import (
	"time"

	"github.com/porch-call/porch/backend/media/frames"
)

const (
	// maxHold is the longest time that a picture waits for its sound.
	maxHold = 500 * time.Millisecond
	// maxHeld bounds how many pictures wait: a second at 60 a second.
	maxHeld = 60
)

// lipSync holds back one participant's pictures until the sound of the same time is heard. Sound is planned from the
// earliest transit of its last packets (see delayEstimator), plus the time that the jitter buffer holds it back.
// Pictures are planned from the earliest transit of their own packets, plus the same time. This assumes that a sender
// needs as long for a picture as for sound, and that the window needs as long to draw as the speaker to play (about
// 30 ms each). A picture without sound and a late picture don't wait.
//
// It is pure and not safe for concurrent use.
type lipSync struct {
	transit delayEstimator
	begun   bool
	last    time.Duration // when the newest picture is due
	waiting []heldFrame
}

type heldFrame struct {
	frame frames.Frame
	due   time.Duration
}

// arrive notes that a packet with media time media arrived at now.
func (l *lipSync) arrive(now, media time.Duration) { l.transit.arrive(now, media) }

// restart makes the next packet the first of another stream.
func (l *lipSync) restart() { l.transit, l.begun = delayEstimator{}, false }

// push takes the next picture, which became whole at now, while sound is held back for hold.
func (l *lipSync) push(now, hold time.Duration, f frames.Frame) {
	due := max(now, l.last)
	if l.begun { // the first picture is shown at once, because no picture is on screen yet
		due = max(due, l.transit.base+f.At+min(hold, maxHold))
	}
	l.begun, l.last = true, due
	l.waiting = append(l.waiting, heldFrame{f, due})
	if len(l.waiting) > maxHeld {
		l.last = now
		for i := range l.waiting {
			l.waiting[i].due = min(l.waiting[i].due, now)
		}
	}
}

// pop returns the next picture that is due at now.
func (l *lipSync) pop(now time.Duration) (f frames.Frame, ok bool) {
	if len(l.waiting) == 0 || l.waiting[0].due > now {
		return frames.Frame{}, false
	}
	f = l.waiting[0].frame
	l.waiting[0] = heldFrame{}
	l.waiting = l.waiting[1:]
	if len(l.waiting) == 0 {
		l.waiting = nil
	}
	return f, true
}

// next returns when the next picture is due.
func (l *lipSync) next() (due time.Duration, ok bool) {
	if len(l.waiting) == 0 {
		return 0, false
	}
	return l.waiting[0].due, true
}
