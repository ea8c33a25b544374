package rate

import (
	"math"
	"time"
)

const (
	cutFactor  = 0.85                   // of what arrived, after an overuse
	cutLeast   = 0.95                   // of the value, when more arrives than it says
	cutHold    = 300 * time.Millisecond // and a round trip: no growth, and no second cut
	cutDeep    = 0.8                    // a line that carries less than this share of the value is cut again at once
	growNear   = 0.05                   // a second, close to the known top
	growMiddle = 0.08                   // a second, on the way there
	growFar    = 0.16                   // a second, where the top is not known or far away
	growLeast  = 8000.0                 // bits per second, a second
	growEmpty  = 10 * time.Millisecond  // a shorter queue is none
	growQueue  = 25 * time.Millisecond  // no growth while the queue is longer
	topPassed  = 1.06                   // of the top: without a queue, the line has become faster
	topClear   = time.Second            // in which there was none
	topLost    = 1.15                   // of the top: the line has become faster
	topOld     = 5 * time.Second        // since the last cut: a probe may show that the line has become faster
	busy       = 0.65                   // share of the value that must be sent for a growth to prove something
	proofLimit = 1.5                    // of what was proved: the most that a value grows to
	lieLimit   = 2.0                    // of what was sent: the most that feedback raises a value to

	drainFrom = 25 * time.Millisecond // a longer queue of our own is drained
	drainIn   = 700 * time.Millisecond
	drainMost = 0.4 // share of the value that is not used meanwhile
)

// evidence is what is known at one step.
type evidence struct {
	over  bool          // a queue is building up
	queue time.Duration // standing

	roundTrip   time.Duration
	acked, sent float64 // bits per second: that arrived, and that left
	want        float64 // bits per second that could be used
	limit       float64 // bits per second: beyond it nothing was proved
	growth      float64 // bits per second: no growth beyond it, step by step
}

// control is additive increase and multiplicative decrease with a known top. It serves one receiver, and a way out.
type control struct {
	value float64 // bits per second

	top, spread float64 // mean and deviation of what arrived at cuts; 0 if unknown
	hold        time.Duration
	stepped     time.Duration

	cutAt  time.Duration
	before float64       // value before the last cut, or the last series of them
	clear  time.Duration // how long more than the top has left without a queue
	least  float64       // the least value beside a rival
	first  bool          // nothing was lost yet beside it
}

// step takes the evidence of now. It reports whether the value was cut.
func (c *control) step(now time.Duration, e evidence) (cut bool) {
	passed := min(now-c.stepped, 200*time.Millisecond)
	c.stepped = now
	if e.over && (now >= c.hold || c.deep(e)) {
		c.cut(now, e, true)
		return true
	}
	if e.over || now < c.hold || passed <= 0 {
		return false
	}
	if e.queue > growQueue || e.want <= c.value || e.sent < busy*c.value {
		return false
	}
	c.raise(c.value+max(c.growth(passed, e)*c.value, growLeast)*passed.Seconds(), e.growth)
	return false
}

// growth returns how fast the value grows, as a share of it a second. It forgets the top if the line has become faster.
func (c *control) growth(passed time.Duration, e evidence) float64 {
	near := c.value / c.top
	switch {
	case c.top == 0 || near < 0.85:
		return growFar
	case near < 0.95:
		return growMiddle
	case near < topPassed || e.queue > growEmpty || e.sent < c.top:
		c.clear = 0
	default:
		c.clear += passed
	}
	if c.clear >= topClear || near > topLost {
		c.top, c.clear = 0, 0
		return growFar
	}
	return growNear
}

// raise sets the value to a higher one, but not beyond a limit.
func (c *control) raise(to, limit float64) { c.value = max(c.value, min(to, limit)) }

// deep reports that the line carries much less than the value.
func (c *control) deep(e evidence) bool { return e.acked > 0 && e.acked < cutDeep*c.value }

// cut lowers the value after an overuse. known says that what arrived is what the line carries.
func (c *control) cut(now time.Duration, e evidence, known bool) {
	if now >= c.hold {
		c.before = c.value
	}
	next := cutLeast * c.value
	if e.acked > 0 {
		next = min(next, cutFactor*e.acked)
		if known {
			c.learn(e.acked)
		}
	}
	c.value = max(next, float64(Floor))
	c.cutAt, c.hold = now, now+e.roundTrip+cutHold
}

// learn takes what a full line carries.
func (c *control) learn(carried float64) {
	if c.top == 0 || math.Abs(carried-c.top) > max(3*c.spread, 0.1*c.top) {
		c.top, c.spread = carried, 0.03*carried
		return
	}
	off := carried - c.top
	c.top += 0.2 * off
	c.spread += 0.2 * (math.Abs(off) - c.spread)
}

// available returns what may be sent now: less than the value while a queue of our own is drained.
func (c *control) available(queue time.Duration) float64 {
	if queue <= drainFrom {
		return c.value
	}
	return c.value * (1 - min((queue-drainFrom).Seconds()/drainIn.Seconds(), drainMost))
}
