package rate

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstRoundTrip = 100 * time.Millisecond // before one is known
	maxRoundTrip   = 2 * time.Second
	clockLeap      = 5 * time.Second // of the receiver's clock against ours: it is another clock

	silentAfter = 400 * time.Millisecond // and a round trip without feedback on what was sent: half
	silentLong  = time.Second            // a quarter, and the value falls
	silentLost  = 2 * time.Second        // the floor

	stuckQueue = 35 * time.Millisecond  // a queue as long that gets no shorter is too much
	stuckTimes = 4                      // feedbacks in a row
	stuckLong  = 100 * time.Millisecond // counts twice

	rawStep  = 200 * time.Millisecond
	rawLimit = 1.15 // of what arrived lately: no growth beyond, while what is sent depends on the value

	doubtProbe = time.Second // and a round trip after a raise by a probe

	starvedFor  = 4 * time.Second  // without a chance to prove anything
	mistakenFor = 10 * time.Second // after a cut by loss: a probe that finds more shows that it was for nothing

	excusedFrom = 1.3 // times the value: a cut that is taken back counts

	movedShare = 0.5 // of the estimate, on a path that is new
)

// Estimator estimates what the line to one receiver carries. It is safe for concurrent use.
type Estimator struct {
	capacity atomic.Int64
	share    atomic.Int64 // of the way out, written by Uplink
	queue    atomic.Int64
	state    atomic.Int32
	missed   atomic.Uint64 // the bits of a float64
	excused  atomic.Uint32 // cuts that were taken back
	foreign  atomic.Int64  // the queue in front of the way that a rival fills, written by Uplink
	common   atomic.Bool   // the queue is in front of the way, written by Uplink

	mu    sync.Mutex // guards what follows; no other lock is acquired under it
	start float64    // bits per second
	epoch time.Time
	begun bool
	want  float64

	sent     sent
	departed meter    // by our clock
	offered  extremes // of departed

	reference int64 // of the last feedback, unwrapped
	heard     bool
	heardAt   time.Duration
	reported  int64         // the newest extended number that a feedback spoke of
	offset    time.Duration // of the receiver's clock
	acks      []ack
	delivered meter         // by the receiver's clock
	newest    time.Duration // arrival
	acked     float64       // of 500 ms, or of 150 if that is much less; bits per second
	carried   float64       // of 500 ms
	proved    extremes      // of carried
	raw       extremes      // of what arrived in a second, lost packets not made up for; of 2 s

	planned         float64       // bits per second that are to be sent
	given, measured time.Duration // round trips; 0 for unknown

	trend   trend
	stuck   int
	falling bool // the standing queue is shorter than it was
	loss    loss
	toll    toll
	leaping float64 // the value when a packet last took much longer than the one before
	spared  float64 // the value before the loss that an experiment is about
	probing probing
	found   float64       // by the last probe, bits per second
	doubt   time.Duration // until then, loss shows that the last probe was wrong
	quiet   time.Duration // no overuse before: a probe is, or was, under way
	control control
	rival   rival

	overAt   time.Duration // the last overuse; 0 for none
	lossAt   time.Duration // the last overuse that was seen by loss; 0 for none
	over     bool
	cutAt    time.Duration // the last cut, for an excuse
	progress time.Duration // when the value could last be proved or was too high
	silence  float64       // factor
}

// ack is a packet that has arrived.
type ack struct {
	sentAt, arrival time.Duration
	size            uint16
	probe           uint8
}

// NewEstimator returns an estimator that begins with an estimate.
func NewEstimator(start Bitrate) *Estimator {
	e := &Estimator{start: float64(round(float64(start))), silence: 1}
	e.control.value = e.start
	e.share.Store(int64(Ceiling))
	e.publish()
	return e
}

// Capacity returns the rate that may be sent to the receiver now.
func (e *Estimator) Capacity() Bitrate { return Bitrate(e.capacity.Load()) }

// Share returns the rate that may be sent to the receiver now, within its share of the way out.
func (e *Estimator) Share() Bitrate { return Bitrate(min(e.capacity.Load(), e.share.Load())) }

// Queue returns how long packets wait in front of the line at least.
func (e *Estimator) Queue() time.Duration { return time.Duration(e.queue.Load()) }

// Lost returns the share of packets that the receiver lately missed, for whatever reason.
func (e *Estimator) Lost() float64 { return math.Float64frombits(e.missed.Load()) }

// Excused counts the cuts that turned out to be for nothing and were taken back. Whoever acted on one need not be careful.
func (e *Estimator) Excused() uint32 { return e.excused.Load() }

// State returns what the delay says of the line.
func (e *Estimator) State() State { return State(e.state.Load()) }

// Sent takes a packet that left: its transport-wide number, its size in bytes with all headers, and the ID of the probe
// that it belongs to, or 0.
func (e *Estimator) Sent(now time.Time, number uint16, size int, probe int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	id := uint8(probe)
	if id != 0 && (!e.probing.active || id != e.probing.id) {
		id = 0
	}
	if id != 0 {
		e.probing.sent(at, size)
	}
	e.sent.push(at, number, size, id)
	e.departed.add(at, size)
}

// Want says what could be used, if the line carried it.
func (e *Estimator) Want(want Bitrate) {
	e.mu.Lock()
	e.want = float64(want)
	e.mu.Unlock()
}

// Plan says what is to be sent. The way out is shared by it.
func (e *Estimator) Plan(planned Bitrate) {
	e.mu.Lock()
	e.planned = float64(planned)
	e.mu.Unlock()
}

// RTT says how long a round trip to the receiver takes. Without it, the time to the feedback is taken.
func (e *Estimator) RTT(roundTrip time.Duration) {
	e.mu.Lock()
	e.given = min(max(roundTrip, 0), maxRoundTrip)
	e.mu.Unlock()
}

// Feedback takes an RTCP packet of type 205, format 15 from the receiver. It returns [ErrFeedback] if it is malformed;
// nothing of it counts then.
func (e *Estimator) Feedback(now time.Time, raw []byte) error {
	var f feedback
	if err := f.parse(raw); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	if !e.read(at, &f) {
		return nil
	}
	e.measure(at)
	e.decide(at)
	e.publish()
	return nil
}

// Tick notices that feedback is missing. It is called every 50 to 200 ms.
func (e *Estimator) Tick(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	e.listen(at)
	e.judgeProbe(at)
	e.unstarve(at)
	e.publish()
}

// at returns the time since the epoch, which is the first time that was given. It is never 0.
func (e *Estimator) at(now time.Time) time.Duration {
	if !e.begun {
		e.epoch, e.begun = now.Add(-time.Second), true
	}
	return max(now.Sub(e.epoch), 1)
}

// roundTrip returns the best known round trip.
func (e *Estimator) roundTrip() time.Duration {
	switch {
	case e.given > 0:
		return e.given
	case e.measured > 0:
		return e.measured
	}
	return firstRoundTrip
}

// read takes what a feedback says of packets. It reports false if it says nothing new.
func (e *Estimator) read(now time.Duration, f *feedback) bool {
	if !e.sent.begun {
		return false
	}
	reference := int64(f.reference)
	if e.heard {
		reference = e.reference + int64(int32((f.reference-uint32(e.reference))<<8)>>8)
	}
	first := e.sent.extend(f.base)
	began := time.Duration(reference) * feedbackBase
	e.acks = e.acks[:0]
	known := false
	for i := int64(0); ; i++ {
		_, elapsed, received, ok := f.next()
		if !ok {
			break
		}
		p := e.sent.find(first + i)
		if p == nil {
			continue
		}
		if !known {
			e.toll.fade(now)
		}
		known = true
		e.reported = max(e.reported, first+i)
		if p.again {
			continue
		}
		e.account(p, received)
		if received && p.fate != arrived {
			p.fate = arrived
			e.acks = append(e.acks, ack{p.at, began + elapsed, p.size, p.probe})
		} else if !received && p.fate == unknown {
			p.fate = lost
		}
	}
	if !known {
		return false
	}
	if !e.heard {
		e.reported = max(e.reported, first)
	}
	e.reference, e.heard = reference, true
	e.heardAt = now
	slices.SortFunc(e.acks, func(a, b ack) int { return cmp.Compare(a.arrival, b.arrival) })
	return true
}

// account counts a packet for the judgement of loss. Packets of probes are not counted, because a probe may lose some.
func (e *Estimator) account(p *sentPacket, received bool) {
	switch {
	case p.probe != 0:
	case received && p.fate == unknown:
		e.loss.received(p.at, int(p.size), false)
		e.toll.packet(true)
	case received && p.fate == lost:
		e.loss.received(p.at, int(p.size), true)
		e.toll.late()
	case !received && p.fate == unknown:
		e.loss.missing(p.at, int(p.size))
		e.toll.packet(false)
	}
}

// measure takes the packets that have arrived since the last feedback.
func (e *Estimator) measure(now time.Duration) {
	if len(e.acks) == 0 {
		return
	}
	last := e.acks[len(e.acks)-1]
	offset := last.arrival - last.sentAt
	if leap := offset - e.offset; e.newest == 0 || leap > clockLeap || leap < -clockLeap {
		e.trend, e.delivered = trend{}, meter{}
		e.newest = last.arrival
	}
	e.offset = offset
	e.newest = max(e.newest, last.arrival)
	for _, a := range e.acks {
		e.trend.packet(now, a.sentAt, a.arrival)
		e.delivered.add(a.arrival, int(a.size))
		if a.probe != 0 && a.probe == e.probing.id && e.probing.active {
			e.probing.heard(a.arrival, int(a.size))
		}
	}
	if e.trend.level.leapt == now {
		e.leaping = e.control.value
	}
	before := e.trend.standing
	e.trend.settle(now)
	if e.trend.longer(now) && e.loss.rate < lossMost && !e.probing.active {
		e.lengthened(now)
		before = 0
	}
	e.falling = e.trend.standing < before-2*time.Millisecond
	if q := e.standing(); q > stuckQueue && !e.falling {
		if e.stuck++; q > stuckLong {
			e.stuck++
		}
	} else {
		e.stuck = 0
	}
	if sample := now - last.sentAt; e.measured == 0 {
		e.measured = min(sample, maxRoundTrip)
	} else {
		e.measured += (min(sample, maxRoundTrip) - e.measured) / 8
	}

	if out, n := e.departed.rate(now, 500*time.Millisecond); n > 0 {
		e.offered.add(now, out)
	}
	offered, _ := e.offered.largest(now)
	e.carried, _ = e.delivered.rate(e.newest, 500*time.Millisecond)
	e.raw.step = rawStep
	raw, _ := e.delivered.rate(e.newest, time.Second)
	e.raw.add(now, raw)
	e.carried = min(e.carried/(1-e.loss.own), offered) // as it was sent
	e.acked = e.carried
	e.proved.add(now, e.carried)
	if short, n := e.delivered.rate(e.newest, 150*time.Millisecond); n >= 8 {
		if short /= 1 - e.loss.own; short < 0.7*e.acked {
			e.acked = short
		}
	}
}

// limit returns what no feedback raises the value beyond.
func (e *Estimator) limit(now time.Duration) float64 {
	proved, _ := e.proved.largest(now)
	offered, _ := e.offered.largest(now)
	return min(proofLimit*proved, lieLimit*offered, float64(Ceiling))
}

// restored returns what a cut that was for nothing is taken back to at most. Less may be sent now, because of that cut; what
// was proved before it was sent, too.
func (e *Estimator) restored(now time.Duration) float64 {
	proved, _ := e.proved.largest(now)
	return min(proofLimit*proved, float64(Ceiling))
}

// decide changes the estimate.
func (e *Estimator) decide(now time.Duration) {
	c := &e.control
	roundTrip := e.roundTrip()
	e.listen(now)
	e.judgeProbe(now)

	out, _ := e.departed.rate(now, 500*time.Millisecond)
	queue := e.standing()
	growing := e.trend.state == Overuse && queue > standingQueue && !e.falling && e.foreign.Load() == 0
	e.over = growing || e.stuck >= stuckTimes
	if (e.probing.active || now < e.quiet) && queue < 150*time.Millisecond {
		e.over = false
	}
	switch {
	case e.common.Load():
		e.rival.forget(now)
		e.rival.note(now, e.acked)
	case e.rival.step(now, queue, out, e.acked, c.value):
		e.meet(now)
	}
	e.over = e.over && !e.rival.on && !e.rival.testing
	if e.over {
		e.overAt = now
	}
	proof := evidence{over: e.over, queue: queue, roundTrip: roundTrip, acked: e.acked, sent: out, want: e.want, limit: e.limit(now)}
	if raw, ok := e.raw.largest(now); ok {
		proof.growth = min(proof.limit, rawLimit*raw/(1-e.loss.own/2))
	}
	if e.loss.again || e.loss.testing {
		proof.growth = 0
	}

	verdict := e.loss.judge(now, queue > standingQueue, now < e.doubt)
	lately := e.loss.lately(now)
	if e.rival.flooded(min(now-c.stepped, 200*time.Millisecond), lately) {
		e.rival.ours(now)
		c.cut(now, proof, true)
		e.cut(now)
	}
	if e.rival.on {
		e.loss.testing, e.loss.excess = false, 0
		c.compete(now, proof, lately > rivalLoss)
		e.progress = now
		return
	}
	switch verdict {
	case congested:
		if e.foreign.Load() > 0 && e.loss.rate < lossMost {
			break // the way lost them
		}
		e.overAt, e.lossAt = now, now
		if now >= c.hold || c.deep(proof) || e.loss.testing {
			if !e.loss.testing {
				e.spared = c.value
			}
			if (queue <= stuckQueue || e.falling) && e.loss.rate < lossFlood { // a short window may be a burst of loss
				proof.acked = e.carried
			}
			c.cut(now, proof, false)
			proof.acked = e.acked
			e.probing.postpone(now)
			e.cut(now)
			e.loss.experiment(now)
		}
	case inherent:
		e.excused.Add(1)
		c.raise(0.95*e.spared, max(e.restored(now), c.value))
	}
	knew := c.top > 0
	if c.step(now, proof) {
		e.probing.failed(now)
		e.cut(now)
		e.stuck = 0
	} else if knew && c.top == 0 {
		e.probing.backoff, e.probing.next, e.probing.careful = 0, now, true
	}
	if out >= busy*c.value || c.value >= e.want {
		e.progress = now
	}
}

// cut notes that the value was cut. A cut to less than half may be a mistake, because a line that stood still for a
// moment looks like that, so a probe follows soon.
func (e *Estimator) cut(now time.Duration) {
	e.cutAt = now
	e.progress = now
	if c := &e.control; c.value < 0.5*c.before {
		c.top = 0
		e.probing.backoff, e.probing.next, e.probing.careful = 0, c.hold, false
	}
}

// judgeProbe takes the result of a probe.
func (e *Estimator) judgeProbe(now time.Duration) {
	found, full, ok := e.probing.result(now, e.roundTrip())
	if !ok {
		return
	}
	e.found = found
	c := &e.control
	e.quiet = now + e.roundTrip()
	if found == 0 {
		e.probing.postpone(now)
		return
	}
	if found <= 1.05*c.value {
		e.probing.failed(now)
		return
	}
	e.progress = now
	e.proved.add(now, found)
	if !full && e.lossAt > 0 && e.cutAt == e.lossAt && now-e.cutAt < mistakenFor {
		e.excused.Add(1)
	}
	c.raise(found, float64(Ceiling))
	e.doubt = now + e.roundTrip() + doubtProbe
	if full {
		c.hold = now + e.roundTrip() + cutHold
		e.probing.backoff = 0
		e.probing.failed(now)
		return
	}
	c.top = 0
	e.probing.succeeded(now)
}

// listen lowers the estimate while feedback is missing on packets that were sent.
func (e *Estimator) listen(now time.Duration) {
	before := e.silence
	e.silence = 1
	if !e.heard {
		return
	}
	next := e.sent.find(e.reported + 1)
	if next == nil {
		return
	}
	switch waited := now - max(next.at, e.heardAt) - e.roundTrip(); {
	case waited > silentLost:
		e.silence = 0
	case waited > silentLong:
		e.silence = 0.25
	case waited > silentAfter:
		e.silence = 0.5
	}
	if e.silence < 0.5 && before >= 0.5 { // when it comes back, it is another line
		e.control.value = max(movedShare*e.control.value, float64(Floor))
		e.control.top = 0
		e.trend.restart()
	}
}

// unstarve raises an estimate that is too low to send enough for a proof.
func (e *Estimator) unstarve(now time.Duration) {
	if !e.heard || e.silence < 1 || e.want <= e.control.value || now-e.progress < starvedFor || e.trend.standing > probeQueue {
		return
	}
	e.progress = now
	e.control.raise(min(2*e.control.value, e.start, e.want), float64(Ceiling))
}

// report returns what an uplink must know.
func (e *Estimator) report(now time.Time) report {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	out, n := e.departed.rate(at, 500*time.Millisecond)
	return report{
		own: e.own(), want: e.want, acked: e.acked, sent: out,
		planned: e.planned, lost: e.loss.lately(at), queue: e.trend.standing, roundTrip: e.roundTrip(),
		over:   e.overAt > 0 && at-e.overAt < togetherIn,
		byLoss: e.lossAt > 0 && at-e.lossAt < 2*togetherIn, testing: e.loss.testing,
		live:  e.heard && n > 0 && at-e.heardAt < liveFor,
		known: e.known(at), mayProbe: e.mayProbe(at), probing: e.probing.active, found: e.found, factor: e.probing.factor(),
	}
}

// excuse takes back a cut of the last while: not the receiver's line was over, but the way to it. It returns what the
// line carries, in bits per second.
func (e *Estimator) excuse(now time.Time, last time.Duration) (own float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at := e.at(now); e.cutAt == 0 || at-e.cutAt > last {
		return e.own()
	}
	e.cutAt = 0
	c := &e.control
	cut := c.value
	c.raise(c.before, max(proofLimit*e.acked, c.value))
	if c.value > excusedFrom*cut {
		e.excused.Add(1)
	}
	c.top = 0
	e.loss.testing = false
	e.publish()
	return e.own()
}

// own returns what the receiver's line carries, in bits per second, the way to it left aside.
func (e *Estimator) own() float64 { return e.control.value * e.silence }

// probe starts a probe at a rate, in bits per second.
func (e *Estimator) probe(now time.Time, rate float64) (p Probe, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	if !e.mayProbe(at) {
		return Probe{}, false
	}
	return e.probing.start(at, rate), true
}

// Probe returns a probe to send now, if one may show that the line carries more and more is wanted.
func (e *Estimator) Probe(now time.Time) (p Probe, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.at(now)
	rate := min(e.probing.factor()*e.control.value, probeWant*e.want)
	if !e.mayProbe(at) || e.known(at) || rate < 1.1*e.control.value {
		return Probe{}, false
	}
	return e.probing.start(at, rate), true
}

// known reports that the value is near a top that was met not long ago, where it grows without a probe.
func (e *Estimator) known(now time.Duration) bool {
	c := &e.control
	return c.top > 0 && c.value > 0.8*c.top && now-c.cutAt < topOld
}

// mayProbe reports whether the receiver's line could take a probe.
func (e *Estimator) mayProbe(now time.Duration) bool {
	return !e.probing.active && !e.loss.testing && now >= e.probing.next && now >= e.control.hold && !e.over &&
		e.trend.standing < probeQueue && e.silence == 1
}

// publish makes the estimate readable without the lock.
func (e *Estimator) publish() {
	e.capacity.Store(int64(round(e.silence * e.rival.available(&e.control, e.standing()))))
	e.queue.Store(int64(e.trend.standing))
	e.missed.Store(math.Float64bits(e.toll.share()))
	state := e.trend.state
	if state == Overuse && !e.over {
		state = Normal
	}
	e.state.Store(int32(state))
}
