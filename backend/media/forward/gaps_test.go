package forward

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
		var g gaps
		now := time.Now()
		g.received(10, now)
		for _, n := range c.arrive {
			g.received(n, now)
		}
		due, _ := g.due(nil, now.Add(c.after), roundTrip)
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
	if got := reorder(time.Second); got != maxGapReorder {
		t.Errorf("waits for %v on a long way", got)
	}
}

func TestGapsAreAskedForAgain(t *testing.T) {
	var g gaps
	now := time.Now()
	for _, n := range []uint16{65533, 65534} {
		if opened, broken := g.received(n, now); opened || broken {
			t.Fatalf("%d: %v %v", n, opened, broken)
		}
	}
	if opened, _ := g.received(2, now); !opened {
		t.Fatal("the gap was not seen")
	}
	g.received(3, now)
	const short = time.Millisecond
	due, _ := g.due(nil, now, short)
	if want := []uint16{65535, 0, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked for %v, want %v", due, want)
	}
	if due, _ := g.due(nil, now, short); len(due) != 0 {
		t.Fatalf("asked again at once for %v", due)
	}
	g.received(0, now) // a retransmission
	now = now.Add(minGapRetry)
	due, _ = g.due(nil, now, short)
	if want := []uint16{65535, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked again for %v, want %v", due, want)
	}
	roundTrip := 200 * time.Millisecond
	now = now.Add(minGapRetry)
	g.due(nil, now, roundTrip)
	if due, _ := g.due(nil, now.Add(roundTrip), roundTrip); len(due) != 0 {
		t.Fatalf("asked after one round trip for %v", due)
	}
	now = now.Add(roundTrip * 3 / 2)
	if due, _ := g.due(nil, now, 0); len(due) != 2 {
		t.Fatalf("after one and a half for %v", due)
	}
	if due, _ := g.due(nil, now.Add(unknownRoundTrip), 0); len(due) != 0 {
		t.Fatalf("asked too soon on a way of unknown length for %v", due)
	}
}

func TestGapsAreGivenUp(t *testing.T) {
	var g gaps
	now := time.Now()
	g.received(1, now)
	g.received(3, now)
	asked := 0
	now = now.Add(maxGapReorder)
	for range 100 {
		due, abandoned := g.due(nil, now, time.Millisecond)
		asked += len(due)
		if abandoned {
			if asked != maxGapTries {
				t.Errorf("asked %d times", asked)
			}
			if due, abandoned := g.due(nil, now, 0); len(due) > 0 || abandoned {
				t.Error("given up, but not forgotten")
			}
			return
		}
		now = now.Add(minGapRetry)
	}
	t.Fatal("never given up")
}

func TestLongGapsAreBroken(t *testing.T) {
	var g gaps
	now := time.Now()
	g.received(1, now)
	g.received(10, now)
	if _, broken := g.received(1000, now); !broken {
		t.Fatal("not broken")
	}
	if due, abandoned := g.due(nil, now, 0); len(due) > 0 || abandoned {
		t.Fatalf("%v %v", due, abandoned)
	}
	if opened, broken := g.received(1001, now); opened || broken {
		t.Fatal("it does not go on")
	}
}

func TestReorderedPacketsCloseTheirGap(t *testing.T) {
	var g gaps
	now := time.Now()
	for _, n := range []uint16{10, 13, 12, 11, 9, 13} {
		g.received(n, now)
	}
	if due, _ := g.due(nil, now.Add(time.Second/2), 0); len(due) != 0 || g.fresh != 0 {
		t.Fatalf("asked for %v", due)
	}
}
