package forward

import (
	"sync"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/signalling"
)

// probe is a stretch in which more is sent to a receiver than it is shown, to find out whether its line carries that.
type probe struct {
	mu    sync.Mutex // guards what follows; acquired before Slot.mu
	rate  float64    // bytes a second
	bytes uint64     // to be sent, 0 while there is no probe
	begun time.Time
	first uint64 // the value of departures.bytes at the beginning
}

const (
	padAhead     = 5 * time.Millisecond // the distance of two calls of Pace
	longestProbe = 500 * time.Millisecond
)

// Probe begins a probe. [Outbound.Pace] sends it, as padding between the media.
func (o *Outbound) Probe(now time.Time, p rate.Probe) {
	o.probe.mu.Lock()
	o.probe.rate, o.probe.bytes = float64(p.Rate)/8, uint64(p.Bytes)
	o.probe.begun, o.probe.first = now, o.departures.bytes.Load()
	o.probe.mu.Unlock()
	o.departures.probe.Store(int64(p.ID))
	o.pacing.wake()
}

// pad sends the padding that a probe demands by now. more reports that the probe goes on.
func (o *Outbound) pad(now time.Time) (more bool) {
	p := &o.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == 0 {
		return false
	}
	slots := o.All()
	due := uint64(p.rate * (now.Sub(p.begun) + padAhead).Seconds())
	for {
		sent := o.departures.bytes.Load() - p.first
		switch {
		case sent < p.bytes && sent >= due && now.Sub(p.begun) <= longestProbe:
			return true
		case sent < p.bytes && sent < due && padOnce(slots, now):
			continue
		}
		p.bytes = 0
		o.departures.probe.Store(0)
		return false
	}
}

// padOnce sends one packet of padding. It reports false if no slot can.
func padOnce(slots []*Slot, now time.Time) bool {
	for _, s := range slots {
		if s.Kind == signalling.KindVideo && s.pad(now) {
			return true
		}
	}
	return false
}
