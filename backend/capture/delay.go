package capture

import (
	"slices"
	"time"
)

// Bounds of the playout delay.
const (
	minPlayoutDelay     = 40 * time.Millisecond
	maxPlayoutDelay     = 300 * time.Millisecond
	initialPlayoutDelay = 60 * time.Millisecond
	playoutMargin       = 20 * time.Millisecond // above the 97th percentile of the arrival spread
)

const (
	delayWindow  = 10 * time.Second // how long an arrival counts
	delaySamples = 512              // of 20 ms packets: the whole window
	delayRefresh = 10               // arrivals between two computations
	// transitBreak is a change of transit that is no jitter: the sender's
	// clock has jumped, or stood still while it sent nothing.
	transitBreak = time.Second
)

// delayEstimator learns from arrivals how late packets come and how long their
// sound must be held back so that 97 in 100 are there in time.
//
// A packet's transit is its arrival less its media time: meaningless alone,
// because the two clocks have different zeros, but its spread above the
// smallest recent one is what jitter adds. The smallest transit follows the
// drift of the clocks, because arrivals older than delayWindow are forgotten.
//
// It is pure and not safe for concurrent use.
type delayEstimator struct {
	samples [delaySamples]transitSample
	next    int // where the next sample goes
	count   int
	fresh   int // arrivals since the last computation

	base   time.Duration
	target time.Duration
	sorted []time.Duration // scratch
}

type transitSample struct{ at, transit time.Duration }

// arrive notes a packet of media time media that arrived at now. Both grow, from any zero.
// It reports false if the media clock broke and all that was learnt is void.
func (e *delayEstimator) arrive(now, media time.Duration) bool {
	transit := now - media
	steady := true
	if e.count > 0 {
		if d := transit - e.base; d > transitBreak || d < -transitBreak {
			*e = delayEstimator{sorted: e.sorted}
			steady = false
		}
	}
	e.samples[e.next] = transitSample{now, transit}
	e.next = (e.next + 1) % delaySamples
	e.count = min(e.count+1, delaySamples)
	e.fresh++
	switch {
	case e.count == 1:
		e.base, e.target = transit, initialPlayoutDelay
	case transit < e.base:
		e.base = transit
	}
	if e.fresh >= delayRefresh {
		e.refresh(now)
	}
	return steady
}

// refresh recomputes base and target from the samples within the window.
func (e *delayEstimator) refresh(now time.Duration) {
	e.fresh = 0
	e.sorted = e.sorted[:0]
	for _, s := range e.samples[:e.count] {
		if now-s.at <= delayWindow {
			e.sorted = append(e.sorted, s.transit)
		}
	}
	slices.Sort(e.sorted)
	e.base = e.sorted[0]
	late := e.sorted[(len(e.sorted)*97-1)/100]
	e.target = min(max(late-e.base+playoutMargin, minPlayoutDelay), maxPlayoutDelay)
}

// due is when sound of this media time should be heard.
func (e *delayEstimator) due(media time.Duration) time.Duration { return e.base + media + e.target }

// excess is by how much sound of this media time, heard at now, is later than
// it need be; negative if it is early.
func (e *delayEstimator) excess(now, media time.Duration) time.Duration { return now - e.due(media) }
