package rate

import (
	"testing"
	"time"
)

// FuzzPacer keeps the budget: whatever is asked, not more leaves than the rate and one depth allow, in order, and
// nothing that is older than 250 ms after it was looked for.
func FuzzPacer(f *testing.F) {
	f.Add([]byte{1, 200, 3, 255, 9, 9, 9, 100, 2, 2, 2})
	f.Fuzz(func(t *testing.T, moves []byte) {
		now := time.Unix(100, 0)
		begin := now
		var p Pacer[int]
		var way Gate
		p.Set(now, Mbit)
		way.Set(2 * Mbit)
		left, next, oldest := 0, 0, 0
		for _, m := range moves {
			size := 100 + int(m)*5
			switch m % 5 {
			case 0:
				now = now.Add(time.Duration(m) * time.Millisecond)
			case 1, 2:
				if p.May(now, size, nil) {
					left += size
				} else if p.Hold(now, size, next) {
					next++
				} else if n, _ := p.Len(); n != PacerEntries {
					t.Fatal("refused", n)
				}
			case 3:
				for e, ok := p.Expired(now); ok; e, ok = p.Expired(now) {
					if e != oldest {
						t.Fatal("expired", e, "not", oldest)
					}
					oldest++
				}
				_, before := p.Len()
				if e, ok := p.Next(now, &way); ok {
					if e != oldest {
						t.Fatal("sent", e, "not", oldest)
					}
					oldest++
					_, after := p.Len()
					left += before - after
				}
			case 4:
				p.Drop(func(e int) bool { return e == oldest })
				if oldest < next {
					oldest++
				}
			}
			most := paceFactor*bytesIn(float64(Mbit), now.Sub(begin)) + p.bucket.depth() + 100 + 255*5
			if float64(left) > most {
				t.Fatalf("%d bytes have left, of at most %.0f", left, most)
			}
			if n, bytes := p.Len(); n != next-oldest || n == 0 && bytes != 0 {
				t.Fatalf("%d wait with %d bytes, want %d", n, bytes, next-oldest)
			}
		}
	})
}

func TestPacer(t *testing.T) {
	now := time.Unix(100, 0)
	var p Pacer[int]
	if p.May(now, 1600, nil); p.May(now, 1200, nil) {
		t.Fatal("more than a packet leaves without a share")
	}
	p.Set(now, 800*Kbit) // 150 bytes a millisecond, and 4,500 at once
	now = now.Add(time.Second)
	n := 0
	for p.May(now, 1000, nil) {
		n++
	}
	if n != 5 {
		t.Fatalf("%d packets left at once", n)
	}
	for i := range 10 {
		p.Hold(now, 1000, i)
	}
	if p.May(now.Add(100*time.Millisecond), 1000, nil) {
		t.Fatal("a packet has overtaken")
	}
	if w := p.Wait(now); w <= 0 || w > 10*time.Millisecond {
		t.Fatal("waits", w)
	}
	sent := 0
	for range 40 { // 200 ms are 30,000 bytes
		now = now.Add(5 * time.Millisecond)
		for _, ok := p.Next(now, nil); ok; _, ok = p.Next(now, nil) {
			sent++
		}
	}
	if sent != 10 {
		t.Fatalf("%d have left", sent)
	}
	for range 30 {
		p.Pass(now, 1000, nil)
	}
	if w := p.Wait(now); w != time.Hour {
		t.Fatal("nothing waits, and in", w)
	}
	p.Hold(now, 1000, 77)
	if w := p.Wait(now); w < 25*time.Millisecond || w > 31*time.Millisecond {
		t.Fatal("sound stops pictures for", w)
	}
	if e, ok := p.Expired(now.Add(paceAge)); ok {
		t.Fatal("too early", e)
	}
	if e, ok := p.Expired(now.Add(paceAge + 1)); !ok || e != 77 {
		t.Fatal(e, ok)
	}
	for i := range PacerEntries {
		if !p.Hold(now, 10, i) {
			t.Fatal("full at", i)
		}
	}
	if p.Hold(now, 10, 0) {
		t.Fatal("never full")
	}
	if n := p.Drop(func(i int) bool { return i%2 == 0 }); n != PacerEntries/2 {
		t.Fatal("dropped", n)
	}
	if n, bytes := p.Len(); n != PacerEntries/2 || bytes != 10*PacerEntries/2 {
		t.Fatal(n, bytes)
	}
	if e, ok := p.Next(now.Add(time.Second), nil); !ok || e != 1 {
		t.Fatal(e, ok)
	}
}

func TestTheWayHoldsAPacerBack(t *testing.T) {
	now := time.Unix(100, 0)
	var p Pacer[int]
	var way Gate
	p.Set(now, 10*Mbit)
	way.Set(400 * Kbit)
	for way.Has(now) {
		way.Pass(now, 1000) // 20 ms
	}
	p.Hold(now, 1000, 1)
	now = now.Add(time.Millisecond)
	if _, ok := p.Next(now, &way); ok {
		t.Fatal("the way is full")
	}
	if _, ok := p.Next(now.Add(10*time.Millisecond), &way); !ok {
		t.Fatal("the way has room")
	}
}

// TestAGateOutlivesAClockThatIsSetBack: it closes for a few milliseconds only, and a burst of sound does not close it
// for long.
func TestAGateOutlivesAClockThatIsSetBack(t *testing.T) {
	now := time.Unix(1000, 0)
	var way Gate
	way.Set(Mbit)
	for range 100 {
		way.Pass(now, 1000)
	}
	if way.Has(now) || !way.Has(now.Add(gateMost)) {
		t.Error("after a burst")
	}
	now = now.Add(-time.Hour)
	if !way.Has(now) {
		t.Error("closed by a packet of an hour later")
	}
	for range 3 {
		way.Pass(now, 1000)
	}
	if way.Has(now) || !way.Has(now.Add(10*time.Millisecond)) {
		t.Error("after three packets")
	}
}
