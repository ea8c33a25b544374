package pcm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
)

func TestStretch(t *testing.T) {
	for _, hz := range []float64{110, 150, 220, 440, 1000} {
		sound := mediatest.Sine(hz, 10_000, 960)
		steepest := mediatest.LargestStep(sound)

		shorter := Shorten(slices.Clone(sound))
		if saved := len(sound) - len(shorter); saved < minPitch || saved > maxPitch {
			t.Errorf("%.0f Hz: %d samples shorter", hz, saved)
		}
		longer := Lengthen(nil, sound)
		if added := len(longer) - len(sound); added < minPitch || added > maxPitch {
			t.Errorf("%.0f Hz: %d samples longer", hz, added)
		}
		for _, changed := range [][]int16{shorter, longer} {
			if got := mediatest.Frequency(changed); math.Abs(got-hz) > 1.1*codec.AudioClockRate/float64(len(changed)) { // one period more or less
				t.Errorf("%.0f Hz became %.0f", hz, got)
			}
			if got := mediatest.LargestStep(changed); got > 2*steepest {
				t.Errorf("%.0f Hz: a step of %d, %d before", hz, got, steepest)
			}
			if changed[len(changed)-1] != sound[959] || magnitude(int(changed[0])-int(sound[0])) > steepest {
				t.Errorf("%.0f Hz: does not join its neighbours", hz)
			}
		}
	}
}

func TestStretchLeavesNoiseAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]int16, 960)
	for i := range noise {
		noise[i] = int16(random.IntN(20_000) - 10_000)
	}
	if got := Shorten(slices.Clone(noise)); len(got) != 960 {
		t.Errorf("noise shortened to %d", len(got))
	}
	if got := Lengthen(nil, noise); len(got) != 960 {
		t.Errorf("noise lengthened to %d", len(got))
	}
	if got := Shorten(make([]int16, 960)); len(got) != 960-maxPitch {
		t.Errorf("silence shortened to %d", len(got))
	}
	if got := Shorten(make([]int16, 480)); len(got) != 480 {
		t.Errorf("10 ms shortened to %d", len(got))
	}
}

func magnitude(n int) int { return max(n, -n) }
