package asked

import (
	"time"

	"github.com/porch-call/porch/backend/media/share"
)

// told remembers what a publisher was told by a message, and decides when to tell it anew. Messages take longer than
// limits by RTCP, and cost the relay something, so they leave small changes of the rate to those. The zero value is a
// publisher that was told nothing.
type told struct {
	asks     []share.Ask // of the layers, and of the screen
	presents bool
	at       time.Time
}

const (
	tellStep  = 1.1 // the least factor by which a rate changes
	tellEvery = 500 * time.Millisecond
)

// due reports whether the publisher is to be told asks now, and notes that it is. They are as many each time.
func (t *told) due(asks []share.Ask, presents bool, now time.Time) bool {
	due := t.at.IsZero()
	if due {
		t.asks = make([]share.Ask, len(asks))
	}
	due = due || presents != t.presents
	for l := range asks {
		due = due || asks[l].On != t.asks[l].On
	}
	if !due && now.Sub(t.at) >= tellEvery {
		for l := range asks {
			due = due || asks[l].On && differ(asks[l].MaxBitrate, t.asks[l].MaxBitrate)
		}
	}
	if due {
		t.asks, t.presents, t.at = asks, presents, now
	}
	return due
}

// differ reports whether one of two rates is so much higher that the publisher is to be told. 0 is no limit.
func differ(a, b int) bool {
	low, high := min(a, b), max(a, b)
	return low != high && (low <= 0 || float64(high) >= tellStep*float64(low))
}
