package ratetest

import (
	"math/rand/v2"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
)

const (
	// Tick is how often senders send.
	Tick = 5 * time.Millisecond

	frame      = 33 * time.Millisecond
	soundEvery = 20 * time.Millisecond
	soundSize  = 120
	packetSize = 1200
)

// Receiver is a guest with a line of its own, and the sender to it.
type Receiver struct {
	Estimator *rate.Estimator
	Down      Link          // its own line
	Back      time.Duration // delay of feedback
	BackLoss  float64       // share of feedback that is lost
	Sound     bool          // 50 packets a second, whatever the estimate
	// Want is the demand at a time, sound included.
	Want func(at time.Duration) float64
	// Steps are the rates of layers, if the sender has no others; the highest that fits is sent.
	Steps []float64
	// Lie changes a feedback before it is delivered; nil is returned for none.
	Lie func(at time.Duration, raw []byte) []byte

	Arrived int // bytes
	Sent    int // bytes
	Cap     rate.Bitrate

	reporter reporter
	number   int64
	backlog  float64
	tokens   float64
	nextOf   [2]time.Duration // frame, sound
	probe    rate.Probe
	probed   int
	inFlight []delivery
}

// delivery is a feedback on its way.
type delivery struct {
	at  time.Duration
	raw []byte
}

// World is some receivers, perhaps behind one line out.
type World struct {
	Random    *rand.Rand
	Out       *Link // nil for none
	Uplink    *rate.Uplink
	Receivers []*Receiver
	TCP       *TCP
	// Each is called every 50 ms.
	Each func(at time.Duration)

	now   time.Duration
	epoch time.Time
	free  [][]byte
}

// New returns a world that is made from a seed.
func New(seed uint64) *World {
	return &World{Random: rand.New(rand.NewPCG(seed, 0x706f726368)), epoch: time.Unix(1_800_000_000, 0)}
}

// Add adds a receiver.
func (w *World) Add(r *Receiver) *Receiver {
	r.reporter = newReporter(w.Random)
	r.number = w.Random.Int64N(1 << 16)
	r.nextOf = [2]time.Duration{time.Duration(w.Random.Int64N(int64(frame))), time.Duration(w.Random.Int64N(int64(soundEvery)))}
	w.Receivers = append(w.Receivers, r)
	return r
}

// Clock returns the time of the simulation as the estimators see it.
func (w *World) Clock() time.Time { return w.epoch.Add(w.now) }

// Now returns how long the simulation has run.
func (w *World) Now() time.Duration { return w.now }

// Run goes on until a time since the beginning.
func (w *World) Run(until time.Duration) {
	for w.now < until {
		w.now += Tick
		now := w.Clock()
		for _, r := range w.Receivers {
			w.feedback(r, now)
		}
		if w.now%(50*time.Millisecond) == 0 {
			for _, r := range w.Receivers {
				r.Estimator.Tick(now)
				r.Estimator.Want(rate.Bitrate(r.Want(w.now)))
			}
			w.couple(now)
			if w.Each != nil {
				w.Each(w.now)
			}
		}
		if w.TCP != nil {
			w.TCP.tick(w)
		}
		for i := range w.Receivers {
			w.send(w.Receivers[(i+int(w.now/Tick))%len(w.Receivers)], now)
		}
	}
}

// couple lets the uplink decide, and hands out probes.
func (w *World) couple(now time.Time) {
	if w.Uplink != nil {
		w.Uplink.Tick(now)
		if e, p, ok := w.Uplink.Probe(now); ok {
			for _, r := range w.Receivers {
				if r.Estimator == e {
					r.probe, r.probed, r.tokens = p, 0, 0
				}
			}
		}
	}
	for _, r := range w.Receivers {
		if w.Uplink != nil {
			r.Cap = r.Estimator.Share()
			continue
		}
		r.Cap = r.Estimator.Capacity()
		if p, ok := r.Estimator.Probe(now); ok {
			r.probe, r.probed, r.tokens = p, 0, 0
		}
	}
}

// feedback delivers what has come back, and makes the next report.
func (w *World) feedback(r *Receiver, now time.Time) {
	for len(r.inFlight) > 0 && r.inFlight[0].at <= w.now {
		raw := r.inFlight[0].raw
		r.inFlight = append(r.inFlight[:0], r.inFlight[1:]...)
		w.free = append(w.free, raw)
		if r.Lie != nil {
			raw = r.Lie(w.now, raw)
		}
		if raw != nil {
			if err := r.Estimator.Feedback(now, raw); err != nil && r.Lie == nil {
				panic(err)
			}
		}
	}
	if w.now < r.reporter.next {
		return
	}
	r.reporter.next += r.reporter.every
	raw := r.reporter.report(w.now)
	if raw == nil || w.Random.Float64() < r.BackLoss {
		return
	}
	var own []byte
	if n := len(w.free); n > 0 {
		own, w.free = w.free[n-1], w.free[:n-1]
	}
	r.inFlight = append(r.inFlight, delivery{w.now + r.Back, append(own[:0], raw...)})
}

// target returns the rate of pictures that is sent within a cap, in bits per second.
func (r *Receiver) target(at time.Duration) float64 {
	limit := min(r.Want(at), 0.95*float64(r.Cap))
	if r.Sound {
		limit -= soundSize * 8 * float64(time.Second/soundEvery)
	}
	if r.Steps == nil {
		return max(limit, 0)
	}
	best := 0.0
	for _, s := range r.Steps {
		if s <= limit {
			best = max(best, s)
		}
	}
	return best
}

// send sends what is due to a receiver.
func (w *World) send(r *Receiver, now time.Time) {
	if r.Sound && w.now >= r.nextOf[1] {
		r.nextOf[1] += soundEvery
		w.packet(r, now, soundSize)
	}
	if w.now >= r.nextOf[0] {
		r.nextOf[0] += frame
		r.backlog += r.target(w.now) / 8 * frame.Seconds() * (0.7 + 0.6*w.Random.Float64())
		r.backlog = min(r.backlog, max(float64(r.Cap)/8*0.25, 2*packetSize))
	}
	pace := 1.5 * float64(r.Cap)
	if r.probe.ID != 0 {
		pace = float64(r.probe.Rate)
	}
	r.tokens = min(r.tokens+pace/8*Tick.Seconds(), max(pace/8*0.03, packetSize))
	for r.tokens > 0 {
		size := packetSize
		if r.probe.ID == 0 {
			if r.backlog < 1 || w.Uplink != nil && !w.Uplink.Gate().Has(now) {
				return
			}
			size = int(min(r.backlog, packetSize)) + 1
		}
		r.backlog = max(r.backlog-float64(size), 0)
		r.tokens -= float64(size)
		w.packet(r, now, size)
	}
}

// packet sends one packet to a receiver.
func (w *World) packet(r *Receiver, now time.Time, size int) {
	r.Estimator.Sent(now, uint16(r.number), size, r.probe.ID)
	if w.Uplink != nil && r.probe.ID == 0 {
		w.Uplink.Gate().Pass(now, size)
	}
	number := r.number
	r.number++
	r.Sent += size
	if r.probe.ID != 0 {
		if r.probed += size; r.probed >= r.probe.Bytes {
			r.probe = rate.Probe{}
		}
	}
	at := w.now
	if w.Out != nil {
		out, ok := w.Out.Pass(at, size, w.Random)
		if !ok {
			return
		}
		at = out
	}
	at, ok := r.Down.Pass(at, size, w.Random)
	if !ok {
		return
	}
	r.Arrived += size
	r.reporter.arrive(arrival{at, number})
}

// Probing reports that a probe is being sent to the receiver.
func (r *Receiver) Probing() bool { return r.probe.ID != 0 }
