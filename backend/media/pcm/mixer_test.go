package pcm

import (
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/media/mediatest"
)

// blockSize is how many samples a speaker takes at once in these tests: 10 ms.
const blockSize = 480

func TestMixerAddsUp(t *testing.T) {
	var m Mixer
	a, b := mediatest.Sine(300, 5000, blockSize), mediatest.Sine(500, 4000, blockSize)
	out := make([]int16, blockSize)
	m.Begin(blockSize)
	m.Add(a)
	m.Add(b)
	m.Add(b[:100])
	m.Finish(out)
	for i := range out {
		want := int(a[i]) + int(b[i])
		if i < 100 {
			want += int(b[i])
		}
		if magnitude(int(out[i])-want) > 1 {
			t.Fatalf("sample %d is %d, want %d", i, out[i], want)
		}
	}
	m.Begin(blockSize)
	m.Finish(out)
	if Power(out) != 0 {
		t.Error("silence is not silent")
	}
}

func TestMixerDoesNotClip(t *testing.T) {
	var m Mixer
	out := make([]int16, blockSize)
	for range 100 {
		m.Begin(blockSize)
		for range 8 {
			m.Add(mediatest.Sine(440, 30_000, blockSize))
		}
		m.Finish(out)
		for _, s := range out {
			if magnitude(int(s)) > mixCeiling+1 {
				t.Fatalf("sample of %d", s)
			}
		}
	}
	if peak := slices.Max(out); peak < mixCeiling*9/10 {
		t.Errorf("peak %d: limited too much", peak)
	}
	// The gain recovers.
	for range 100 {
		m.Begin(blockSize)
		m.Add(mediatest.Sine(440, 10_000, blockSize))
		m.Finish(out)
	}
	if peak := slices.Max(out); peak < 9_500 {
		t.Errorf("peak %d a second later, want 10000", peak)
	}
}
