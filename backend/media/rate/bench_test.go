package rate_test

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/rate/ratetest"
)

// BenchmarkPacket is the cost of a packet: sent, and reported with 15 others.
func BenchmarkPacket(b *testing.B) {
	step := packets(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/packet")
}

const batch = 16

// packets returns what sends 16 packets and reports them.
func packets(b testing.TB) (step func()) {
	e := rate.NewEstimator(rate.Mbit)
	e.Want(10 * rate.Mbit)
	now := time.Unix(1, 0)
	number := int64(0)
	var raw []byte
	step = func() {
		for range batch {
			now = now.Add(3 * time.Millisecond)
			e.Sent(now, uint16(number), 1200, 0)
			number++
		}
		raw = ratetest.Feedback(raw[:0], number-batch, number-1, 0, func(n int64) (time.Duration, bool) {
			return time.Duration(n) * 3 * time.Millisecond, true
		})
		if err := e.Feedback(now.Add(20*time.Millisecond), raw); err != nil {
			b.Fatal(err)
		}
	}
	for range 1000 {
		step()
	}
	return step
}

// BenchmarkPacer is the cost of a packet that waits.
func BenchmarkPacer(b *testing.B) {
	var p rate.Pacer[[40]byte]
	var way rate.Gate
	now := time.Unix(1, 0)
	p.Set(now, 10*rate.Mbit)
	way.Set(20 * rate.Mbit)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		if !p.May(now, 1200, &way) {
			p.Hold(now, 1200, [40]byte{1})
		}
		p.Expired(now)
		p.Next(now, &way)
	}
}

// BenchmarkUplink is the cost of a tick with 33 receivers.
func BenchmarkUplink(b *testing.B) {
	u := rate.NewUplink(10 * rate.Mbit)
	now := time.Unix(1, 0)
	for range 33 {
		e := rate.NewEstimator(rate.Mbit)
		e.Want(3 * rate.Mbit)
		u.Join(e)
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(50 * time.Millisecond)
		u.Tick(now)
		u.Probe(now)
	}
}

// TestNothingIsAllocated per packet, nor per report.
func TestNothingIsAllocated(t *testing.T) {
	if n := testing.AllocsPerRun(1000, packets(t)); n != 0 {
		t.Errorf("%g allocations for %d packets", n, batch)
	}
}
