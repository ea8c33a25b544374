package recording

import "time"

const (
	// leap is a difference between a track's clock and ours that is not followed in steps but at once.
	leap = 100 * time.Millisecond
	// slew is the part of a smaller difference that is followed with each report.
	slew = 8
	// earliest and latest bound how far from its arrival a packet's time may be. A time beyond them is that of the
	// arrival: timestamps come from strangers.
	earliest = -3 * time.Second
	latest   = 500 * time.Millisecond
)

// timeline turns a track's RTP time into the time of the recording. Before the first report it goes by the arrival of
// the first packet.
type timeline struct {
	rate     int64 // ticks a second
	known    bool
	reported bool
	ticks    int64
	at       time.Duration
	last     time.Duration // the last time that was given
	given    bool
}

// report says which time of the recording belongs to an RTP time.
func (l *timeline) report(ticks int64, at time.Duration) {
	if was := l.time(ticks); l.reported && was-at <= leap && at-was <= leap {
		at = was + (at-was)/slew
	}
	l.ticks, l.at, l.known, l.reported = ticks, at, true, true
}

// place returns the time of the recording for a packet that arrived at now. It grows by a millisecond at least.
func (l *timeline) place(ticks int64, now time.Duration) time.Duration {
	if !l.known {
		l.known, l.ticks, l.at = true, ticks, now
	}
	at := l.time(ticks)
	if at < now+earliest || at > now+latest {
		l.ticks, l.at, l.reported = ticks, now, false
		at = now
	}
	at = max(at, 0)
	if l.given {
		at = max(at, l.last+time.Millisecond)
	}
	l.last, l.given = at, true
	return at
}

func (l *timeline) time(ticks int64) time.Duration {
	return l.at + time.Duration(ticks-l.ticks)*time.Second/time.Duration(l.rate)
}
