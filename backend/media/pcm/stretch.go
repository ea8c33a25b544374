package pcm

// Bounds of the pitch period to search for, in samples at 48 kHz: 2.5 ms (400 Hz) to 10 ms (100 Hz).
const (
	minPitch = 120
	maxPitch = 480

	pitchStep = 4 // the search uses every fourth sample, because 12 kHz is enough for pitch
	// A period may be cut out or repeated if it and its neighbour resemble each other this much (normalised
	// correlation), or are this quiet (mean square; 300 is −41 dBFS).
	minLikeness = 0.8
	quietPower  = 300 * 300
)

// Shorten makes frame a little shorter without changing its pitch, by crossfading two neighbouring periods into one.
// It works in place and returns the shorter frame, or the unchanged one if the cut would be audible.
func Shorten(frame []int16) []int16 {
	lag := pitchPeriod(frame)
	if lag == 0 {
		return frame
	}
	for i := range lag {
		frame[i] = crossfade(frame[i], frame[i+lag], i, lag)
	}
	copy(frame[lag:], frame[2*lag:])
	return frame[:len(frame)-lag]
}

// Lengthen makes frame a little longer without changing its pitch, by repeating a period. It appends the result to
// dst, which must not overlap frame.
func Lengthen(dst, frame []int16) []int16 {
	lag := pitchPeriod(frame)
	if lag == 0 {
		return append(dst, frame...)
	}
	dst = append(dst, frame[:lag]...)
	for i := range lag {
		dst = append(dst, crossfade(frame[lag+i], frame[i], i, lag))
	}
	return append(dst, frame[lag:]...)
}

// crossfade returns step i of n of a crossfade from a to b.
func crossfade(a, b int16, i, n int) int16 {
	return int16((int32(a)*int32(n-i) + int32(b)*int32(i)) / int32(n))
}

// pitchPeriod returns the period after which the beginning of frame repeats itself best, 0 if it does not repeat.
func pitchPeriod(frame []int16) int {
	if len(frame) < 2*maxPitch {
		return 0
	}
	var best float64
	period := 0
	for lag := minPitch; lag <= maxPitch; lag += pitchStep {
		if l := likeness(frame, lag); l > best {
			best, period = l, lag
		}
	}
	if best >= minLikeness {
		return period
	}
	if Power(frame) < quietPower {
		return maxPitch
	}
	return 0
}

// likeness returns how much the first lag samples resemble the next ones, from 0 to 1. It divides their correlation
// by the greater of their energies, so that a period is not mixed with a much louder one.
func likeness(frame []int16, lag int) float64 {
	var product, left, right float64
	for i := 0; i < lag; i += pitchStep {
		a, b := float64(frame[i]), float64(frame[i+lag])
		product += a * b
		left += a * a
		right += b * b
	}
	if product <= 0 {
		return 0
	}
	return product / max(left, right)
}
