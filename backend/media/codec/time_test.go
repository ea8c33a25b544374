package codec

import (
	"testing"
	"time"
)

func TestMediaTimes(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"an Opus packet", AudioTime(960), 20 * time.Millisecond},
		{"a sample", AudioTime(1), 20_833},
		{"before zero", AudioTime(-480), -10 * time.Millisecond},
		{"a year of sound", AudioTime(AudioClockRate * 365 * 86_400), 365 * 24 * time.Hour},
		{"a picture of 30 a second", VideoTime(3000), 33_333_333},
		{"a tick", VideoTime(1), 11_111},
		{"before zero", VideoTime(-9), -100 * time.Microsecond},
		{"a year of video", VideoTime(VideoClockRate * 365 * 86_400), 365 * 24 * time.Hour},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}
