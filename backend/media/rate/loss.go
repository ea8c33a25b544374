package rate

import (
	"math"
	"time"
)

const (
	lossWindow   = 250 * time.Millisecond  // shortest window
	lossPackets  = 25                      // fewest packets of a window
	lossNoise    = 0.02                    // loss that is never acted upon
	lossMost     = 0.15                    // the highest loss that is taken for the line's own
	lossEnough   = 0.3                     // the sum of loss over the line's own, window by window, that is acted upon
	lossRelief   = 0.08                    // what a window without takes off the sum
	lossDoubt    = 0.1                     // loss over the line's own that is acted upon after a raise
	lossFlood    = 0.5                     // loss that is acted upon at once
	lossSample   = 100                     // packets of an experiment
	lossPatience = 1200 * time.Millisecond // after which fewer do
	lossGone     = 0.3                     // of the loss that began an experiment: if less is left, it was congestion
	lossSmall    = 0.04                    // what is left is the line's own, if it is less
	lossSure     = 2                       // experiments that must agree
	lossLearn    = 0.1                     // of a window with less loss, in the line's own
)

// loss tells loss by congestion from the loss that a line has at any rate, as radio does. Only an experiment can: the
// rate is lowered, and if the loss stays, it is the line's own. The zero value is ready to use.
type loss struct {
	own float64 // share that the line loses at any rate

	since       time.Duration // begin of the window
	packets     int
	bytes, gone int // in bytes, because a policer drops the large packets first

	rate    float64 // of the last window
	excess  float64 // sum of the loss over the line's own
	again   bool    // the last window had more loss than the line's own
	testing bool    // an experiment is under way
	after   time.Duration
	blamed  float64 // the loss that began it
	agreed  int     // experiments in a row after which the loss was the same
	seen    int     // packets of the experiment
	sample  int     // their bytes
	missed  int     // bytes of them
}

// verdict is what loss says of a window.
type verdict uint8

const (
	fine      verdict = iota
	congested         // the rate must fall
	inherent          // the last fall was for nothing
)

// received counts a packet of size bytes. again says that it was counted as missing before.
func (l *loss) received(sentAt time.Duration, size int, again bool) {
	if again {
		l.gone -= size
	} else {
		l.packets++
		l.bytes += size
	}
	if l.testing && sentAt >= l.after {
		if again {
			l.missed -= size
		} else {
			l.seen++
			l.sample += size
		}
	}
}

// missing counts a packet of size bytes that has not arrived so far.
func (l *loss) missing(sentAt time.Duration, size int) {
	l.received(sentAt, size, false)
	l.gone += size
	if l.testing && sentAt >= l.after {
		l.missed += size
	}
}

// judge ends a window if it is long enough. queue says that there is a standing queue, so that loss is by congestion.
// doubt says that the rate was raised shortly before.
func (l *loss) judge(now time.Duration, queue, doubt bool) verdict {
	if now-l.since < lossWindow || l.packets < lossPackets && now-l.since < time.Second || l.packets < lossPackets/3 {
		return fine
	}
	n := float64(l.packets)
	share := min(max(float64(l.gone)/float64(max(l.bytes, 1)), 0), 1)
	l.rate = share
	l.since, l.packets, l.bytes, l.gone = now, 0, 0, 0

	if l.testing {
		if l.seen < lossSample && (l.seen < lossPackets || now-l.after < lossPatience) {
			return fine
		}
		return l.conclude(queue)
	}
	margin := max(lossNoise, 2*math.Sqrt(max(l.own, 0.01)*(1-l.own)/n))
	if share <= l.own+margin {
		l.excess = max(l.excess-lossRelief, 0)
		l.again = false
		l.own += lossLearn * min(share-l.own, 0)
		return fine
	}
	again := l.again
	l.excess += share - l.own
	l.again = true
	enough := lossEnough
	if queue {
		enough /= 2
	}
	if doubt && share > l.own+max(lossDoubt, 4/n) {
		again, enough = true, 0
	}
	if (!again || l.excess < enough) && (share < lossFlood || n < 2*lossPackets) {
		return fine // perhaps a few packets of bad luck
	}
	l.excess = 0
	return congested
}

// lately returns the loss over the line's own of the last window, 0 if that was long ago.
func (l *loss) lately(now time.Duration) float64 {
	if now-l.since > 2*lossWindow {
		return 0
	}
	return max(l.rate-l.own, 0)
}

// experiment begins one: the rate was lowered, and packets sent after a time are looked at.
func (l *loss) experiment(after time.Duration) {
	if !l.testing {
		l.blamed, l.agreed = l.rate, 0
	}
	l.testing, l.after, l.seen, l.sample, l.missed = true, after, 0, 0, 0
}

// conclude ends an experiment.
func (l *loss) conclude(queue bool) verdict {
	share := min(max(float64(l.missed)/float64(max(l.sample, 1)), 0), 1)
	l.excess = 0
	if queue || share < lossGone*(l.blamed-l.own)+l.own {
		l.testing = false
		switch {
		case share <= l.own:
			l.own = max(share, 0.5*l.own)
		case share < lossSmall && !queue:
			l.own = share // what is left
		case share > l.own+lossNoise:
			l.excess, l.again = lossEnough, true // not enough so far
		}
		return fine
	}
	if share > 1.5*l.blamed+lossNoise { // something else has happened
		l.blamed, l.agreed = share, 0
		return congested
	}
	if l.agreed++; share > lossMost || l.agreed < lossSure {
		return congested
	}
	l.own, l.testing = share, false
	return inherent
}
