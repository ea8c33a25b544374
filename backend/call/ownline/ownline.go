// Package ownline decides what a guest is told of their own line: that it is poor, in which direction, and which pictures
// wait for it or for the host's. It tells what lasts and not what flickers.
package ownline

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/kit/lasting"
	"github.com/porch-call/porch/backend/signalling"
)

// Poor is the rate in bit/s, beside sound, under which a line that is full carries no good picture: 270 lines.
const Poor = 250_000

const (
	// lossyLook is the fewest packets by which the loss of what a guest sends is judged, and lossyPart is the part that
	// is too much.
	lossyLook = 25
	lossyPart = 0.05
)

// slowFor says how long a line must be poor until its guest is told, and how long it must be well again.
var slowFor = lasting.Times{Begin: 3 * time.Second, Gap: 5 * time.Second, End: 15 * time.Second}

// Line is what is known of a guest's line. The zero value is a line of which nothing was told. It is not safe for
// concurrent use.
type Line struct {
	told     signalling.Line
	paused   []signalling.Pause // scratch space
	down, up lasting.Condition
	packets  uint64 // of what the guest sends, at the last look
	lost     uint64 // of them
	lossy    bool   // since the look before
}

// Told returns what was told last.
func (l *Line) Told() signalling.Line { return l.told }

// Begin begins a look at the line.
func (l *Line) Begin() { l.paused = l.paused[:0] }

// Pause notes that a picture waits.
func (l *Line) Pause(p signalling.Pause) { l.paused = append(l.paused, p) }

// End ends the look. full says that the guest's line is full of too little, and packets and lost count what the guest has
// sent so far. news reports that something else is to be told than before.
func (l *Line) End(full bool, packets, lost uint64, now time.Time) (told signalling.Line, news bool) {
	full = full || slices.ContainsFunc(l.paused, func(p signalling.Pause) bool { return p.Reason == signalling.PauseLine })
	down, up := l.down.See(full, now, slowFor), l.up.See(l.loses(packets, lost), now, slowFor)
	if down == l.told.SlowDown && up == l.told.SlowUp && slices.Equal(l.paused, l.told.Paused) {
		return l.told, false
	}
	l.told = signalling.Line{SlowDown: down, SlowUp: up, Paused: append([]signalling.Pause{}, l.paused...)}
	return l.told, true
}

// loses reports whether too much of what the guest sends does not arrive.
func (l *Line) loses(packets, lost uint64) bool {
	switch {
	case packets < l.packets: // a stream has begun anew
		l.lossy = false
	case packets-l.packets < lossyLook:
		return l.lossy
	default:
		l.lossy = lost > l.lost && float64(lost-l.lost) > lossyPart*float64(packets-l.packets)
	}
	l.packets, l.lost = packets, lost
	return l.lossy
}
