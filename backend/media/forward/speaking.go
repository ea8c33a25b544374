package forward

import (
	"cmp"
	"slices"
)

// loudness judges from the audio levels of one participant's packets whether the participant is speaking. It is not
// safe for concurrent use.
type loudness struct {
	sum     int // of the levels in dB above silence (0 to 127) since the last judgement
	count   int
	average float64 // smoothed
	above   int     // judgements in a row above speakingOn
	below   int     // judgements in a row below speakingOff
	active  bool
}

const (
	speakingOn     = 127 - 45 // in dB above -127 dBov; speaking begins above it
	speakingOff    = 127 - 55 // in dB above -127 dBov; speaking ends below it
	speakingAttack = 2        // judgements
	speakingHold   = 6
)

// packet takes the audio level of a packet, in -dBov (RFC 6464).
func (l *loudness) packet(level uint8) {
	l.sum += 127 - int(level)
	l.count++
}

// judge is called every speakingInterval (package call). No packets count as silence.
func (l *loudness) judge() (active bool) {
	now := 0.0
	if l.count > 0 {
		now = float64(l.sum) / float64(l.count)
	}
	l.sum, l.count = 0, 0
	l.average += (now - l.average) / 2
	switch {
	case now >= speakingOn:
		l.above++
		l.below = 0
	case now < speakingOff:
		l.below++
		l.above = 0
	default: // between the thresholds nothing changes
		l.above, l.below = 0, 0
	}
	if l.above >= speakingAttack {
		l.active = true
	}
	if l.below >= speakingHold {
		l.active = false
	}
	return l.active
}

// Speaker is a participant that speaks.
type Speaker struct {
	ID      string
	Average float64
}

// LoudestFirst orders speakers by loudness. A speaker that came before another in the last order stays before it
// unless the other is louder by [clearlyLouder], so that the order does not flicker.
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
