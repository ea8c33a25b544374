package link

import (
	"math/rand/v2"
	"time"
)

// Direction is one direction of a link. Times are since any fixed point, the same for all calls, and never go back.
// It is not safe for concurrent use.
type Direction struct {
	params Params
	script []Step // what is still to come
	began  time.Duration
	begun  bool

	random *rand.Rand
	codel  codel
	lossy  bool          // Gilbert's model is in a burst
	jitter time.Duration // of now
	shaken time.Duration // when jitter was drawn

	waiting fifo
	bytes   int           // that wait
	free    time.Duration // when the line has carried what it is at
	last    time.Duration // when the newest packet arrives that is in order
	flying  flight

	seen Seen
}

// packet is one that waits or is under way.
type packet struct {
	data []byte
	at   time.Duration // waiting: when it came; under way: when it arrives
	flow *Flow
}

// NewDirection returns a direction. The seed decides which packets are lost.
func NewDirection(p Params, seed uint64) *Direction {
	return &Direction{params: p, random: rand.New(rand.NewPCG(seed, seed+1))} //nolint:gosec // not a secret
}

// Begin starts the script and the record of what is seen.
func (d *Direction) Begin(now time.Duration, script []Step) {
	d.Advance(now)
	d.script, d.began, d.begun = script, now, true
	d.seen = Seen{}
	for i := range d.waiting.all() {
		d.waiting.all()[i].flow = nil
	}
	d.change(now)
}

// change applies the steps that are due.
func (d *Direction) change(now time.Duration) {
	for d.begun && len(d.script) > 0 && d.began+d.script[0].At <= now {
		at := d.began + d.script[0].At
		d.carry(at)
		d.params = d.script[0].Params
		d.script = d.script[1:]
	}
}

// Push takes a packet at one end. The direction keeps it.
func (d *Direction) Push(now time.Duration, data []byte) {
	d.Advance(now)
	flow := d.seen.offered(d.sinceBegin(now), data)
	if d.params.Rate > 0 && d.bytes > 0 && d.bytes+len(data) > d.params.limit() {
		d.seen.dropped(d.sinceBegin(now), flow, len(data))
		return
	}
	d.waiting.push(packet{data, now, flow})
	d.bytes += len(data)
	d.carry(now)
}

// Pop returns a packet that has arrived at the other end, or nil.
func (d *Direction) Pop(now time.Duration) []byte {
	d.Advance(now)
	return d.flying.pop(now)
}

// Next returns when there is something to do next. ok is false if there is not.
func (d *Direction) Next() (at time.Duration, ok bool) {
	if d.flying.len() > 0 {
		at, ok = d.flying.first(), true
	}
	if d.waiting.len() > 0 && (!ok || d.free < at) {
		at, ok = d.free, true
	}
	if len(d.script) > 0 && (!ok || d.began+d.script[0].At < at) {
		at, ok = d.began+d.script[0].At, true
	}
	return at, ok
}

// Advance does what is due.
func (d *Direction) Advance(now time.Duration) {
	d.change(now)
	d.carry(now)
}

// carry moves packets from the queue to the line until it is busy at now.
func (d *Direction) carry(now time.Duration) {
	for d.waiting.len() > 0 {
		first := d.waiting.first()
		start := max(d.free, first.at)
		if start > now {
			break
		}
		d.sample(start)
		d.waiting.pop()
		d.bytes -= len(first.data)
		if d.params.CoDel && d.codel.drop(start, start-first.at, d.bytes) {
			d.seen.dropped(d.sinceBegin(start), first.flow, len(first.data))
			continue
		}
		d.free = start + d.params.transmission(len(first.data))
		d.launch(first)
	}
	d.sample(now)
}

// launch sends a packet on its way, from when the line has carried it.
func (d *Direction) launch(p packet) {
	when := d.sinceBegin(d.free)
	if d.lost() {
		d.seen.lost(when, p.flow, len(p.data))
		return
	}
	d.seen.carried(when, p.flow, len(p.data))
	if d.params.Jitter > 0 && d.free-d.shaken >= jitterEvery {
		d.shaken = d.free
		d.jitter = time.Duration(d.random.Int64N(int64(d.params.Jitter) + 1))
	}
	p.at = d.free + d.params.Delay
	if d.params.Jitter > 0 {
		p.at += d.jitter
	}
	p.at = max(p.at, d.last)
	if d.params.Reorder > 0 && d.random.Float64() < d.params.Reorder {
		p.at += lateBy
	} else {
		d.last = p.at
	}
	d.flying.push(p)
}

// lost decides about one packet.
func (d *Direction) lost() bool {
	p := &d.params
	switch {
	case p.Down:
		return true
	case p.Loss <= 0:
		return false
	case p.Burst <= 1:
		return d.random.Float64() < p.Loss
	}
	if d.lossy {
		d.lossy = d.random.Float64() >= 1/p.Burst
	} else {
		d.lossy = d.random.Float64() < p.Loss/(p.Burst*(1-p.Loss))
	}
	return d.lossy
}

// wait returns how long a packet that came now would wait.
func (d *Direction) wait(now time.Duration) time.Duration {
	return max(0, d.free-now) + d.params.transmission(d.bytes)
}

// sample notes the queue at all times up to now that are due.
func (d *Direction) sample(now time.Duration) {
	if !d.begun {
		return
	}
	for at := d.seen.nextSample(); d.began+at <= now; at = d.seen.nextSample() {
		d.seen.queue(d.wait(d.began + at))
	}
}

func (d *Direction) sinceBegin(now time.Duration) time.Duration {
	if !d.begun {
		return -1
	}
	return now - d.began
}

// Seen returns what was seen since Begin.
func (d *Direction) Seen(now time.Duration) *Seen {
	d.Advance(now)
	return &d.seen
}

// fifo is a queue of packets.
type fifo struct {
	packets []packet
	head    int
}

func (f *fifo) len() int      { return len(f.packets) - f.head }
func (f *fifo) first() packet { return f.packets[f.head] }
func (f *fifo) all() []packet { return f.packets[f.head:] }
func (f *fifo) push(p packet) { f.packets = append(f.packets, p) }
func (f *fifo) pop() (p packet) {
	p = f.packets[f.head]
	f.packets[f.head] = packet{}
	f.head++
	if f.head > 64 && f.head*2 > len(f.packets) {
		f.packets = append(f.packets[:0], f.packets[f.head:]...)
		f.head = 0
	}
	return p
}

// flight is the packets that are under way, by arrival. They come nearly in order.
type flight struct{ fifo }

func (f *flight) first() time.Duration { return f.fifo.first().at }

func (f *flight) push(p packet) {
	f.fifo.push(p)
	all := f.all()
	for i := len(all) - 1; i > 0 && all[i-1].at > all[i].at; i-- {
		all[i-1], all[i] = all[i], all[i-1]
	}
}

func (f *flight) pop(now time.Duration) []byte {
	if f.len() == 0 || f.first() > now {
		return nil
	}
	return f.fifo.pop().data
}
