package share

// MaxLayers is the largest number of layers of a track.
const MaxLayers = 3

// quality is a height of pictures and the rate that it deserves.
type quality struct {
	height int // lines
	rate   int // bit/s; more than this can hardly be seen
}

// qualities are the heights in which pictures are asked for, the lowest first. 180, 360 and 720 lines are what browsers
// make of a camera with three layers; their rates there are 150 and 500 kbit/s (seen in Chromium 156) and ours for 720.
var qualities = [...]quality{
	{180, 150_000}, {270, 300_000}, {360, 500_000}, {540, 900_000}, {720, 1_500_000}, {1080, 2_500_000},
}

const (
	// lowestRate is the least at which a moving picture is worth its packets: 180 lines, 12 frames a second.
	lowestRate = 70_000
	// lowestScreenRate is the same of a shared screen, whose text must stay legible.
	lowestScreenRate = 150_000

	slowFrames     = 12      // frames a second of a picture under slowFramesRate
	slowFramesRate = 100_000 // bit/s

	// worthy is the part of its rate at which a height is better than the next lower one: 300 kbit/s for 360 lines.
	worthy = 0.6
	// fills is the part of a tile's height at which a picture looks no coarser than the whole. Layers are far apart, so
	// that of layers less is enough.
	fills      = 0.9
	layerFills = 0.75
)

// fitting returns the index of the lowest quality that fills a tile of this height.
func fitting(height int) int {
	for i, q := range qualities {
		if float64(q.height) >= fills*float64(height) {
			return i
		}
	}
	return len(qualities) - 1
}

// affordable returns the index of the highest quality that is worth showing at this rate in bit/s.
func affordable(rate float64) int {
	best := 0
	for i, q := range qualities {
		if rate >= worthy*float64(q.rate) {
			best = i
		}
	}
	return best
}

// encoded returns what an encoder may make so that its packets have this rate on the wire. Of 1,200 bytes 50 to 60 are
// headers, and so is a twentieth of what the encoder makes.
func encoded(wire int) int { return wire * 20 / 21 }

// SoundRate is what one voice takes on the wire, in bit/s: Opus at 32 kbit/s in 50 packets a second, whose headers are
// 27 kbit/s.
const SoundRate = 59_000

// Sound returns what to reserve for a receiver's sound, in bit/s, if so many other participants are not muted and may be
// heard in so many places (see [Loudest]). redundant says that each packet carries the one before.
func Sound(others, places int, redundant bool) int {
	if places == Everybody {
		places = others
	}
	rate := SoundRate
	if redundant {
		rate += RedundantRate
	}
	return rate * max(0, min(others, places))
}

// Deserved returns the rate in bit/s at which a picture fills a tile of this height.
func Deserved(height int) int { return qualities[fitting(height)].rate }
