package forward

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// reported returns the sequence numbers that the report lists as arrived.
func reported(tb testing.TB, packets []rtcp.Packet) (numbers []uint16) {
	tb.Helper()
	for _, p := range packets {
		f := p.(*rtcp.TransportLayerCC)
		n := f.BaseSequenceNumber
		left := int(f.PacketStatusCount)
		add := func(symbol uint16) {
			if left == 0 {
				return
			}
			if symbol != rtcp.TypeTCCPacketNotReceived {
				numbers = append(numbers, n)
			}
			n++
			left--
		}
		for _, c := range f.PacketChunks {
			switch c := c.(type) {
			case *rtcp.RunLengthChunk:
				for range c.RunLength {
					add(c.PacketStatusSymbol)
				}
			case *rtcp.StatusVectorChunk:
				for _, s := range c.SymbolList {
					add(s)
				}
			}
		}
	}
	return numbers
}

func TestArrivalsAreReported(t *testing.T) {
	var a arrivals
	now := time.Now()
	if len(a.transportFeedback()) != 0 {
		t.Error("a report of nothing")
	}
	for _, n := range []uint16{65534, 65535, 1, 0, 1, 5} {
		a.record(1, n, time.Second, now)
	}
	if got := reported(t, a.transportFeedback()); len(got) != 5 || got[0] != 65534 || got[4] != 5 {
		t.Errorf("%v", got)
	}
	if len(a.transportFeedback()) != 0 {
		t.Error("reported twice")
	}
}

func TestLeapsOfArrivalsAreBounded(t *testing.T) {
	var a arrivals
	now := time.Now()
	a.record(1, 0, time.Second, now)
	for i := range uint16(100) {
		a.record(1, 20_000+200*i, time.Second, now)
	}
	a.record(1, 2, time.Second, now)
	if got := reported(t, a.transportFeedback()); len(got) != 2 || got[1] != 2 {
		t.Errorf("%v", got)
	}
	// Each of these leaps is allowed alone; together they are too many.
	for range 1000 {
		a.record(1, a.newest+100, time.Second, now)
	}
	if got := len(reported(t, a.transportFeedback())); got == 0 || got > maxTransportLeaps/99+1 {
		t.Errorf("%d leaps were taken", got)
	}
}

// TestArrivalsGoOnAfterALeap: numbers that go on from a far-away value are recorded again.
func TestArrivalsGoOnAfterALeap(t *testing.T) {
	var a arrivals
	now := time.Now()
	a.record(1, 0, time.Second, now)
	a.transportFeedback()
	now = now.Add(2 * renewRecorder)
	for n := range uint16(10) {
		a.record(1, 20_000+n, 3*time.Second, now)
	}
	if got := reported(t, a.transportFeedback()); len(got) != 9 || got[0] != 20_001 {
		t.Errorf("%v", got)
	}
}

// TestArrivalsCostTheSame: leaps cost a little more than numbers in order, not 450 times as much.
func TestArrivalsCostTheSame(t *testing.T) {
	cost := func(step uint16) time.Duration {
		best := time.Hour
		for range 5 {
			var a arrivals
			now := time.Now()
			n := uint16(0)
			for range 20_000 {
				a.record(1, n, time.Second, now)
				n += step
			}
			best = min(best, time.Since(now))
		}
		return best
	}
	inOrder := cost(1)
	for _, step := range []uint16{32_766, 32_768, 40_000, 1000, 4000} {
		if leaping := cost(step); leaping > 10*inOrder+time.Millisecond {
			t.Errorf("leaps of %d: %v, in order %v", step, leaping, inOrder)
		}
	}
}
