package rate

import "time"

// Moved says that the receiver is reached over another path. The estimate begins at half of what it was.
func (e *Estimator) Moved(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	c := &e.control
	e.control = control{value: max(movedShare*c.value, float64(Floor)), hold: at + cutHold, stepped: at}
	e.sent.forget()
	e.trend, e.loss, e.stuck = trend{}, loss{}, 0
	e.proved, e.raw, e.delivered, e.acked, e.carried = extremes{}, extremes{}, meter{}, 0, 0
	e.probing, e.rival = probing{id: e.probing.id}, rival{}
	e.heard, e.over, e.overAt, e.lossAt, e.cutAt, e.silence = false, false, 0, 0, 0, 1
	e.progress = at
	e.given, e.measured = 0, 0
	e.publish()
}

// lengthened takes it that the path has become longer. What was cut since then was cut for nothing.
func (e *Estimator) lengthened(now time.Duration) {
	e.trend.lift(now)
	e.rival.forget(now)
	c := &e.control
	c.raise(e.leaping, max(e.restored(now), c.value))
	c.top = 0
	e.stuck, e.cutAt = 0, 0
	e.excused.Add(1)
	e.loss.testing, e.loss.excess = false, 0
	e.probing.backoff, e.probing.next, e.probing.careful = 0, now, true
	e.progress = now
}
