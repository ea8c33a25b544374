package media

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/lab/person"
	"github.com/porch-call/porch/backend/lab/player"
	"github.com/porch-call/porch/backend/lab/stamp"
)

func TestRowsAreNamedOnce(t *testing.T) {
	seen := make(map[string]bool)
	total := time.Duration(0)
	for _, s := range Scenarios() {
		if !s.Long {
			total += s.For
		}
		for _, c := range s.Checks {
			if key := s.Row + " " + c.Name; seen[key] {
				t.Errorf("two checks %q", key)
			} else {
				seen[key] = true
			}
			if c.Value == nil {
				t.Errorf("%s %s measures nothing", s.Row, c.Name)
			}
		}
	}
	for _, row := range []string{
		"A1", "A1m", "A2", "A3", "A4", "A5", "A6", "A7a", "A8a", "A9", "A10", "A11", "A12", "A13", "A14", "A15", "A16", "A17", "A18", "A19a", "A19c",
	} {
		if chosen, err := Choose([]string{row}); err != nil || len(chosen) != 1 {
			t.Errorf("%s: %d scenarios, %v", row, len(chosen), err)
		}
	}
	if chosen, err := Choose([]string{"A19"}); err != nil || len(chosen) != 2 {
		t.Errorf("A19: %d scenarios, %v", len(chosen), err)
	}
	if _, err := Choose([]string{"A99"}); err == nil {
		t.Error("a row that is not there")
	}
	if chosen, err := Choose([]string{"A7", "A1", "A4"}); err != nil || len(chosen) != 6 {
		t.Errorf("A7, A1, A4: %d scenarios, %v", len(chosen), err)
	}
	if total > 13*time.Minute { // with what it takes to begin, a quarter of an hour
		t.Errorf("all rows take %v", total)
	}
}

func TestATableGoesIntoADocument(t *testing.T) {
	table := Table{Rows: []Row{
		{Row: "A1", Name: "queue, p95", Unit: "ms", Must: atMost(80), Now: 40, Values: []Figure{40}, Met: true},
		{Row: "A99", Name: "new", Must: atMost(1), Now: 2, Values: []Figure{2}},
	}}
	head := tableHead + "\n| --- | --- | --- | --- | --- | --- |\n"
	got := table.Into("before\n\n" + head + "| A1 | queue, p95, ms | ≤ 80 | 500 | – |  |\n| A2 | other | | | | |\n\nafter\n")
	want := "before\n\n" + head + "| A1 | queue, p95, ms | ≤ 80 | – | 40 | yes |\n| A2 | other | | | | |\n| A99 | new | ≤ 1 | – | 2 | **no** |\n\nafter\n"
	if got != want {
		t.Errorf("%s", got)
	}
	if text := "no table"; table.Into(text) != text {
		t.Error("a text without a table")
	}
}

func TestMedianAndWorst(t *testing.T) {
	for _, c := range []struct {
		must   Bound
		values []float64
		now    float64
		worst  float64
		met    bool
	}{
		{atMost(10), []float64{9, 14, 8}, 9, 14, true},
		{atMost(10), []float64{9, 16, 8}, 9, 16, false},
		{atMost(10), []float64{9, 11, 12}, 11, 12, false},
		{atLeast(6), []float64{9, 8, 5}, 8, 5, true},
		{atLeast(6), []float64{9, 8, 3}, 8, 3, false},
		{atLeast(6), []float64{math.NaN()}, math.NaN(), math.NaN(), false},
		{atMost(6), []float64{5, math.NaN(), 4}, 4, math.NaN(), false},
		{within(70, 95), []float64{80}, 80, 80, true},
		{within(70, 95), []float64{60}, 60, 60, false},
		{Bound{}, []float64{3}, 3, 3, true},
	} {
		i := 0
		s := &Scenario{Row: "X", Checks: []Check{{"it", "ms", c.must, func(*Run) float64 { i++; return c.values[i-1] }}}}
		var table Table
		runs := make([]*Run, len(c.values))
		for i := range runs {
			runs[i] = new(Run)
		}
		table.add(s, runs)
		r := table.Rows[0]
		if r.Now.String() != Figure(c.now).String() || r.Worst.String() != Figure(c.worst).String() || r.Met != c.met {
			t.Errorf("%v of %v: now %v, worst %v, met %v", c.must, c.values, r.Now, r.Worst, r.Met)
		}
		if err := table.Unmet(); (err == nil) != c.met {
			t.Errorf("%v of %v: %v", c.must, c.values, err)
		}
		if text := table.String(); !strings.Contains(text, "| X | it, ms |") {
			t.Error(text)
		}
	}
}

// call returns a call of two guests in which guest 2 hears all of guest 1, and guest 1 nothing, and the other way round
// with pictures, which stop after 3 s.
func call() *Run {
	const start = 1_800_000_000 * time.Second
	r := &Run{Scenario: &Scenario{Guests: people(2, speaker)}, Start: start, People: map[int]*person.Report{}}
	sound, pictures := new(player.Sound), new(player.Pictures)
	for n := range uint32(500) {
		at := start + time.Duration(n)*player.FrameTime
		sound.Packet(at, stamp.Stamp{Frame: n, Needs: max(n, 1) - 1, At: at})
	}
	sent := person.Sent{}
	for n := range uint32(100) {
		at := start + time.Duration(n)*100*time.Millisecond
		sent.Frames = append(sent.Frames, person.Coded{At: at, Bytes: 1000, Key: n == 0})
		if n < 30 {
			pictures.Packet(at, stamp.Stamp{Frame: n, Needs: max(n, 1) - 1, Count: 1, At: at}, n == 0, 640, 360, 1000)
		}
	}
	spurts := []player.Span{{At: start, For: 500 * player.FrameTime}}
	sent.Spurts = spurts
	r.People[1] = &person.Report{Pictures: map[uint16]*player.Pictures{2: pictures}, Sent: person.Sent{Spurts: spurts}}
	r.People[2] = &person.Report{Sound: map[uint16]*player.Sound{1: sound}, Sent: sent}
	return r
}

func TestMeasures(t *testing.T) {
	r := call()
	const to = 10 * time.Second
	all := r.pairs()
	seen := []pair{{1, 2}}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"lost sound", r.lostSound(all, 0, to), 50},
		{"gaps", float64(r.gaps(all, 0, to)), 1},
		{"silence", r.silence(all, 0, to), 10_000},
		{"gap share", r.gapShare(all, 0, to), 50},
		{"lost pictures", r.lostPictures(seen, 0, to), 70},
		{"freeze", r.freeze(seen, 0, to), 7_100},
		{"rate", r.rate(seen, 0, 3*time.Second), 80},
		{"fps", r.fps(seen[0], 0, 3*time.Second), 10},
		{"lines", r.lines(seen, 0, to), 360},
		{"keyframes", float64(r.keyframes(0, to)), 1},
		{"streams", r.streams(0, to), 1},
		{"rate that never comes back", r.backAfter(seen, 5*time.Second, 5*time.Second, to, 0.8), math.NaN()},
	} {
		if math.Abs(c.got-c.want) > 0.01 || math.IsNaN(c.got) != math.IsNaN(c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}
