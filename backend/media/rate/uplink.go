package rate

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	togetherIn    = 300 * time.Millisecond // overuses within this time have one cause
	togetherShare = 3                      // at least one in so many receivers
	mostBytes     = 0.6                    // share of a way's bytes that makes a receiver's overuse the way's
	wayQueue      = 10 * time.Millisecond  // a receiver with a shorter queue shows that the way has none
	liveFor       = time.Second            // since the last packet and the last feedback
	wayRoom       = 1.05
)

// Uplink is one way out: the line over which packets leave to several receivers. It estimates what the line carries, and
// gives each receiver a share of it (RFC 8699: one congestion control for all flows of a bottleneck). It is safe for
// concurrent use.
type Uplink struct {
	excused atomic.Uint32

	mu      sync.Mutex // guards what follows; acquired before Estimator.mu
	epoch   time.Time
	begun   bool
	control control
	rival   rival
	gate    Gate
	members []*member
	order   []*member       // scratch
	queues  []time.Duration // likewise
	full    bool            // the local socket was full since the last tick
	queue   time.Duration
	over    bool
	proved  extremes

	prober *member // whose probe is under way
	others float64 // what the other receivers got when the probe began, bits per second
	about  bool    // the probe is about the way
	quiet  time.Duration
	next   time.Duration // no probe of the way before
	wait   time.Duration
	began  time.Duration // of the probe
}

// member is a receiver on the way.
type member struct {
	e *Estimator
	report
	need, share float64
	peak        time.Duration // longest queue of the last 300 ms
	peakAt      time.Duration
}

// report is what an uplink learns of a receiver.
type report struct {
	own, want, acked, sent float64
	planned                float64
	lost                   float64 // share of what was sent lately
	queue, roundTrip       time.Duration
	over                   bool // an overuse within togetherIn
	byLoss                 bool // it was seen by loss
	testing                bool // whether loss is the line's own is being found out
	live                   bool
	mayProbe, known        bool
	probing                bool
	found                  float64 // by the last probe
	factor                 float64 // of the next probe
}

// NewUplink returns a way out that begins with an estimate.
func NewUplink(start Bitrate) *Uplink {
	return &Uplink{control: control{value: float64(round(float64(start)))}}
}

// Join adds a receiver. Its share counts from the next tick on.
func (u *Uplink) Join(e *Estimator) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.find(e) < 0 {
		u.members = append(u.members, &member{e: e})
	}
}

// Leave removes a receiver. Only its own line limits it then.
func (u *Uplink) Leave(e *Estimator) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.find(e)
	if i < 0 {
		return
	}
	if u.prober == u.members[i] {
		u.prober = nil
	}
	u.members = slices.Delete(u.members, i, i+1)
	e.share.Store(int64(Ceiling))
	e.foreign.Store(0)
	e.common.Store(false)
}

func (u *Uplink) find(e *Estimator) int {
	return slices.IndexFunc(u.members, func(m *member) bool { return m.e == e })
}

// Full says that the local socket took no more packets, so that the queue in front of the way is on this machine.
func (u *Uplink) Full() {
	u.mu.Lock()
	u.full = true
	u.mu.Unlock()
}

// Moved says that the way out has changed. The estimate begins at half of what it was.
func (u *Uplink) Moved(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at(now)
	u.control = control{value: max(movedShare*u.control.value, float64(Floor)), hold: at + cutHold, stepped: at}
	u.proved, u.prober, u.next, u.wait, u.quiet, u.rival = extremes{}, nil, 0, 0, 0, rival{}
}

// Capacity returns what may be sent to all receivers together.
func (u *Uplink) Capacity() Bitrate {
	u.mu.Lock()
	defer u.mu.Unlock()
	return round(u.rival.available(&u.control, u.queue))
}

// Excused counts how often what the way lost turned out to be another's, so that its capacity was taken back up.
func (u *Uplink) Excused() uint32 { return u.excused.Load() }

// Gate returns what holds back pictures for all receivers.
func (u *Uplink) Gate() *Gate { return &u.gate }

// Known reports whether the way was full once, so that its capacity is what it carries and not what was tried so far.
func (u *Uplink) Known() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.control.top > 0
}

// State returns Overuse while the way is over, and the queue in front of it.
func (u *Uplink) State() (State, time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return Overuse, u.queue
	}
	return Normal, u.queue
}

// at returns the time since the epoch.
func (u *Uplink) at(now time.Time) time.Duration {
	if !u.begun {
		u.epoch, u.begun = now.Add(-time.Second), true
	}
	return max(now.Sub(u.epoch), 1)
}

// Tick looks at all receivers and shares the way anew. It is called every 50 to 100 ms, and may be called at once when a
// receiver's state becomes Overuse.
func (u *Uplink) Tick(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at(now)
	sum := u.collect(now, at)
	u.judgeProbe(at)
	over := u.judge(sum)
	if u.probed(at) && sum.queue < 150*time.Millisecond {
		for _, m := range u.members {
			if m == u.prober || !m.testing { // others whose line loses find out whether that is its own
				m.own = m.e.excuse(now, at-u.began+togetherIn)
			}
		}
		over = false
	}
	if over {
		for _, m := range u.members {
			m.own = m.e.excuse(now, 2*togetherIn)
		}
	}
	u.proved.add(at, sum.acked)
	proved, _ := u.proved.largest(at)
	if u.rival.step(at, sum.queue, sum.sent, sum.acked, u.control.value) {
		u.excused.Add(1)
		u.rival.meet(at, &u.control)
		for _, m := range u.members {
			m.e.yield(now)
		}
	}
	foreign := int64(0)
	if u.rival.on || u.rival.testing {
		over, foreign = false, int64(u.middle())
	}
	for _, m := range u.members {
		m.e.foreign.Store(foreign)
		m.e.common.Store(sum.queue >= wayQueue)
	}
	u.over = over
	u.queue = sum.queue
	limit := min(proofLimit*proved, float64(Ceiling))
	e := evidence{
		over: over, queue: sum.queue, roundTrip: sum.roundTrip, acked: sum.acked, sent: sum.sent, want: sum.want,
		limit: limit, growth: limit,
	}
	if u.rival.on {
		u.compete(at, e, sum)
	} else if u.control.step(at, e) {
		u.failed(at)
	}
	u.full = false
	available := u.rival.available(&u.control, u.queue)
	u.gate.Set(round(available))
	u.divide(available)
}

// collect asks all estimators, and returns the sums of what is live. The queue is the shortest of them.
func (u *Uplink) collect(now time.Time, at time.Duration) (sum report) {
	none := true
	for _, m := range u.members {
		m.report = m.e.report(now)
		if m.queue >= m.peak || at-m.peakAt > togetherIn {
			m.peak, m.peakAt = m.queue, at
		}
		sum.want += m.needs()
		if !m.live {
			continue
		}
		sum.acked += m.acked
		sum.sent += m.sent
		sum.roundTrip = max(sum.roundTrip, m.roundTrip)
		if none || m.queue < sum.queue {
			sum.queue = m.queue
		}
		none = false
	}
	return sum
}

// middle returns the queue that half of the receivers meet at least. Beside a rival it is that of the rival; some of them may
// have taken that for a longer path, and see none.
func (u *Uplink) middle() time.Duration {
	u.queues = u.queues[:0]
	for _, m := range u.members {
		if m.live {
			u.queues = append(u.queues, m.queue)
		}
	}
	if len(u.queues) == 0 {
		return 0
	}
	slices.Sort(u.queues)
	return u.queues[len(u.queues)/2]
}

// needs returns what the receiver can use, in bits per second.
func (m *member) needs() float64 { return max(min(m.own, m.want), float64(Floor)) }

// judge reports whether the way is over, and not only one receiver. Receivers can lie, so a few of them don't decide: of
// what was sent, most must have met a loss, or most a queue. Without that, none of them may have met no queue.
func (u *Uplink) judge(sum report) bool {
	if u.full {
		return true
	}
	live, overs, losses := 0, 0, 0
	overBytes, lossBytes := 0.0, 0.0
	queued := true
	most := 0.0
	for _, m := range u.members {
		if !m.live {
			continue
		}
		live++
		queued = queued && m.peak >= wayQueue
		if m.over {
			overs++
			overBytes += m.sent
			most = max(most, m.sent)
		}
		if m.byLoss {
			losses++
			lossBytes += m.sent
		}
	}
	switch {
	case overs == 0:
		return false
	case live == 1:
		return true
	case losses >= 2 && 2*losses >= live && lossBytes > sum.sent/2:
		return true
	case overs >= 3 && overBytes > mostBytes*sum.sent:
		return true
	case !queued:
		return false
	}
	return overs >= 2 && togetherShare*overs >= live || most > mostBytes*sum.sent
}

// probed reports that a probe is, or was, under way, whose queue means nothing.
func (u *Uplink) probed(at time.Duration) bool { return u.prober != nil || at < u.quiet }

// divide shares a rate: first what is planned for each, and then what each could use. Nobody gets more of these than they
// need before all have as much (max-min). What is left over is shared equally.
func (u *Uplink) divide(left float64) {
	u.order = append(u.order[:0], u.members...)
	for _, m := range u.order {
		m.share, m.need = 0, min(m.planned, m.own)
	}
	left = u.give(left)
	for _, m := range u.order {
		m.need = max(m.needs()-m.share, 0)
	}
	left = u.give(left)
	for _, m := range u.order {
		m.share += left / float64(len(u.order))
		m.e.share.Store(int64(round(m.share)))
	}
}

// give adds to the shares what is needed, and returns what is left.
func (u *Uplink) give(left float64) float64 {
	slices.SortFunc(u.order, func(a, b *member) int { return cmp.Compare(a.need, b.need) })
	for i, m := range u.order {
		more := min(m.need, left/float64(len(u.order)-i))
		m.share += more
		left -= more
	}
	return left
}

// Probe returns a probe to send now to one receiver, if one may show that its line or the way carries more, and more is
// wanted. There is one at a time. It is asked for after [Uplink.Tick].
func (u *Uplink) Probe(now time.Time) (e *Estimator, p Probe, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := u.at(now)
	c := &u.control
	if u.prober != nil || at < u.quiet || at < c.hold || u.over || u.queue > probeQueue {
		return nil, Probe{}, false
	}
	want, short := 0.0, false
	for _, m := range u.members {
		want += max(m.want, float64(Floor))
		short = short || m.probing
	}
	if short {
		return nil, Probe{}, false
	}
	if m, rate := u.choose(at, want); m != nil {
		if p, ok = m.e.probe(now, rate); ok {
			u.prober, u.began, u.others = m, at, 0
			for _, other := range u.members {
				if other != m && other.live {
					u.others += other.acked
				}
			}
			return m.e, p, true
		}
	}
	return nil, Probe{}, false
}

// choose returns the receiver to probe and the rate, in bits per second; nil for none. about is set if the probe is about
// the way.
func (u *Uplink) choose(at time.Duration, want float64) (m *member, rate float64) {
	needs := 0.0
	for _, o := range u.members {
		needs += o.needs()
	}
	c := &u.control
	if needs*wayRoom > c.value {
		if at < u.next || c.top > 0 && c.value > 0.8*c.top {
			return nil, 0
		}
		for _, o := range u.members {
			if room := o.own - o.share; o.live && o.mayProbe && (m == nil || room > m.own-m.share) {
				m = o
			}
		}
		if m == nil {
			return nil, 0
		}
		u.about = true
		return m, max(min(m.share+min((m.factor-1)*c.value, probeWant*want-c.value), 2*m.own), 1.1*m.share)
	}
	for _, o := range u.members {
		if o.live && o.mayProbe && !o.known && o.want > 1.1*o.own && (m == nil || o.own < m.own) {
			m = o
		}
	}
	if m == nil {
		return nil, 0
	}
	u.about = false
	return m, min(m.factor*m.own, probeWant*m.want)
}

// judgeProbe takes the result of a probe.
func (u *Uplink) judgeProbe(at time.Duration) {
	m := u.prober
	if m == nil || m.probing {
		return
	}
	u.prober = nil
	u.quiet = at + m.roundTrip + cutHold
	found := u.others + m.found
	if m.found > 0 && found > u.control.value*wayRoom {
		u.control.raise(found, float64(Ceiling))
		u.control.top = 0
		u.proved.add(at, found)
		u.wait = 0
		u.next = at + probeSoon
	} else if u.about {
		u.failed(at)
	}
}

// failed puts the next probe of the way off.
func (u *Uplink) failed(at time.Duration) {
	u.wait = min(max(2*u.wait, probeFirst), probeLast)
	u.next = at + u.wait
}
