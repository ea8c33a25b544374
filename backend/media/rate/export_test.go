package rate

import (
	"fmt"
	"time"
)

// Told is what a feedback says of one number.
type Told struct {
	Number   uint16
	At       time.Duration
	Received bool
}

const MaxStatuses = maxStatuses

// ReadFeedback reads a whole feedback.
func ReadFeedback(raw []byte) (all []Told, err error) {
	var f feedback
	if err := f.parse(raw); err != nil {
		return nil, err
	}
	for {
		number, at, received, ok := f.next()
		if !ok {
			return all, nil
		}
		all = append(all, Told{number, at, received})
	}
}

// Inside says what an estimator knows, for traces.
func Inside(e *Estimator) string {
	c := &e.control
	return fmt.Sprintf("value %.0f k top %.0f k acked %.0f k hold %v slope %.3f threshold %.1f loss %.3f own %.3f testing %v probing %v backoff %v",
		c.value/1e3, c.top/1e3, e.acked/1e3, c.hold, e.trend.slope, e.trend.threshold, e.loss.rate, e.loss.own, e.loss.testing, e.probing.active, e.probing.backoff)
}

// InsideWay says what an uplink knows, for traces.
func InsideWay(u *Uplink) string {
	c, r := &u.control, &u.rival
	return fmt.Sprintf("value %.0f k top %.0f k hold %v rival %v testing %v owed %v locked %v over %v",
		c.value/1e3, c.top/1e3, c.hold, r.on, r.testing, r.owed, r.locked, u.over)
}
