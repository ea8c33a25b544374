package speaking

import (
	"slices"
	"testing"
)

func TestSpeakingNeedsAMoment(t *testing.T) {
	var l Loudness
	judge := func(level uint8) bool {
		for range 5 {
			l.Packet(level)
		}
		return l.Judge()
	}
	if judge(30) {
		t.Fatal("a click is speech")
	}
	if judge(120) || judge(30) {
		t.Fatal("so are two")
	}
	if !judge(30) {
		t.Fatal("speech is not heard")
	}
	for range hold - 1 {
		if !judge(127) {
			t.Fatal("a pause ends speech")
		}
	}
	if judge(127) {
		t.Fatal("silence is speech")
	}
	if l.Judge() {
		t.Fatal("nothing is speech")
	}
}

func TestSpeakingHasHysteresis(t *testing.T) {
	var l Loudness
	for range 2 {
		l.Packet(40)
		l.Judge()
	}
	for range 20 { // between the thresholds
		l.Packet(50)
		if !l.Judge() {
			t.Fatal("softer speech ended")
		}
	}
	var quiet Loudness
	for range 20 {
		quiet.Packet(50)
		if quiet.Judge() {
			t.Fatal("soft noise began to be speech")
		}
	}
}

func TestSpeakersKeepTheirOrder(t *testing.T) {
	for _, c := range []struct {
		before []string
		now    []Speaker
		want   []string
	}{
		{nil, nil, []string{}},
		{nil, []Speaker{{"a", 80}, {"b", 90}}, []string{"b", "a"}},
		{[]string{"a", "b"}, []Speaker{{"b", 85}, {"a", 80}}, []string{"a", "b"}},
		{[]string{"a", "b"}, []Speaker{{"b", 90}, {"a", 80}}, []string{"b", "a"}},
		{[]string{"a"}, []Speaker{{"c", 83}, {"a", 80}, {"b", 82}}, []string{"a", "c", "b"}},
		{[]string{"a", "b", "c"}, []Speaker{{"c", 99}}, []string{"c"}},
	} {
		if got := LoudestFirst(c.before, slices.Clone(c.now)); !slices.Equal(got, c.want) {
			t.Errorf("%v then %v: %v, want %v", c.before, c.now, got, c.want)
		}
	}
}
