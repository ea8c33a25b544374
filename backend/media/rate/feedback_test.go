package rate_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/rate/ratetest"
)

// pions reads a feedback with Pion. strict reports that nothing in it is left to the reader: no reserved symbol, nothing
// received past the count, and no padding.
func pions(raw []byte) (all []rate.Told, strict bool, err error) {
	var p rtcp.TransportLayerCC
	if err := p.Unmarshal(raw); err != nil {
		return nil, false, err
	}
	strict = !p.Header.Padding
	var symbols []uint16
	for _, c := range p.PacketChunks {
		switch c := c.(type) {
		case *rtcp.RunLengthChunk:
			n := min(int(c.RunLength), int(p.PacketStatusCount)-len(symbols))
			symbols = append(symbols, slices.Repeat([]uint16{c.PacketStatusSymbol}, n)...)
		case *rtcp.StatusVectorChunk:
			symbols = append(symbols, c.SymbolList...)
		}
	}
	at := time.Duration(0)
	for i, s := range symbols {
		if s == 3 || i >= int(p.PacketStatusCount) && s != 0 {
			strict = false
		}
		if i >= int(p.PacketStatusCount) {
			continue
		}
		if s == 1 || s == 2 {
			at += time.Duration(p.RecvDeltas[0].Delta) * time.Microsecond
			p.RecvDeltas = p.RecvDeltas[1:]
			all = append(all, rate.Told{p.BaseSequenceNumber + uint16(i), at, true})
		} else {
			all = append(all, rate.Told{p.BaseSequenceNumber + uint16(i), 0, false})
		}
	}
	return all, strict, nil
}

func FuzzFeedback(f *testing.F) {
	some := func(number int64) (time.Duration, bool) {
		return time.Duration(number) * 3 * time.Millisecond, number%5 != 0
	}
	f.Add(ratetest.Feedback(nil, 65530, 65560, 7, some))
	f.Add(ratetest.Feedback(nil, 1, 400, 0, func(int64) (time.Duration, bool) { return time.Second, true }))
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 0})
	f.Add([]byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0, 0})
	f.Add([]byte{0xaf, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0x20, 1, 4, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := rate.ReadFeedback(raw)
		other, strict, pionErr := pions(raw)
		switch {
		case err != nil && pionErr == nil && strict && len(other) > 0 && len(other) <= rate.MaxStatuses:
			t.Fatalf("Pion reads %d numbers, and we do not: %v", len(other), err)
		case err == nil && pionErr == nil && !slices.Equal(all, other):
			t.Fatalf("we read %v, and Pion %v", all, other)
		}
		// An estimator takes it, whatever it is.
		e := rate.NewEstimator(300 * rate.Kbit)
		now := time.Unix(1, 0)
		base := uint16(0)
		if len(raw) > 14 {
			base = binary.BigEndian.Uint16(raw[12:])
		}
		sent := 0
		for i := range uint16(200) {
			now = now.Add(10 * time.Millisecond)
			e.Sent(now, base+i, 1000, 0)
			sent += 1000
			if i%40 == 39 {
				if got := e.Feedback(now, raw); (got == nil) != (err == nil) {
					t.Fatalf("Feedback says %v, and the reader %v", got, err)
				}
				e.Want(10 * rate.Mbit)
				e.Tick(now)
			}
		}
		if c := e.Capacity(); c < rate.Floor || c > 2*800*rate.Kbit {
			t.Fatalf("at 800 kbit/s the estimate is %d bit/s", c)
		}
	})
}

func TestFeedbackOfABrowser(t *testing.T) {
	raw := ratetest.Feedback(nil, 65534, 65540, 1, func(n int64) (time.Duration, bool) {
		return time.Second + time.Duration(n-65534)*10*time.Millisecond, n != 65536
	})
	all, err := rate.ReadFeedback(raw)
	if err != nil || len(all) != 7 {
		t.Fatal(all, err)
	}
	for i, p := range all {
		want := rate.Told{uint16(65534 + i), 40*time.Millisecond + time.Duration(i)*10*time.Millisecond, true} // 1 s is 15 × 64 + 40 ms
		if i == 2 {
			want = rate.Told{0, 0, false}
		}
		if p != want {
			t.Errorf("%v, want %v", p, want)
		}
	}
	for n := range raw {
		if _, err := rate.ReadFeedback(raw[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are a feedback", n, len(raw))
		}
	}
}
