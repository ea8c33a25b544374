package capture

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
)

func sine(hz, amplitude float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(amplitude * math.Sin(2*math.Pi*hz*float64(i)/codec.AudioClockRate))
	}
	return pcm
}

// click returns the largest step between two samples.
func click(pcm []int16) int {
	largest := 0
	for i := 1; i < len(pcm); i++ {
		largest = max(largest, magnitude(int(pcm[i])-int(pcm[i-1])))
	}
	return largest
}

func TestStretch(t *testing.T) {
	for _, hz := range []float64{110, 150, 220, 440, 1000} {
		sound := sine(hz, 10_000, 960)
		steepest := click(sound)

		shorter := shorten(slices.Clone(sound))
		if saved := len(sound) - len(shorter); saved < minPitch || saved > maxPitch {
			t.Errorf("%.0f Hz: %d samples shorter", hz, saved)
		}
		longer := lengthen(nil, sound)
		if added := len(longer) - len(sound); added < minPitch || added > maxPitch {
			t.Errorf("%.0f Hz: %d samples longer", hz, added)
		}
		for _, changed := range [][]int16{shorter, longer} {
			if got := pitchOf(changed); math.Abs(got-hz) > 1.1*codec.AudioClockRate/float64(len(changed)) { // one period more or less
				t.Errorf("%.0f Hz became %.0f", hz, got)
			}
			if got := click(changed); got > 2*steepest {
				t.Errorf("%.0f Hz: a step of %d, %d before", hz, got, steepest)
			}
			if changed[len(changed)-1] != sound[959] || magnitude(int(changed[0])-int(sound[0])) > steepest {
				t.Errorf("%.0f Hz: does not join its neighbours", hz)
			}
		}
	}
}

// pitchOf returns the frequency, counted by rising zero crossings.
func pitchOf(sound []int16) float64 {
	n := 0
	for i := 1; i < len(sound); i++ {
		if sound[i-1] < 0 && sound[i] >= 0 {
			n++
		}
	}
	return float64(n) * codec.AudioClockRate / float64(len(sound))
}

func TestStretchLeavesNoiseAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]int16, 960)
	for i := range noise {
		noise[i] = int16(random.IntN(20_000) - 10_000)
	}
	if got := shorten(slices.Clone(noise)); len(got) != 960 {
		t.Errorf("noise shortened to %d", len(got))
	}
	if got := lengthen(nil, noise); len(got) != 960 {
		t.Errorf("noise lengthened to %d", len(got))
	}
	if got := shorten(make([]int16, 960)); len(got) != 960-maxPitch {
		t.Errorf("silence shortened to %d", len(got))
	}
	if got := shorten(make([]int16, 480)); len(got) != 480 {
		t.Errorf("10 ms shortened to %d", len(got))
	}
}

func TestMixerAddsUp(t *testing.T) {
	var m mixer
	a, b := sine(300, 5000, blockSize), sine(500, 4000, blockSize)
	out := make([]int16, blockSize)
	m.begin(blockSize)
	m.add(a)
	m.add(b)
	m.add(b[:100])
	m.finish(out)
	for i := range out {
		want := int(a[i]) + int(b[i])
		if i < 100 {
			want += int(b[i])
		}
		if magnitude(int(out[i])-want) > 1 {
			t.Fatalf("sample %d is %d, want %d", i, out[i], want)
		}
	}
	m.begin(blockSize)
	m.finish(out)
	if power(out) != 0 {
		t.Error("nobody is heard")
	}
}

func TestMixerDoesNotClip(t *testing.T) {
	var m mixer
	out := make([]int16, blockSize)
	for range 100 {
		m.begin(blockSize)
		for range 8 {
			m.add(sine(440, 30_000, blockSize))
		}
		m.finish(out)
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
		m.begin(blockSize)
		m.add(sine(440, 10_000, blockSize))
		m.finish(out)
	}
	if peak := slices.Max(out); peak < 9_500 {
		t.Errorf("peak %d a second later, want 10000", peak)
	}
}

func TestAudioLevel(t *testing.T) {
	for _, c := range []struct {
		amplitude float64
		want      uint8
	}{{32767, 3}, {3276.7, 23}, {32.767, 63}, {0, silence}} {
		if got := audioLevel(sine(1000, c.amplitude, 960)); got != c.want {
			t.Errorf("amplitude %g: %d, want %d", c.amplitude, got, c.want)
		}
	}
}

func TestToneHasNoBreak(t *testing.T) {
	var tone tone
	sound := make([]int16, 5*codec.AudioClockRate)
	for i := 0; i < len(sound); i += blockSize {
		tone.fill(sound[i : i+blockSize])
	}
	limit := 472 + 2 // 2π × 440 ÷ 48,000 × a quarter of full scale
	if got := click(sound); got > limit {
		t.Errorf("a step of %d, at most %d expected", got, limit)
	}
	soft, loud := audioLevel(sound[:4800]), audioLevel(sound[codec.AudioClockRate-2400:codec.AudioClockRate+2400])
	if soft-loud < 12 {
		t.Errorf("the level goes from −%d to −%d dB", soft, loud)
	}
}

func TestStatusTellsChangesOnly(t *testing.T) {
	sink := newRecorder()
	s := newStatus(sink)
	told := func() State {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return sink.state
	}
	s.fault(ofCamera, "")
	if told().Faults != nil {
		t.Error("told though nothing changed")
	}
	s.fault(ofCamera, fault.CameraMissing)
	s.fault(ofSpeaker, fault.SpeakerLost)
	if got := told(); !got.NoCamera || got.NoMicrophone {
		t.Errorf("%+v", got)
	}
	s.fault(ofMicrophone, fault.MicrophoneLost)
	if got := told(); !got.NoMicrophone {
		t.Errorf("%+v", got)
	}
	s.fault(ofMicrophone, "")
	if got := told().Faults; !slices.Equal(got, []fault.Code{fault.CameraMissing, fault.SpeakerLost}) {
		t.Errorf("%q", got)
	}
	s.fault(ofCamera, "")
	if got := told().Faults; !slices.Equal(got, []fault.Code{fault.SpeakerLost}) || told().NoCamera || told().NoMicrophone {
		t.Errorf("%q", got)
	}
	s.at = time.Time{}
	s.hear(20)
	if got := told().Level; math.Abs(got-meter(20)) > 0.01 {
		t.Errorf("level %g", got)
	}
	s.at = time.Time{}
	s.hear(silence)
	if got := told().Level; got != 0 {
		t.Errorf("level %g while muted", got)
	}
}
