package rate

import "time"

const (
	rivalQueue = 25 * time.Millisecond  // a shorter queue is nobody's
	rivalOwed  = 120 * time.Millisecond // by which a queue of ours would have become shorter
	rivalFell  = 0.3                    // share of that by which a rival's queue becomes shorter at most
	rivalGone  = 300 * time.Millisecond // without a queue
	rivalBest  = 12 * time.Second       // a tenth of how long it is remembered what arrived
	rivalStart = 0.5                    // share of the most of that: what we begin to compete with
	rivalLeast = 0.3                    // share of the most of that: the least that loss lowers the value to
	rivalGain  = 1.0                    // packets that a round trip may carry more after each round trip
	rivalFirst = 0.4                    // a second, until the first loss
	rivalCut   = 0.85                   // after a loss
	rivalLoss  = 0.025                  // share of a window that is a loss
	rivalHold  = time.Second            // and a round trip: no growth, and no second cut
	rivalFlood = 0.2                    // share of the packets of a while that no rival takes from us
	rivalTakes = 600 * time.Millisecond // until that counts, because we push in at the begin
	rivalLock  = 2 * time.Second        // after a queue was ours: no suspicion; doubled each time
	rivalLocks = 40 * time.Second       // at most

	poorValue = 3 * float64(Floor)    // who has no more can't send less, to find out
	poorQueue = 40 * time.Millisecond // always
	poorFor   = 3 * time.Second

	rivalTest = 6 * time.Second        // between two tests whether the rival is still there
	rivalSoon = 2 * time.Second        // before the first of them
	testFor   = 700 * time.Millisecond // less is sent for a test
	testRamp  = 150 * time.Millisecond // until it is
	testShare = 0.7                    // of the value that is sent meanwhile
	testOwed  = 50 * time.Millisecond  // less than that says nothing
	testFell  = 0.7                    // share by which a queue of our own becomes shorter
)

// rival notices a flow of somebody else in front of the same line, such as an upload by TCP. It fills the queue until
// packets are lost, and whoever yields to every queue is left with nothing beside it. A queue of our own gets shorter by
// as much as less is sent than arrives. A rival fills it up again. While there is one, only loss says what our part is.
// The zero value is ready to use.
type rival struct {
	on      bool
	stepped time.Duration
	best    extremes // of what arrived, of two minutes

	begun time.Duration // of what is looked at; 0 if nothing is
	queue time.Duration // then
	owed  time.Duration // by how much it would have become shorter since, if it were ours
	poor  time.Duration // since when the queue is long and the value low; 0 for not so
	calm  time.Duration // for how long there has been no queue
	flood time.Duration // for how long more was lost than a rival takes

	testing bool // less is sent, to find out whose queue it is
	tested  time.Duration
	acked   float64       // before the test
	doubts  int           // tests in a row that said something else than what was known
	locked  time.Duration // no suspicion before
	lock    time.Duration
}

// step takes what is known now. It reports whether a rival was found just now.
func (r *rival) step(now, queue time.Duration, sent, acked, value float64) (found bool) {
	passed := min(now-r.stepped, 200*time.Millisecond)
	r.stepped = now
	r.note(now, acked)
	if queue < rivalQueue {
		r.begun, r.poor = 0, 0
		if r.testing {
			r.ours(now)
		}
		if r.calm += passed; r.on && r.calm >= rivalGone {
			r.on = false
		}
		return false
	}
	r.calm = 0
	switch {
	case acked <= 0:
	case r.testing:
		return r.conclude(now, queue, sent)
	case r.on:
		if now-r.tested >= rivalTest {
			r.test(now, queue, acked)
		}
	case now >= r.locked:
		if r.begun == 0 || r.owed < 0 {
			r.begun, r.queue, r.owed = now, queue, 0
		}
		r.owed += time.Duration((1 - sent/acked) * float64(passed))
		switch {
		case queue < poorQueue || value > poorValue:
			r.poor = 0
		case r.poor == 0:
			r.poor = now
		case now-r.poor >= poorFor:
			r.on, r.tested = true, now
			return true
		}
		if r.owed >= rivalOwed {
			if float64(r.queue-queue) <= rivalFell*float64(r.owed) {
				r.test(now, queue, acked)
			}
			r.begun = 0
		}
	}
	return false
}

// flooded reports that so much is lost beside the rival that it is none: the line has become slower.
func (r *rival) flooded(passed time.Duration, lost float64) bool {
	if r.flood += passed; !r.on || lost <= rivalFlood {
		r.flood = 0
	}
	return r.flood >= rivalTakes
}

// note remembers what arrived.
func (r *rival) note(now time.Duration, acked float64) {
	r.best.step = rivalBest
	r.best.add(now, acked)
}

// test begins to send less, to find out whose queue it is.
func (r *rival) test(now, queue time.Duration, acked float64) {
	r.testing, r.tested, r.queue, r.acked = true, now, queue, acked
}

// conclude ends a test. It reports whether a rival was found.
func (r *rival) conclude(now, queue time.Duration, sent float64) (found bool) {
	if now-r.tested < testFor {
		return false
	}
	owed := time.Duration((1 - sent/r.acked) * float64(now-r.tested-testRamp))
	due := min(owed, r.queue-rivalQueue/2)
	ours := float64(r.queue-queue) > testFell*float64(due)
	r.testing, r.begun = false, 0
	switch {
	case owed < testOwed: // it says nothing
		r.doubts = 0
		return false
	case ours != r.on: // as we knew
		if r.doubts = 0; ours {
			r.ours(now)
		}
		return false
	}
	if r.doubts++; r.doubts == 1 { // a line that changes, or a rival that yields, looks like that once
		r.test(now, queue, r.acked)
		return false
	}
	if ours {
		r.ours(now)
		return false
	}
	r.on, r.tested = true, now-rivalTest+rivalSoon
	r.lock, r.doubts = 0, 0
	return true
}

// ours notes that the queue is ours.
func (r *rival) ours(now time.Duration) {
	r.on, r.testing, r.begun, r.doubts = false, false, 0, 0
	r.lock = min(max(2*r.lock, rivalLock), rivalLocks)
	r.locked = now + r.lock
}

// compete takes the evidence of now beside a rival. lost says that packets were lost.
func (c *control) compete(now time.Duration, e evidence, lost bool) {
	passed := min(now-c.stepped, 200*time.Millisecond)
	c.stepped = now
	if lost && now >= c.hold {
		c.before = c.value
		c.value = max(rivalCut*max(min(e.acked, c.value), 0.9*c.value), c.least, float64(Floor))
		c.cutAt, c.hold, c.first = now, now+e.roundTrip+rivalHold, false
		return
	}
	if now < c.hold || passed <= 0 || e.want <= c.value || e.sent < busy*c.value {
		return
	}
	trip := max(e.roundTrip, e.queue, 50*time.Millisecond).Seconds()
	more := rivalGain * probeBytes * 8 / trip / trip
	if c.first {
		more = max(more, rivalFirst*c.value)
	}
	c.raise(c.value+more*passed.Seconds(), e.limit)
}

// forget begins anew, but for what arrived before.
func (r *rival) forget(now time.Duration) { *r = rival{stepped: now, best: r.best} }

// meet begins to compete with a rival.
func (r *rival) meet(now time.Duration, c *control) {
	best, _ := r.best.largest(now)
	c.raise(rivalStart*best, float64(Ceiling))
	c.least = rivalLeast * best
	c.top, c.first = 0, true
}

// available returns what may be sent now.
func (r *rival) available(c *control, queue time.Duration) float64 {
	switch {
	case r.testing:
		return testShare * c.value
	case r.on:
		return c.value
	}
	return c.available(queue)
}

// standing returns the queue that the receiver's own line has.
func (e *Estimator) standing() time.Duration {
	return max(e.trend.standing-time.Duration(e.foreign.Load()), 0)
}

// meet begins to compete with a rival. The shortest delay so far stays what delays are compared with.
func (e *Estimator) meet(now time.Duration) {
	e.rival.meet(now, &e.control)
	e.trend.hold(now)
}

// yield says that a rival fills the queue in front of the way, so that the cuts of the last while were for nothing.
func (e *Estimator) yield(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	best, _ := e.rival.best.largest(at)
	e.control.raise(best, float64(Ceiling))
	e.control.top = 0
	e.excused.Add(1)
	e.trend.hold(at)
	e.rival.forget(at)
	e.loss.testing, e.stuck, e.cutAt = false, 0, 0
	e.publish()
}

// compete shares the way with a rival.
func (u *Uplink) compete(at time.Duration, e evidence, sum report) {
	lost := 0.0
	for _, m := range u.members {
		if m.live && sum.sent > 0 {
			lost += m.lost * m.sent / sum.sent
		}
	}
	u.control.compete(at, e, lost > rivalLoss)
}
