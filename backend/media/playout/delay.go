package playout

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
	delayWindow  = 10 * time.Second // how long an arrival is remembered
	delaySamples = 512              // of 20 ms packets: covers the whole window
	delayRefresh = 10               // arrivals between two computations
	// transitBreak is a change of transit too large to be jitter. It means that the sender's clock has jumped, or
	// stood still while it sent nothing.
	transitBreak = time.Second
)

// delayEstimator learns from arrivals how late packets come, and how long sound must be held back so that 97 of 100
// packets are in time.
//
// A packet's transit is its arrival time minus its media time. Alone it means nothing, because the two clocks have
// different zeros. Its difference from the smallest recent transit is the jitter. The smallest transit follows the
// drift of the clocks, because arrivals older than delayWindow are forgotten.
//
// It is pure and not safe for concurrent use.
type delayEstimator struct {
	samples [delaySamples]transitSample
	next    int // index of the next sample
	count   int
	fresh   int // arrivals since the last computation

	base   time.Duration
	target time.Duration
	sorted []time.Duration // scratch space
}

type transitSample struct{ at, transit time.Duration }

// arrive notes a packet with media time media that arrived at now. Both times grow, from any zero. It returns false
// if the media clock broke, and then starts over.
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

// due returns when sound of this media time should be heard.
func (e *delayEstimator) due(media time.Duration) time.Duration { return e.base + media + e.target }

// excess returns how much later than necessary sound of this media time is, when it is heard at now. It is negative
// for early sound.
func (e *delayEstimator) excess(now, media time.Duration) time.Duration { return now - e.due(media) }
