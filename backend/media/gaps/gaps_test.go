package gaps

import (
	"slices"
	"testing"
	"time"
)

func TestGapsAreAskedForOnceTheyAreMoreThanLate(t *testing.T) {
	const roundTrip = 20 * time.Millisecond
	for name, c := range map[string]struct {
		arrive []uint16 // the packets that arrive after number 10
		after  time.Duration
		want   []uint16
	}{
		"one has overtaken it":           {[]uint16{12}, 0, nil},
		"one, and a quarter round trip":  {[]uint16{12}, roundTrip / 4, []uint16{11}},
		"two have overtaken it":          {[]uint16{12, 13}, 0, []uint16{11}},
		"the same one twice":             {[]uint16{12, 12}, 0, nil},
		"it comes late":                  {[]uint16{12, 11, 13}, roundTrip, nil},
		"of two holes the older":         {[]uint16{12, 14}, 0, []uint16{11}},
		"what was late has overtaken it": {[]uint16{13, 12}, 0, []uint16{11}},
	} {
		var g Gaps
		now := time.Now()
		g.Received(10, now)
		for _, n := range c.arrive {
			g.Received(n, now)
		}
		due, _ := g.Due(nil, now.Add(c.after), roundTrip)
		if !slices.Equal(due, c.want) {
			t.Errorf("%s: asked for %v, want %v", name, due, c.want)
		}
		fresh := 0
		for _, m := range g.missing {
			if m.tries == 0 {
				fresh++
			}
		}
		if g.fresh != fresh {
			t.Errorf("%s: %d are new, counted %d", name, fresh, g.fresh)
		}
	}
	if got := reorder(time.Second); got != MaxReorder {
		t.Errorf("waits for %v on a long way", got)
	}
}

func TestGapsAreAskedForAgain(t *testing.T) {
	var g Gaps
	now := time.Now()
	for _, n := range []uint16{65533, 65534} {
		if opened, broken := g.Received(n, now); opened || broken {
			t.Fatalf("%d: %v %v", n, opened, broken)
		}
	}
	if opened, _ := g.Received(2, now); !opened {
		t.Fatal("the gap was not seen")
	}
	g.Received(3, now)
	const short = time.Millisecond
	due, _ := g.Due(nil, now, short)
	if want := []uint16{65535, 0, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked for %v, want %v", due, want)
	}
	if due, _ := g.Due(nil, now, short); len(due) != 0 {
		t.Fatalf("asked again at once for %v", due)
	}
	g.Received(0, now) // a retransmission
	now = now.Add(minGapRetry)
	due, _ = g.Due(nil, now, short)
	if want := []uint16{65535, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked again for %v, want %v", due, want)
	}
	roundTrip := 200 * time.Millisecond
	now = now.Add(minGapRetry)
	g.Due(nil, now, roundTrip)
	if due, _ := g.Due(nil, now.Add(roundTrip), roundTrip); len(due) != 0 {
		t.Fatalf("asked after one round trip for %v", due)
	}
	now = now.Add(roundTrip * 3 / 2)
	if due, _ := g.Due(nil, now, 0); len(due) != 2 {
		t.Fatalf("after one and a half for %v", due)
	}
	if due, _ := g.Due(nil, now.Add(unknownRoundTrip), 0); len(due) != 0 {
		t.Fatalf("asked too soon on a way of unknown length for %v", due)
	}
}

func TestGapsAreGivenUp(t *testing.T) {
	var g Gaps
	now := time.Now()
	g.Received(1, now)
	g.Received(3, now)
	asked := 0
	now = now.Add(MaxReorder)
	for range 100 {
		due, abandoned := g.Due(nil, now, time.Millisecond)
		asked += len(due)
		if abandoned {
			if asked != maxGapTries {
				t.Errorf("asked %d times", asked)
			}
			if due, abandoned := g.Due(nil, now, 0); len(due) > 0 || abandoned {
				t.Error("given up, but not forgotten")
			}
			return
		}
		now = now.Add(minGapRetry)
	}
	t.Fatal("never given up")
}

func TestLongGapsAreBroken(t *testing.T) {
	var g Gaps
	now := time.Now()
	g.Received(1, now)
	g.Received(10, now)
	if _, broken := g.Received(1000, now); !broken {
		t.Fatal("not broken")
	}
	if due, abandoned := g.Due(nil, now, 0); len(due) > 0 || abandoned {
		t.Fatalf("%v %v", due, abandoned)
	}
	if opened, broken := g.Received(1001, now); opened || broken {
		t.Fatal("it does not go on")
	}
}

func TestReorderedPacketsCloseTheirGap(t *testing.T) {
	var g Gaps
	now := time.Now()
	for _, n := range []uint16{10, 13, 12, 11, 9, 13} {
		g.Received(n, now)
	}
	if due, _ := g.Due(nil, now.Add(time.Second/2), 0); len(due) != 0 || g.fresh != 0 {
		t.Fatalf("asked for %v", due)
	}
}

// Sound that comes after its time is of no use, and is not asked for again.
func TestSoundIsAskedForAsLongAsItIsOfUse(t *testing.T) {
	for _, c := range []struct {
		roundTrip time.Duration
		want      int
	}{{20 * time.Millisecond, 8}, {100 * time.Millisecond, 2}, {200 * time.Millisecond, 1}, {400 * time.Millisecond, 1}} {
		g := Gaps{Patience: 250 * time.Millisecond}
		now := time.Now()
		g.Received(1, now)
		g.Received(3, now)
		asked := 0
		for range 200 {
			now = now.Add(5 * time.Millisecond)
			due, _ := g.Due(nil, now, c.roundTrip)
			asked += len(due)
		}
		if asked != c.want || len(g.missing) != 0 || g.fresh != 0 {
			t.Errorf("round trip %v: asked %d times, want %d; %d are missing", c.roundTrip, asked, c.want, len(g.missing))
		}
	}
}
