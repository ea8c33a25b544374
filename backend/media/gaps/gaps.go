// Package gaps finds the packets to ask a sender for again (RFC 4585 section 6.2.1). It does no I/O.
package gaps

import "time"

// Gaps are the holes in one stream. They are not safe for concurrent use.
type Gaps struct {
	// Patience is how late a packet may be and still be of use, 0 for pictures, which wait for it. One that counts as
	// lost is asked for once in any case, and again only if it can still come in time.
	Patience time.Duration

	begun   bool
	highest int64
	missing []gap // ascending
	fresh   int   // how many of missing have not been asked for yet
}

// Fresh returns how many packets are missing that were not asked for.
func (g *Gaps) Fresh() int { return g.fresh }

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
	// trip, but after MaxReorder at the latest.
	gapOvertaken = 2
	MaxReorder   = 10 * time.Millisecond

	// unknownRoundTrip is assumed before the first measurement.
	unknownRoundTrip = 100 * time.Millisecond
)

// reorder returns how long a packet may be late before it counts as lost.
func reorder(roundTrip time.Duration) time.Duration {
	if roundTrip <= 0 {
		return MaxReorder
	}
	return min(roundTrip/4, MaxReorder)
}

// Wait returns how long it takes until the first of the packets that were not asked for counts as lost. ok is false if
// there are none.
func (g *Gaps) Wait(now time.Time, roundTrip time.Duration) (d time.Duration, ok bool) {
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

// Reset forgets all gaps, because another stream begins.
func (g *Gaps) Reset() {
	g.begun = false
	g.missing, g.fresh = g.missing[:0], 0
}

// Received takes the sequence number of a packet that has arrived. opened reports that it reveals new missing
// packets. broken reports that more are missing than it makes sense to ask for.
func (g *Gaps) Received(sequence uint16, now time.Time) (opened, broken bool) {
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
func (g *Gaps) overtaken(extended int64) {
	if g.fresh == 0 {
		return
	}
	for i := range g.missing {
		if m := &g.missing[i]; m.extended < extended {
			m.passed++
		}
	}
}

// Repeated takes the sequence number of a retransmission. It may fill a hole, and never opens one.
func (g *Gaps) Repeated(sequence uint16) {
	if g.begun {
		g.arrived(g.highest + int64(int16(sequence-uint16(g.highest))))
	}
}

// arrived reports whether the packet was missing, and removes it from the missing ones.
func (g *Gaps) arrived(extended int64) bool {
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

// Due appends to dst the sequence numbers to ask for now, which are those that count as lost. Each is asked for again
// after one and a half round trips, or after one if there is little time. abandoned reports that some packets were given
// up.
func (g *Gaps) Due(dst []uint16, now time.Time, roundTrip time.Duration) (due []uint16, abandoned bool) {
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
		if m.tries >= maxGapTries && !now.Before(m.next) || now.Sub(m.since) > maxGapAge || g.late(m, now, roundTrip) {
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
			m.next = now.Add(max(g.retry(roundTrip), minGapRetry))
		}
		kept = append(kept, m)
	}
	g.missing = kept
	return dst, abandoned
}

// late reports whether a packet that was asked for is of no use if it is asked for again now.
func (g *Gaps) late(m gap, now time.Time, roundTrip time.Duration) bool {
	return g.Patience > 0 && m.tries > 0 && !now.Before(m.next) && now.Sub(m.since)+roundTrip > g.Patience
}

// retry returns how long an answer is waited for.
func (g *Gaps) retry(roundTrip time.Duration) time.Duration {
	if g.Patience > 0 {
		return roundTrip
	}
	return roundTrip + roundTrip/2
}
