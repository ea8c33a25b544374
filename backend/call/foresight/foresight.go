// Package foresight tells, while guests wait at a call's door, what letting one of them in would do to the pictures of
// those who are in.
package foresight

import (
	"time"

	"github.com/porch-call/porch/backend/media/share"
)

// Forecast is what letting one more guest in does.
type Forecast struct {
	Lowers bool // pictures get smaller
	To     int  // lines of most pictures then; 0 if they pause
}

// Foresight makes forecasts. The zero value is ready. It is not safe for concurrent use.
type Foresight struct {
	forecaster share.Forecaster
	at         time.Time
	seen, told Forecast // seen is told when it is seen twice
}

// every is the least time between two forecasts.
const every = time.Second

// Look returns what letting n in would do, from the input of the decision that was just made, where so many places have
// sound. expected says whether guests wait; nobody is foreseen otherwise. news reports that the forecast has changed.
func (f *Foresight) Look(in *share.Input, n share.Newcomer, places int, expected bool, now time.Time) (forecast Forecast, news bool) {
	if expected && now.Sub(f.at) < every {
		return f.told, false
	}
	f.at = now
	var next Forecast
	if expected {
		if seen, ok := f.forecaster.Admit(in, n, places); ok {
			next = Forecast{Lowers: true, To: seen.After}
		}
	}
	settled := next == f.seen || !expected
	f.seen = next
	if !settled || next == f.told {
		return f.told, false
	}
	f.told = next
	return next, true
}

// Newcomer is a guest of whom nothing is known: with a good line and a camera, by the way that most receivers of in come
// but the host's window, whose number is host. If there are none, they come by way.
func Newcomer(in *share.Input, id, host share.ID, way int) share.Newcomer {
	n := share.Newcomer{
		Receiver: share.Receiver{ID: id, Way: way, Capacity: share.Unlimited},
		Track:    share.Track{ID: share.TrackID{Of: id, Kind: share.Camera}, Count: 1},
	}
	n.Track.Layers[0] = share.Layer{Height: 720, Active: true}
	most := 0
	for w := range in.Ways {
		guests := 0
		for _, r := range in.Receivers {
			if r.Way == w && r.ID != host {
				guests++
			}
		}
		if guests > most || guests == most && guests > 0 && w == way {
			most, n.Receiver.Way = guests, w
		}
	}
	return n
}
