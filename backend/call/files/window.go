package files

import "time"

// A Window is how many bytes of a file may be on their way. It follows the delay that they meet, as LEDBAT does
// (RFC 6817): it grows while there is none and shrinks before there is much, so that what is sent for the call goes
// first on a line that both use. From time to time it starts anew, to see the line without its own queue. It is pure.
type Window struct {
	size    float64          // bytes
	base    time.Duration    // the shortest delay since turned
	before  time.Duration    // that of the time before; 0 for none
	turned  time.Time        // when it started last
	least   [2]time.Duration // the shortest delay of this while, and of the one before; a page has pauses of its own
	while   time.Time        // when this while began
	growing bool             // twice as much with each round, until there is some delay
	held    time.Time        // nothing is to be sent before
	cut     time.Time        // when it was last halved
}

const (
	windowLeast = 2 << 10
	windowMost  = 256 << 10
	windowStart = 4 << 10

	// windowDelay is the delay that a file may add to a line. RFC 6817 allows 100 ms; a call wants less.
	windowDelay = 25 * time.Millisecond
	windowGain  = 2 << 10 // bytes in a round, at most
	windowAnew  = 10 * time.Second
	longestHold = time.Second
	aWhile      = 100 * time.Millisecond
	partLeast   = 1 << 10
)

// Line is what is known of the way to a participant.
type Line struct {
	Near  bool          // it does not leave this computer
	Known bool          // Queue is measured
	Queue time.Duration // how long packets wait in front of it at least
	Full  bool          // it carries too little for the call
}

// NewWindow returns a window as it begins.
func NewWindow() Window { return Window{size: windowStart, growing: true} }

// Size returns how many bytes may be on their way.
func (w *Window) Size() int { return int(w.size) }

// Part returns how large a part of a file should be: several of them are on their way at any time, and on a slow line
// none keeps it for long.
func (w *Window) Part() int { return min(max(w.Size()/4, partLeast), MaxPart) }

// Hold returns how long nothing more is to be sent: on a line that is full without the file, the smallest window is too
// large.
func (w *Window) Hold(now time.Time) time.Duration { return max(w.held.Sub(now), 0) }

// Took notes that so many bytes were read after a delay, which is a round trip and the time in queues, and in a page that
// is busy. What is known of the line counts for more.
func (w *Window) Took(now time.Time, bytes int, delay time.Duration, line Line) {
	if line.Near {
		w.size, w.held = windowMost, time.Time{}
		return
	}
	if w.turned.IsZero() || now.Sub(w.turned) > windowAnew {
		if !w.turned.IsZero() {
			w.size, w.growing = windowLeast, true
		}
		w.before, w.base, w.turned = w.base, delay, now
	}
	w.base = min(w.base, delay)
	shortest := w.base
	if w.before > 0 {
		shortest = min(shortest, w.before)
	}
	if w.least[0] == 0 || now.Sub(w.while) > aWhile {
		w.least, w.while = [2]time.Duration{delay, w.least[0]}, now
	}
	w.least[0] = min(w.least[0], delay)
	lately := w.least[0]
	if w.least[1] > 0 {
		lately = min(lately, w.least[1])
	}
	queued := lately - shortest
	if w.growing {
		queued = delay - shortest
	}
	if line.Known {
		queued = line.Queue
	}
	if w.growing = w.growing && queued < windowDelay/2; w.growing {
		w.size += float64(bytes)
	} else {
		off := max(float64(windowDelay-queued)/float64(windowDelay), -4)
		w.size += windowGain * off * float64(bytes) / w.size
	}
	w.size = min(max(w.size, windowLeast), windowMost)
	switch {
	case line.Full:
		w.yield(now)
	case w.size == windowLeast && queued > windowDelay:
		w.held = now.Add(min(2*queued, longestHold))
	}
}

// yield halves the window, at most once in a while.
func (w *Window) yield(now time.Time) {
	if now.Sub(w.cut) < 200*time.Millisecond {
		return
	}
	w.growing, w.cut = false, now
	if w.size = max(w.size/2, windowLeast); w.size == windowLeast {
		w.held = now.Add(200 * time.Millisecond)
	}
}
