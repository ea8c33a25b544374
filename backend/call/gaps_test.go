package call

import (
	"slices"
	"testing"
	"time"
)

func TestGapsAreAskedForAtOnceAndAgain(t *testing.T) {
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
	due, _ := g.due(nil, now, 0)
	if want := []uint16{65535, 0, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked for %v, want %v", due, want)
	}
	if due, _ := g.due(nil, now, 0); len(due) != 0 {
		t.Fatalf("asked again at once for %v", due)
	}
	g.received(0, now) // a retransmission
	now = now.Add(minGapRetry)
	due, _ = g.due(nil, now, 0)
	if want := []uint16{65535, 1}; !slices.Equal(due, want) {
		t.Fatalf("asked again for %v, want %v", due, want)
	}
	roundTrip := 200 * time.Millisecond
	now = now.Add(minGapRetry)
	g.due(nil, now, roundTrip)
	if due, _ := g.due(nil, now.Add(roundTrip), roundTrip); len(due) != 0 {
		t.Fatalf("asked after one round trip for %v", due)
	}
	if due, _ := g.due(nil, now.Add(roundTrip*3/2), roundTrip); len(due) != 2 {
		t.Fatalf("after one and a half for %v", due)
	}
}

func TestGapsAreGivenUp(t *testing.T) {
	var g gaps
	now := time.Now()
	g.received(1, now)
	g.received(3, now)
	asked := 0
	for range 100 {
		due, abandoned := g.due(nil, now, 0)
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
	if due, _ := g.due(nil, now, 0); len(due) != 0 {
		t.Fatalf("asked for %v", due)
	}
}
