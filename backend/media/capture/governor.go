package capture

import "time"

// quality is a step of the ladder: how many lines are encoded, and at what bitrate.
type quality struct {
	height  int
	bitrate int // bit/s
}

// ladder lists the qualities of a camera, the lowest first. The bitrates are modest, because the host's uplink
// carries a copy for each guest.
var ladder = []quality{
	{270, 400_000},
	{360, 600_000},
	{540, 750_000},
	{720, 900_000},
}

const (
	startStep = 1 // of the ladder

	// The share of the time between two pictures that scaling and encoding may take. Above busyShare the quality
	// falls, and below idleShare it may rise.
	busyShare, idleShare = 0.5, 0.15

	busyFor = time.Second
	// idleFor is how long the machine must be idle before the quality rises. It is doubled, up to maxIdleFor, each
	// time a rise had to be undone.
	idleFor, maxIdleFor = 5 * time.Second, 5 * time.Minute
)

// governor picks the quality that this machine can handle. It is pure and not safe for concurrent use.
type governor struct {
	step      int
	top       int
	share     float64 // smoothed
	busySince time.Duration
	idleSince time.Duration
	idleFor   time.Duration
	rose      bool
}

// newGovernor returns a governor for pictures with the given number of lines.
func newGovernor(lines int) *governor {
	g := &governor{idleFor: idleFor, busySince: -1, idleSince: -1}
	for g.top = len(ladder) - 1; g.top > 0 && ladder[g.top-1].height >= lines; g.top-- {
	}
	g.step = min(startStep, g.top)
	return g
}

func (g *governor) quality() quality { return ladder[g.step] }

// note takes how long a picture took, and the time until the next one. It returns true when the quality changes. now
// may have any zero, but must not be negative.
func (g *governor) note(now, took, interval time.Duration) bool {
	g.share += (float64(took)/float64(interval) - g.share) / 16
	g.busySince = since(g.busySince, g.share > busyShare, now)
	g.idleSince = since(g.idleSince, g.share < idleShare, now)
	switch {
	case g.busySince >= 0 && now-g.busySince >= busyFor && g.step > 0:
		g.step--
		if g.rose {
			g.idleFor = min(2*g.idleFor, maxIdleFor)
		}
		g.rose = false
	case g.idleSince >= 0 && now-g.idleSince >= g.idleFor && g.step < g.top:
		g.step++
		g.rose = true
	default:
		return false
	}
	g.busySince, g.idleSince = -1, -1
	return true
}

// pause forgets since when the machine has been busy or idle, because no pictures were made meanwhile. g may be nil.
func (g *governor) pause() {
	if g != nil {
		g.busySince, g.idleSince = -1, -1
	}
}

// since returns since when a condition has held, −1 while it does not hold.
func since(began time.Duration, holds bool, now time.Duration) time.Duration {
	switch {
	case !holds:
		return -1
	case began < 0:
		return now
	}
	return began
}
