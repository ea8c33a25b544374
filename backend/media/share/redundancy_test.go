package share

import (
	"testing"
	"time"
)

func TestRedundancyHasHysteresis(t *testing.T) {
	var r Redundancy
	now := time.Unix(1000, 0)
	for i, c := range []struct {
		after time.Duration
		lost  float64
		want  bool
	}{
		{0, 0, false},
		{time.Second, 0.029, false},
		{time.Second, 0.031, true},
		{time.Minute, 0.02, true},
		{time.Second, 0.01, true},
		{9 * time.Second, 0.001, true},
		{time.Second, 0.016, true},
		{9 * time.Second, 0, true},
		{2 * time.Second, 0, false},
		{time.Second, 0.02, false},
	} {
		now = now.Add(c.after)
		if got := r.Losing(c.lost, now); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
}

func TestRedundancyNeedsRoom(t *testing.T) {
	var r Redundancy
	now := time.Unix(1000, 0)
	sound := Sound(6, FewPlaces, true)
	if want := 4 * (SoundRate + RedundantRate); sound != want {
		t.Fatalf("%d bit/s, want %d", sound, want)
	}
	wide := Way{Capacity: Unlimited}
	to := Receiver{Capacity: 2 * sound}
	if !r.Fits(sound, to, wide, now) {
		t.Error("there is room")
	}
	if r.Fits(sound, to, Way{Capacity: 2*sound - 1}, now) {
		t.Error("the way out is too narrow")
	}
	if now = now.Add(crampedFor); r.Fits(sound, to, wide, now) {
		t.Error("there was none a moment ago")
	}
	if now = now.Add(time.Second); !r.Fits(sound, to, wide, now) {
		t.Error("there is room again")
	}
	to.Capacity--
	if r.Fits(sound, to, wide, now) {
		t.Error("the receiver's line is too narrow")
	}
}

func TestWhoTakesNoRedundancyIsHelpedByTheSenders(t *testing.T) {
	now := time.Unix(1000, 0)
	wide, to := Way{Capacity: Unlimited}, Receiver{Capacity: Unlimited}
	for _, c := range []struct {
		lost     float64
		takes    bool
		capacity int
		twice    bool
		assumed  float64
	}{
		{0.01, true, Unlimited, false, 0},
		{0.1, true, Unlimited, true, 0},
		{0.1, true, 100_000, false, 0.1},
		{0.1, false, Unlimited, false, 0.1},
		{1, false, Unlimited, false, mostAssumed},
	} {
		var r Redundancy
		to.Capacity = c.capacity
		twice, assumed := r.Decide(c.lost, c.takes, Sound(4, 4, true), to, wide, now)
		if twice != c.twice || assumed != c.assumed {
			t.Errorf("%+v: %v, %g", c, twice, assumed)
		}
	}
}
