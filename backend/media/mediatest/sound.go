package mediatest

import (
	"math"

	"github.com/porch-call/porch/backend/media/codec"
)

// Sine returns n samples of a tone that begins with a rising zero crossing.
func Sine(hz, amplitude float64, n int) []int16 {
	sound := make([]int16, n)
	for i := range sound {
		sound[i] = int16(amplitude * math.Sin(2*math.Pi*hz*float64(i)/codec.AudioClockRate))
	}
	return sound
}

// Frequency returns the frequency of sound in Hz, counted by rising zero crossings.
func Frequency(sound []int16) float64 {
	n := 0
	for i := 1; i < len(sound); i++ {
		if sound[i-1] < 0 && sound[i] >= 0 {
			n++
		}
	}
	return float64(n) * codec.AudioClockRate / float64(len(sound))
}

// LargestStep returns the largest step between two neighbouring samples: a click is one that is larger than the
// sound's own.
func LargestStep(sound []int16) int {
	largest := 0
	for i := 1; i < len(sound); i++ {
		step := int(sound[i]) - int(sound[i-1])
		largest = max(largest, step, -step)
	}
	return largest
}
