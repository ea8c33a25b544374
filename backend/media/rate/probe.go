package rate

import "time"

// Probe asks the sender for a faster stretch. The sender sends everything that leaves as part of it, media, repeats and
// padding, at Rate until Bytes have left, and gives ID to [Estimator.Sent].
type Probe struct {
	ID    int
	Rate  Bitrate
	Bytes int
}

const (
	probeLength  = 80 * time.Millisecond
	probePackets = 8    // at least, of probeBytes
	probeBytes   = 1200 // bytes of a full packet
	probeWait    = time.Second
	probeHeard   = 0.8  // share of the bytes that must have arrived
	probeFull    = 0.9  // a line that delivers a smaller share of the rate is full
	probeUse     = 0.95 // of what was delivered is used

	probeMuch   = 2.0 // of the value is sent
	probeLittle = 1.5
	probeWant   = 1.2 // of the demand is sent at most

	probeSoon  = 300 * time.Millisecond // between two probes, while they succeed
	probeFirst = 2 * time.Second        // after one that found nothing; doubled each time
	probeLast  = 6 * time.Second
	probeQueue = 30 * time.Millisecond // no probe while the queue is longer
)

// probing follows one probe at a time. The zero value is ready to use.
type probing struct {
	id     uint8 // of the newest
	active bool  // sent, or to be sent, and not judged
	rate   float64
	asked  time.Duration // when the probe was handed out

	sentBytes, sentPackets   int
	firstSent, lastSent      time.Duration
	lastSize                 int
	heardBytes, heardPackets int
	firstHeard, lastHeard    time.Duration // arrival clock
	firstSize                int

	next    time.Duration // no probe before
	backoff time.Duration
	careful bool // the line was full not long ago
}

// factor returns how much more than the value the next probe sends.
func (p *probing) factor() float64 {
	if p.careful {
		return probeLittle
	}
	return probeMuch
}

// start hands out a probe.
func (p *probing) start(now time.Duration, rate float64) Probe {
	id := p.id%255 + 1
	*p = probing{id: id, active: true, rate: rate, asked: now, next: p.next, backoff: p.backoff, careful: p.careful}
	return Probe{ID: int(id), Rate: Bitrate(rate), Bytes: max(int(bytesIn(rate, probeLength)), probePackets*probeBytes)}
}

// sent counts a packet of the probe.
func (p *probing) sent(at time.Duration, size int) {
	if p.sentPackets == 0 {
		p.firstSent = at
	}
	p.lastSent, p.lastSize = at, size
	p.sentBytes += size
	p.sentPackets++
}

// heard counts a packet of the probe that arrived.
func (p *probing) heard(arrival time.Duration, size int) {
	if p.heardPackets == 0 || arrival < p.firstHeard {
		p.firstHeard, p.firstSize = arrival, size
	}
	p.lastHeard = max(p.lastHeard, arrival)
	p.heardBytes += size
	p.heardPackets++
}

// result judges the probe when enough of it has been heard, or when it is too late. found is the rate that the line
// carried, 0 if too little arrived to say. full reports that the line carried no more.
func (p *probing) result(now, roundTrip time.Duration) (found float64, full, ok bool) {
	if !p.active {
		return 0, false, false
	}
	whole := p.sentBytes > 0 && p.heardBytes == p.sentBytes && now-p.lastSent > roundTrip/2
	late := now-max(p.asked, p.lastSent) > roundTrip+150*time.Millisecond && p.sentPackets > 0 ||
		now-p.asked > roundTrip+probeWait
	if !whole && !late {
		return 0, false, false
	}
	p.active = false
	if p.heardPackets < probePackets/2 || float64(p.heardBytes) < probeHeard*float64(p.sentBytes) {
		return 0, false, true
	}
	sending, hearing := p.lastSent-p.firstSent, p.lastHeard-p.firstHeard
	if sending <= 0 || hearing <= 0 {
		return 0, false, true
	}
	out := float64(p.sentBytes-p.lastSize) * 8 / sending.Seconds()
	in := float64(p.heardBytes-p.firstSize) * 8 / hearing.Seconds()
	if in < probeFull*out {
		return probeUse * in, true, true
	}
	return probeUse * min(in, out), false, true
}

// failed puts the next probe off.
func (p *probing) failed(now time.Duration) {
	p.backoff = min(max(2*p.backoff, probeFirst), probeLast)
	p.next = now + p.backoff
	p.careful = true
}

// postpone puts the next probe off, because the line is rough.
func (p *probing) postpone(now time.Duration) {
	p.next = max(p.next, now+probeFirst)
	p.careful = true
}

// succeeded lets the next probe follow soon.
func (p *probing) succeeded(now time.Duration) {
	p.backoff, p.careful = 0, false
	p.next = now + probeSoon
}
