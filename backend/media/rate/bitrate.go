package rate

import "time"

// Bitrate is a number of bits per second.
type Bitrate int64

const (
	Kbit Bitrate = 1000
	Mbit         = 1000 * Kbit
)

const (
	// Floor is the lowest estimate: sound, and little more. Whoever has nothing that fits pauses pictures.
	Floor = 50 * Kbit
	// Ceiling is the highest estimate.
	Ceiling = 200 * Mbit
)

// bytesIn returns how many bytes a rate carries in d.
func bytesIn(bitsPerSecond float64, d time.Duration) float64 { return bitsPerSecond / 8 * d.Seconds() }

// round makes a Bitrate of a number of bits per second, within [Floor, Ceiling].
func round(bitsPerSecond float64) Bitrate {
	return Bitrate(min(max(bitsPerSecond, float64(Floor)), float64(Ceiling)))
}
