// Package speaking tells from the levels of sound who speaks, and who is loudest. It
// does no I/O.
package speaking

import (
	"cmp"
	"slices"
)

// Loudness judges from the audio levels of one participant's packets whether the participant is speaking. It is not
// safe for concurrent use.
type Loudness struct {
	sum     int // of the levels in dB above silence (0 to 127) since the last judgement
	count   int
	average float64 // smoothed
	above   int     // judgements in a row above on
	below   int     // judgements in a row below off
	active  bool
}

const (
	on     = 127 - 45 // in dB above -127 dBov; speaking begins above it
	off    = 127 - 55 // in dB above -127 dBov; speaking ends below it
	attack = 2        // judgements
	hold   = 6
)

// Packet takes the audio level of a packet, in -dBov (RFC 6464).
func (l *Loudness) Packet(level uint8) {
	l.sum += 127 - int(level)
	l.count++
}

// Judge reports whether the participant is speaking. It is called every 100 ms (speakingInterval of package call).
// No packets count as silence.
func (l *Loudness) Judge() (active bool) {
	now := 0.0
	if l.count > 0 {
		now = float64(l.sum) / float64(l.count)
	}
	l.sum, l.count = 0, 0
	l.average += (now - l.average) / 2
	switch {
	case now >= on:
		l.above++
		l.below = 0
	case now < off:
		l.below++
		l.above = 0
	default: // between the thresholds nothing changes
		l.above, l.below = 0, 0
	}
	if l.above >= attack {
		l.active = true
	}
	if l.below >= hold {
		l.active = false
	}
	return l.active
}

// Average returns the smoothed level of the last judgements, in dB above -127 dBov.
func (l *Loudness) Average() float64 { return l.average }

// Speaker is a participant that speaks.
type Speaker struct {
	ID      string
	Average float64 // see [Loudness.Average]
}

// LoudestFirst orders speakers by loudness. A speaker that came before another in the last order stays before it
// unless the other is louder by clearlyLouder, so that the order does not flicker.
func LoudestFirst(before []string, now []Speaker) []string {
	rank := func(s Speaker) int {
		if i := slices.Index(before, s.ID); i >= 0 {
			return i
		}
		return len(before)
	}
	slices.SortFunc(now, func(a, b Speaker) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Average, a.Average), cmp.Compare(a.ID, b.ID))
	})
	for i := range now {
		for j := i; j > 0 && now[j].Average > now[j-1].Average+clearlyLouder; j-- {
			now[j], now[j-1] = now[j-1], now[j]
		}
	}
	ids := make([]string, len(now))
	for i, s := range now {
		ids[i] = s.ID
	}
	return ids
}

const clearlyLouder = 6 // dB
