package capture

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
)

func TestAudioLevel(t *testing.T) {
	for _, c := range []struct {
		amplitude float64
		want      uint8
	}{{32767, 3}, {3276.7, 23}, {32.767, 63}, {0, silence}} {
		if got := audioLevel(mediatest.Sine(1000, c.amplitude, 960)); got != c.want {
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
	if got := mediatest.LargestStep(sound); got > limit {
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
