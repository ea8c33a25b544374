package rate

import (
	"math"
	"slices"
	"time"
)

// State is what the delay of a receiver's packets says of the line to it.
type State uint8

const (
	Normal   State = iota
	Underuse       // the queue in front of the line is getting shorter
	Overuse        // the queue is getting longer
)

func (s State) String() string { return [...]string{"normal", "underuse", "overuse"}[s] }

// The trendline estimator's constants are those of libwebrtc (modules/congestion_controller/goog_cc/
// trendline_estimator.cc and inter_arrival_delta.cc).
const (
	groupSpan     = 5 * time.Millisecond   // of departures
	burstGap      = 5 * time.Millisecond   // of arrivals that belong to one burst
	burstSpan     = 100 * time.Millisecond // of the longest burst
	trendGroups   = 20
	trendSmooth   = 0.9
	trendGain     = 4.0
	trendDeltas   = 60
	thresholdLow  = 6.0 // ms
	thresholdHigh = 600.0
	thresholdMid  = 12.5
	thresholdUp   = 0.0087 // a ms
	thresholdDown = 0.039
	overuseTime   = 10 * time.Millisecond

	// standingQueue is the queue below which a rising delay is taken for jitter. Wi-Fi holds packets back and delivers
	// them at once; the shortest delay of 100 ms is then as short as before.
	standingQueue = 15 * time.Millisecond

	floorHeld = 30 * time.Second

	// A path that becomes longer does so from one packet to the next, and stays as it is. A queue takes time to grow, and
	// is emptied or filled further.
	levelSpan = 400 * time.Millisecond // of each of the shortest delays that are compared
	levelFlat = 3 * time.Millisecond   // between them
	levelLeap = 10 * time.Millisecond  // from one packet to the next, over the time between them
	levelGap  = 20 * time.Millisecond  // of that time at most, because packets between them may be lost
	levelOld  = 5 * time.Second        // since a leap
)

// group is the packets that left within 5 ms, or arrived as one burst.
type group struct {
	firstSent, lastSent       time.Duration
	firstArrival, lastArrival time.Duration
	packets                   int
}

// trend finds out from delays whether a queue builds up. The zero value is ready to use.
type trend struct {
	current, before group
	begun           bool // current has a packet
	complete        bool // before is a group

	at, smooth    [trendGroups]float64 // ms: arrival, and the smoothed sum of delay differences
	n             int                  // groups so far
	sum, smoothed float64              // ms
	origin        time.Duration        // of at

	threshold float64
	adapted   time.Duration // when threshold was
	over      time.Duration // how long the slope has been too steep
	overs     int
	slope     float64
	state     State

	base  extremes      // of negated one-way delays of 10 s, in seconds
	floor time.Duration // the shortest of them

	held      time.Duration // a floor that counts until heldUntil, whatever is seen
	heldUntil time.Duration

	shortest, shorter time.Duration // the shortest queue of this feedback, and of the one before
	fresh, primed     bool
	standing          time.Duration // the shorter of both

	level level
}

// level is what the shortest delay has been lately, span by span.
type level struct {
	sentAt, delay time.Duration // of the packet before
	leapt         time.Duration // when a packet took much longer than the one before; 0 if none did
	to            time.Duration // how long it took

	begun time.Duration // of the span under way; 0 if none is
	low   time.Duration // in it
	lows  [4]time.Duration
	spans int // that ended, since the last gap
}

// packet takes a packet that was received.
func (l *level) packet(now, sentAt, delay time.Duration) {
	if l.sentAt > 0 && sentAt >= l.sentAt && delay-l.delay > levelLeap+min(sentAt-l.sentAt, levelGap) {
		l.leapt, l.to, l.spans, l.begun = now, delay, 0, 0
	}
	l.sentAt, l.delay = sentAt, delay
}

// add takes the shortest delay of a feedback.
func (l *level) add(now, shortest time.Duration) {
	switch passed := now - l.begun; {
	case l.begun == 0 || passed > 4*levelSpan:
		l.begun, l.low, l.spans = now, shortest, 0
	case passed >= levelSpan:
		l.lows[l.spans%len(l.lows)] = l.low
		l.spans++
		l.begun, l.low = now, shortest
	default:
		l.low = min(l.low, shortest)
	}
}

// flat returns the shortest delay if it has been the same for a while.
func (l *level) flat() (low time.Duration, ok bool) {
	low, high := slices.Min(l.lows[:]), slices.Max(l.lows[:])
	return low, l.spans >= len(l.lows) && high-low <= levelFlat
}

// packet takes a packet that was received. Packets come in the order of arrival. now is the sender's clock.
func (t *trend) packet(now, sentAt, arrival time.Duration) {
	delay := arrival - sentAt
	t.base.add(now, -delay.Seconds())
	t.level.packet(now, sentAt, delay)
	if !t.primed || delay < t.floor {
		t.floor, t.primed = delay, true
	}
	if !t.fresh || delay < t.shortest {
		t.shortest, t.fresh = delay, true
	}
	if !t.begun {
		t.current, t.begun = group{sentAt, sentAt, arrival, arrival, 1}, true
		return
	}
	g := &t.current
	if sentAt < g.firstSent {
		return // overtaken
	}
	propagation := (arrival - g.lastArrival) - (sentAt - g.lastSent)
	burst := sentAt == g.lastSent || propagation < 0 && arrival-g.lastArrival <= burstGap && arrival-g.firstArrival < burstSpan
	if burst || sentAt-g.firstSent <= groupSpan {
		g.lastSent, g.lastArrival = max(g.lastSent, sentAt), max(g.lastArrival, arrival)
		g.packets++
		return
	}
	if t.complete {
		t.delta(g.lastSent-t.before.lastSent, g.lastArrival-t.before.lastArrival, g.lastArrival)
	}
	t.before, t.complete = *g, true
	*g = group{sentAt, sentAt, arrival, arrival, 1}
}

// delta takes the differences between two groups.
func (t *trend) delta(sentDelta, arrivalDelta, arrival time.Duration) {
	if t.n == 0 {
		t.origin = arrival
		t.threshold = thresholdMid
	}
	t.sum += ms(arrivalDelta - sentDelta)
	t.smoothed = trendSmooth*t.smoothed + (1-trendSmooth)*t.sum
	i := t.n % trendGroups
	t.at[i], t.smooth[i] = ms(arrival-t.origin), t.smoothed
	t.n++
	if t.n < trendGroups {
		return
	}
	slope := t.fit()
	t.judge(slope, sentDelta, arrival)
	t.slope = slope
}

// fit returns the slope of the smoothed delays by least squares.
func (t *trend) fit() float64 {
	var x, y float64
	for i := range t.at {
		x += t.at[i]
		y += t.smooth[i]
	}
	x, y = x/trendGroups, y/trendGroups
	var above, below float64
	for i := range t.at {
		dx := t.at[i] - x
		above += dx * (t.smooth[i] - y)
		below += dx * dx
	}
	if below == 0 {
		return 0
	}
	return above / below
}

// judge sets state, and adapts the threshold.
func (t *trend) judge(slope float64, sentDelta, arrival time.Duration) {
	m := float64(min(t.n, trendDeltas)) * slope * trendGain
	switch {
	case m > t.threshold:
		if t.overs == 0 {
			t.over = sentDelta / 2
		} else {
			t.over += sentDelta
		}
		t.overs++
		if t.over > overuseTime && t.overs > 1 && slope >= t.slope {
			t.over, t.overs = 0, 0
			t.state = Overuse
		}
	case m < -t.threshold:
		t.over, t.overs, t.state = 0, 0, Underuse
	default:
		t.over, t.overs, t.state = 0, 0, Normal
	}
	if size := math.Abs(m); size <= t.threshold+15 { // a leap, as of a route that changes, does not count
		k := thresholdUp
		if size < t.threshold {
			k = thresholdDown
		}
		passed := min(ms(arrival-t.adapted), 100)
		t.threshold = min(max(t.threshold+k*(size-t.threshold)*max(passed, 0), thresholdLow), thresholdHigh)
	}
	t.adapted = arrival
}

// settle ends a feedback: it finds the standing queue, which is the shortest that a packet of this feedback or of the one
// before has met.
func (t *trend) settle(now time.Duration) {
	if !t.fresh {
		return
	}
	if least, ok := t.base.largest(now); ok {
		t.floor = time.Duration(-least * float64(time.Second))
	}
	if now < t.heldUntil {
		t.floor = min(t.floor, t.held)
	}
	if t.shorter == 0 {
		t.shorter = t.shortest
	}
	t.standing = max(min(t.shortest, t.shorter)-t.floor, 0)
	t.shorter, t.fresh = t.shortest, false
	t.level.add(now, t.shortest)
}

// longer reports that the path itself has become longer: the shortest delay leapt, and stays the same whatever is sent.
func (t *trend) longer(now time.Duration) bool {
	low, flat := t.level.flat()
	to := t.level.to
	return flat && t.level.leapt > 0 && now-t.level.leapt < levelOld && low <= to+levelFlat && 2*(low-t.floor) > to-t.floor
}

// lift makes the shortest delay of late the floor.
func (t *trend) lift(now time.Duration) {
	low, _ := t.level.flat()
	t.base = extremes{}
	t.base.add(now, -low.Seconds())
	t.floor, t.heldUntil, t.standing = low, 0, 0
	t.shortest, t.shorter = low, low
	t.level = level{}
	t.restart()
}

// hold keeps the floor for a while, because somebody else's queue hides it.
func (t *trend) hold(now time.Duration) { t.held, t.heldUntil = t.floor, now+floorHeld }

// restart forgets the slope, but not the threshold.
func (t *trend) restart() {
	t.begun, t.complete = false, false
	t.sum, t.smoothed, t.n = 0, 0, 0
	t.over, t.overs, t.slope, t.state = 0, 0, 0, Normal
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
