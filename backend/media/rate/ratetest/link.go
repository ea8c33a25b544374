package ratetest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Discipline is what a link does with packets that it can't send at once.
type Discipline uint8

const (
	DropTail Discipline = iota // drops what comes while the queue is full
	CoDel                      // RFC 8289, and drop tail
	Policer                    // has no queue: a bucket of Queue, and drops what does not fit
)

// Step is a change of a link's rate.
type Step struct {
	At   time.Duration
	Rate float64 // bits per second
}

// Link is a line in one direction.
type Link struct {
	Steps      []Step // the first at 0; empty for no limit
	Discipline Discipline
	Queue      time.Duration // the longest queue, or the policer's depth
	Delay      time.Duration
	Jitter     time.Duration // uniform, without reordering
	Stall      time.Duration // Wi-Fi: up to this long nothing arrives, and then all at once
	StallEvery time.Duration // mean time between two stalls
	Loss       float64       // share of packets, by chance
	Burst      float64       // mean length of a run of lost packets; 0 or 1 for single ones (Gilbert)
	Reorder    float64       // share of packets that are overtaken

	Carried, Dropped int // bytes that went through the queue, and packets that did not
	Longest          time.Duration

	step    int
	free    time.Duration // when the queue is empty
	tokens  float64
	filled  time.Duration
	last    time.Duration // arrival
	bad     bool
	stalled [2]time.Duration

	above    time.Duration // CoDel: when the queue is too long for too long; 0 if it is not
	dropNext time.Duration
	drops    int
	dropping bool
}

// RateAt returns the link's rate at a time, in bits per second.
func (l *Link) RateAt(at time.Duration) float64 {
	if len(l.Steps) == 0 {
		return math.Inf(1)
	}
	for l.step+1 < len(l.Steps) && l.Steps[l.step+1].At <= at {
		l.step++
	}
	for l.step > 0 && l.Steps[l.step].At > at {
		l.step--
	}
	return l.Steps[l.step].Rate
}

// Waiting returns how long a packet would wait now.
func (l *Link) Waiting(at time.Duration) time.Duration { return max(l.free-at, 0) }

// Pass sends a packet of size bytes. It returns when the packet arrives; ok is false if it is lost. Times never go back.
func (l *Link) Pass(at time.Duration, size int, random *rand.Rand) (arrival time.Duration, ok bool) {
	out, ok := l.queue(at, size)
	if !ok {
		l.Dropped++
		return 0, false
	}
	l.Carried += size
	if l.lost(random) {
		return 0, false
	}
	arrival = out + l.Delay
	if l.Jitter > 0 {
		arrival += time.Duration(random.Int64N(int64(l.Jitter)))
	}
	if l.Stall > 0 {
		for arrival >= l.stalled[1] {
			begin := l.stalled[1] + time.Duration(random.ExpFloat64()*float64(l.StallEvery))
			l.stalled = [2]time.Duration{begin, begin + 1 + time.Duration(random.Int64N(int64(l.Stall)))}
		}
		if arrival >= l.stalled[0] {
			arrival = l.stalled[1] - 1
		}
	}
	arrival = max(arrival, l.last)
	l.last = arrival
	if l.Reorder > 0 && random.Float64() < l.Reorder {
		arrival += 5*time.Millisecond + time.Duration(random.Int64N(int64(25*time.Millisecond)))
	}
	return arrival, true
}

// queue returns when a packet has left the link.
func (l *Link) queue(at time.Duration, size int) (out time.Duration, ok bool) {
	if len(l.Steps) == 0 {
		return at, true
	}
	bits := float64(size) * 8
	if l.Discipline == Policer {
		rate := l.RateAt(at)
		l.tokens = min(l.tokens+rate*(at-l.filled).Seconds(), rate*l.Queue.Seconds())
		l.filled = at
		if l.tokens < bits {
			return 0, false
		}
		l.tokens -= bits
		return at, true
	}
	begin := max(l.free, at)
	wait := begin - at
	l.Longest = max(l.Longest, wait)
	if wait > l.Queue || l.Discipline == CoDel && l.codel(begin, wait) {
		return 0, false
	}
	l.free = begin + time.Duration(bits/l.RateAt(begin)*1e9)
	return l.free, true
}

// codel reports whether a packet is dropped that has waited when it leaves at a time.
func (l *Link) codel(at, waited time.Duration) bool {
	const target, interval = 5 * time.Millisecond, 100 * time.Millisecond
	if waited < target {
		l.above, l.dropping = 0, false
		return false
	}
	if l.above == 0 {
		l.above = at + interval
		return false
	}
	if at < l.above {
		return false
	}
	switch {
	case !l.dropping && l.drops > 2 && at-l.dropNext < 8*interval:
		l.drops -= 2
	case !l.dropping:
		l.drops = 1
	case at < l.dropNext:
		return false
	default:
		l.drops++
	}
	l.dropping = true
	l.dropNext = at + time.Duration(float64(interval)/math.Sqrt(float64(l.drops)))
	return true
}

// lost reports whether chance takes a packet.
func (l *Link) lost(random *rand.Rand) bool {
	if l.Loss == 0 {
		return false
	}
	if l.Burst <= 1 {
		return random.Float64() < l.Loss
	}
	if l.bad {
		l.bad = random.Float64() >= 1/l.Burst
	} else {
		l.bad = random.Float64() < l.Loss/(1-l.Loss)/l.Burst
	}
	return l.bad
}
