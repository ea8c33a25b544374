package call

import "time"

// gaps finds the packets that a sender should send again (RFC 4585 section
// 6.2.1). It does no I/O and is not safe for concurrent use.
type gaps struct {
	begun   bool
	highest int64
	missing []gap // ascending
}

type gap struct {
	extended int64
	since    time.Time
	next     time.Time // when to ask (again)
	tries    int
}

const (
	maxGaps     = 256 // a longer hole is not mended but begun anew with a keyframe
	maxGapTries = 8
	maxGapAge   = time.Second
	minGapRetry = 30 * time.Millisecond
)

// reset forgets everything: another stream begins.
func (g *gaps) reset() {
	g.begun = false
	g.missing = g.missing[:0]
}

// received takes the sequence number of a packet that has arrived. opened says
// that packets before it are missing that were not known to be; broken says that
// so many are that asking for them makes no sense.
func (g *gaps) received(sequence uint16, now time.Time) (opened, broken bool) {
	if !g.begun {
		g.begun = true
		g.highest = int64(sequence)
		return false, false
	}
	extended := g.highest + int64(int16(sequence-uint16(g.highest)))
	if extended <= g.highest {
		g.arrived(extended)
		return false, false
	}
	hole := extended - g.highest - 1
	from := g.highest + 1
	g.highest = extended
	if hole+int64(len(g.missing)) > maxGaps {
		g.missing = g.missing[:0]
		return false, true
	}
	for n := from; n < extended; n++ {
		g.missing = append(g.missing, gap{extended: n, since: now, next: now})
	}
	return hole > 0, false
}

// repeated takes the sequence number of a packet that was sent again: it may mend a hole, and opens none.
func (g *gaps) repeated(sequence uint16) {
	if g.begun {
		g.arrived(g.highest + int64(int16(sequence-uint16(g.highest))))
	}
}

func (g *gaps) arrived(extended int64) {
	for i := range g.missing {
		if g.missing[i].extended == extended {
			g.missing = append(g.missing[:i], g.missing[i+1:]...)
			return
		}
	}
}

// due appends to dst the sequence numbers to ask for now. Each is asked for
// again after one and a half round trips; abandoned says that some were given
// up.
func (g *gaps) due(dst []uint16, now time.Time, roundTrip time.Duration) (due []uint16, abandoned bool) {
	kept := g.missing[:0]
	for _, m := range g.missing {
		if m.tries >= maxGapTries && !now.Before(m.next) || now.Sub(m.since) > maxGapAge {
			abandoned = true
			continue
		}
		if !now.Before(m.next) {
			dst = append(dst, uint16(m.extended))
			m.tries++
			m.next = now.Add(max(roundTrip+roundTrip/2, minGapRetry))
		}
		kept = append(kept, m)
	}
	g.missing = kept
	return dst, abandoned
}
