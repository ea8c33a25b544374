package person

import (
	"slices"
	"time"
)

// Of the receiver's side of Google's congestion control, as draft-ietf-rmcat-gcc-02 and libwebrtc say.
const (
	rembEvery   = 247 * time.Millisecond // as Chromium
	rembFirst   = 300_000                // bit/s
	rembLeast   = 30_000
	groupLength = 5 * time.Millisecond
	trendOf     = 20 // groups
	overAt      = 12 * time.Millisecond
	rateOver    = time.Second
)

// estimator is what a browser believes that it can receive, by abs-send-time: up by 8 % a second while delay does not
// grow, down to 85 % of what arrives when it does, and never above one and a half of what arrives.
type estimator struct {
	rate     float64 // bit/s
	began    time.Duration
	sentAt   time.Duration
	changed  time.Duration
	asked    time.Duration
	stamp    uint32 // newest send time, 6.18 fixed point of seconds, 24 bits
	begun    bool
	group    group
	last     group
	delay    time.Duration // sum of the variations
	points   []point
	arrivals []arrived
	bytes    int
}

type group struct{ sent, first, came time.Duration }

type point struct{ at, delay time.Duration }

type arrived struct {
	at    time.Duration
	bytes int
}

// packet takes a packet.
func (e *estimator) packet(now time.Duration, stamp uint32, bytes int) {
	if !e.begun {
		e.begun, e.stamp, e.rate = true, stamp, rembFirst
		e.began, e.changed = now, now
		e.group = group{came: now}
	}
	step := int32((stamp-e.stamp)<<8) >> 8
	e.stamp = stamp
	e.sentAt += time.Duration(step) * time.Second >> 18
	e.arrivals = append(e.arrivals, arrived{now, bytes})
	e.bytes += bytes
	for e.arrivals[0].at < now-rateOver {
		e.bytes -= e.arrivals[0].bytes
		e.arrivals = e.arrivals[1:]
	}
	if e.sentAt-e.group.first < groupLength {
		e.group.sent, e.group.came = max(e.group.sent, e.sentAt), now
		return
	}
	if e.last.came != 0 {
		e.delay += e.group.came - e.last.came - (e.group.sent - e.last.sent)
		e.points = append(e.points, point{e.group.came, e.delay})
		if len(e.points) > trendOf {
			e.points = slices.Delete(e.points, 0, 1)
		}
	}
	e.last = e.group
	e.group = group{e.sentAt, e.sentAt, now}
	e.update(now)
}

// trend returns how much the delay has grown over the points.
func (e *estimator) trend() time.Duration {
	n := len(e.points)
	if n < trendOf {
		return 0
	}
	mean := func(p []point) (sum time.Duration) {
		for _, x := range p {
			sum += x.delay
		}
		return sum / time.Duration(len(p))
	}
	return 2 * (mean(e.points[n/2:]) - mean(e.points[:n/2]))
}

func (e *estimator) update(now time.Duration) {
	if now-e.began < rateOver {
		return
	}
	arrives := float64(e.bytes*8) / rateOver.Seconds()
	switch trend := e.trend(); {
	case trend > overAt:
		if now-e.changed > 200*time.Millisecond || 0.85*arrives < e.rate {
			e.rate = min(e.rate, max(0.85*arrives, rembLeast))
		}
	case trend > -overAt:
		e.rate = max(e.rate, min(e.rate*(1+0.08*(now-e.changed).Seconds()), 1.5*arrives+10_000))
	}
	e.changed = now
}

// due returns the estimate (bit/s) when it is time to tell the sender.
func (e *estimator) due(now time.Duration) (rate int, ok bool) {
	if now-e.began < rateOver || now-e.asked < rembEvery {
		return 0, false
	}
	e.asked = now
	return int(e.rate), true
}
