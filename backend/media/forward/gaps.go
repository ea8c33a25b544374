package forward

import "time"

// gaps finds the packets to ask a sender for again (RFC 4585 section 6.2.1). It does no I/O and is not safe for
// concurrent use.
type gaps struct {
	begun   bool
	highest int64
	missing []gap // ascending
	fresh   int   // how many of missing have not been asked for yet
}

type gap struct {
	extended int64
	since    time.Time
	next     time.Time // when to ask for it again
	tries    int
	passed   int // how many newer packets arrived before the first request
}

const (
	maxGaps     = 256 // a longer hole is not filled; the stream starts over with a keyframe
	maxGapTries = 8
	maxGapAge   = time.Second
	minGapRetry = 30 * time.Millisecond

	// A missing packet counts as lost once gapOvertaken newer packets have arrived, or after a quarter of a round
	// trip, but after maxGapReorder at the latest.
	gapOvertaken  = 2
	maxGapReorder = 10 * time.Millisecond

	// unknownRoundTrip is assumed before the first measurement.
	unknownRoundTrip = 100 * time.Millisecond
)

// reorder returns how long a packet may be late before it counts as lost.
func reorder(roundTrip time.Duration) time.Duration {
	if roundTrip <= 0 {
		return maxGapReorder
	}
	return min(roundTrip/4, maxGapReorder)
}

// wait returns how long it takes until the first of the packets that were not asked for counts as lost. ok is false if
// there are none.
func (g *gaps) wait(now time.Time, roundTrip time.Duration) (d time.Duration, ok bool) {
	if g.fresh == 0 {
		return 0, false
	}
	for _, m := range g.missing {
		if m.tries == 0 {
			return max(reorder(roundTrip)-now.Sub(m.since), 0), true
		}
	}
	return 0, false
}

// reset forgets all gaps, because another stream begins.
func (g *gaps) reset() {
	g.begun = false
	g.missing, g.fresh = g.missing[:0], 0
}

// received takes the sequence number of a packet that has arrived. opened reports that it reveals new missing
// packets. broken reports that more are missing than it makes sense to ask for.
func (g *gaps) received(sequence uint16, now time.Time) (opened, broken bool) {
	if !g.begun {
		g.begun = true
		g.highest = int64(sequence)
		return false, false
	}
	extended := g.highest + int64(int16(sequence-uint16(g.highest)))
	if extended <= g.highest {
		if g.arrived(extended) {
			g.overtaken(extended)
		}
		return false, false
	}
	hole := extended - g.highest - 1
	from := g.highest + 1
	g.highest = extended
	if hole+int64(len(g.missing)) > maxGaps {
		g.missing, g.fresh = g.missing[:0], 0
		return false, true
	}
	for n := from; n < extended; n++ {
		g.missing = append(g.missing, gap{extended: n, since: now})
	}
	g.fresh += int(hole)
	g.overtaken(extended)
	return hole > 0, false
}

// overtaken notes that a packet has arrived before the missing ones in front of it.
func (g *gaps) overtaken(extended int64) {
	if g.fresh == 0 {
		return
	}
	for i := range g.missing {
		if m := &g.missing[i]; m.extended < extended {
			m.passed++
		}
	}
}

// repeated takes the sequence number of a retransmission. It may fill a hole, and never opens one.
func (g *gaps) repeated(sequence uint16) {
	if g.begun {
		g.arrived(g.highest + int64(int16(sequence-uint16(g.highest))))
	}
}

// arrived reports whether the packet was missing, and removes it from the missing ones.
func (g *gaps) arrived(extended int64) bool {
	for i, m := range g.missing {
		if m.extended == extended {
			if m.tries == 0 {
				g.fresh--
			}
			g.missing = append(g.missing[:i], g.missing[i+1:]...)
			return true
		}
	}
	return false
}

// due appends to dst the sequence numbers to ask for now, which are those that count as lost. Each is asked for again
// after one and a half round trips. abandoned reports that some packets were given up.
func (g *gaps) due(dst []uint16, now time.Time, roundTrip time.Duration) (due []uint16, abandoned bool) {
	late := reorder(roundTrip)
	if roundTrip <= 0 {
		roundTrip = unknownRoundTrip
	}
	kept := g.missing[:0]
	for _, m := range g.missing {
		if m.tries == 0 && m.passed < gapOvertaken && now.Sub(m.since) < late {
			kept = append(kept, m)
			continue
		}
		if m.tries >= maxGapTries && !now.Before(m.next) || now.Sub(m.since) > maxGapAge {
			abandoned = true
			if m.tries == 0 {
				g.fresh--
			}
			continue
		}
		if !now.Before(m.next) {
			if m.tries == 0 {
				g.fresh--
			}
			dst = append(dst, uint16(m.extended))
			m.tries++
			m.next = now.Add(max(roundTrip+roundTrip/2, minGapRetry))
		}
		kept = append(kept, m)
	}
	g.missing = kept
	return dst, abandoned
}
