package rate

import (
	"math"
	"time"
)

const (
	tollFades = 4 * time.Second // to 1/e
	tollLeast = 40              // packets, below which nothing is known
)

// toll is the share of packets that a receiver lately missed, for whatever reason. The zero value is ready to use.
type toll struct {
	packets, gone float64
	at            time.Duration
}

// packet counts a packet that was reported for the first time.
func (t *toll) packet(arrived bool) {
	t.packets++
	if !arrived {
		t.gone++
	}
}

// late counts a packet that was reported as missing and has arrived after all.
func (t *toll) late() { t.gone = max(t.gone-1, 0) }

// fade lets what is old count less.
func (t *toll) fade(now time.Duration) {
	keep := math.Exp(-float64(now-t.at) / float64(tollFades))
	t.packets, t.gone, t.at = t.packets*keep, t.gone*keep, now
}

// share returns the share that was missing, 0 while little is known.
func (t *toll) share() float64 {
	if t.packets < tollLeast {
		return 0
	}
	return t.gone / t.packets
}
