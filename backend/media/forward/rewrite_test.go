package forward

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
)

// video returns an input packet for tests of the rewriter.
func video(sequence uint16, timestamp uint32, picture uint16, tl0 uint8) *packet {
	return &packet{
		sequence: sequence, timestamp: timestamp,
		vp8: vp8.Descriptor{HasPicture: true, LongPicture: true, Picture: picture, HasTL0: true, TL0: tl0},
	}
}

func rewriteOK(t *testing.T, r *rewriter, p *packet) rewritten {
	t.Helper()
	out, ok := r.rewrite(p)
	if !ok {
		t.Fatalf("packet %d was refused", p.sequence)
	}
	r.sent(p, out)
	return out
}

func TestFirstStretchKeepsNumbers(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	p := video(65534, 1000, 0x7ffe, 254)
	r.begin(p, 0)
	for i := range 6 { // across the wrap of everything
		p := video(65534+uint16(i), 1000+3000*uint32(i), (0x7ffe+uint16(i))&0x7fff, 254+uint8(i))
		out := rewriteOK(t, &r, p)
		if out.sequence != p.sequence || out.timestamp != p.timestamp ||
			out.picture != p.vp8.Picture || out.tl0 != p.vp8.TL0 {
			t.Fatalf("packet %d became %+v", p.sequence, out)
		}
	}
}

func TestSwitchContinuesEverything(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	a := video(65535, 0xffffff00, 0x7fff, 255)
	r.begin(a, 0)
	rewriteOK(t, &r, a)
	b := video(17, 42, 5, 3) // another sender
	r.end()
	if _, ok := r.rewrite(b); ok {
		t.Fatal("a packet between two stretches was let through")
	}
	r.begin(b, 100*time.Millisecond)
	out := rewriteOK(t, &r, b)
	var stamp uint32 = 0xffffff00
	if want := (rewritten{sequence: 0, timestamp: stamp + 9000, picture: 0, tl0: 0}); out != want {
		t.Fatalf("got %+v, want %+v", out, want)
	}
	out = rewriteOK(t, &r, video(18, 42+3000, 6, 4))
	if want := (rewritten{sequence: 1, timestamp: stamp + 12000, picture: 1, tl0: 1}); out != want {
		t.Fatalf("got %+v, want %+v", out, want)
	}
}

func TestSwitchAlwaysAdvancesTime(t *testing.T) {
	r := rewriter{clockRate: codec.AudioClockRate}
	a := &packet{sequence: 1, timestamp: 5000}
	r.begin(a, 0)
	rewriteOK(t, &r, a)
	b := &packet{sequence: 1, timestamp: 5000}
	r.end()
	r.begin(b, 0)
	if out := rewriteOK(t, &r, b); out.timestamp != 5001 || out.sequence != 2 {
		t.Fatalf("got %+v", out)
	}
}

func TestLossAndReorderingStayVisible(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	first := video(100, 0, 10, 0)
	r.begin(first, 0)
	rewriteOK(t, &r, first)
	for _, n := range []uint16{103, 101, 105, 104} { // 102 is lost
		if out := rewriteOK(t, &r, video(n, 0, 10, 0)); out.sequence != n {
			t.Fatalf("%d became %d", n, out.sequence)
		}
	}
	if _, ok := r.rewrite(video(99, 0, 9, 0)); ok {
		t.Fatal("a packet from before the beginning was let through")
	}
	// After another switch, numbering continues after the highest number, not the last.
	next := video(7, 0, 1, 0)
	r.end()
	r.begin(next, time.Second)
	if out := rewriteOK(t, &r, next); out.sequence != 106 || out.picture != 11 {
		t.Fatalf("got %+v", out)
	}
}

func TestOldPacketsAreRefusedAfterAWrap(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	first := video(0, 0, 0, 0)
	r.begin(first, 0)
	for i := range 100_000 {
		n := uint16(i)
		if out := rewriteOK(t, &r, video(n, 0, 0, 0)); out.sequence != n {
			t.Fatalf("%d became %d", n, out.sequence)
		}
	}
	if in, ok := r.source(uint16(99_999 % 65536)); !ok || in != uint16(99_999%65536) {
		t.Fatalf("source: %d %v", in, ok)
	}
}

func TestSourceFindsOnlyTheRunningStretch(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	if _, ok := r.source(1); ok {
		t.Fatal("a NACK was answered before anything was sent")
	}
	a := video(10, 0, 0, 0)
	r.begin(a, 0)
	for n := uint16(10); n < 20; n++ {
		rewriteOK(t, &r, video(n, 0, 0, 0))
	}
	b := video(60000, 0, 0, 0)
	r.end()
	if _, ok := r.source(15); ok {
		t.Fatal("a NACK was answered while nothing runs")
	}
	r.begin(b, 0)
	rewriteOK(t, &r, b) // is sent as 20
	for out, want := range map[uint16]bool{19: false, 20: true, 21: false, 10: false} {
		in, ok := r.source(out)
		if ok != want || ok && in != 60000 {
			t.Errorf("source(%d) = %d, %v", out, in, ok)
		}
	}
}

func TestAgainAgreesWithRewrite(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	warm := video(1000, 0, 7, 9)
	r.begin(warm, 0)
	rewriteOK(t, &r, warm)
	r.end()
	first := video(65500, 90000, 0x7ff0, 250)
	r.begin(first, time.Second)
	sent := make(map[uint16]rewritten)
	for i := range 200 {
		p := video(65500+uint16(i), 90000+uint32(i)*1500, (0x7ff0+uint16(i)/2)&0x7fff, 250+uint8(i/2))
		sent[p.sequence] = rewriteOK(t, &r, p)
	}
	for i := range 200 {
		p := video(65500+uint16(i), 90000+uint32(i)*1500, (0x7ff0+uint16(i)/2)&0x7fff, 250+uint8(i/2))
		if got := r.again(p); got != sent[p.sequence] {
			t.Fatalf("%d: first %+v, again %+v", p.sequence, sent[p.sequence], got)
		}
		if in, ok := r.source(sent[p.sequence].sequence); !ok || in != p.sequence {
			t.Fatalf("source(%d) = %d, %v", sent[p.sequence].sequence, in, ok)
		}
	}
}

func TestShortPictureIDsGrowToLongOnes(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	first := video(1, 0, 1000, 0)
	r.begin(first, 0)
	rewriteOK(t, &r, first)
	r.end()
	short := func(i int) *packet {
		p := video(uint16(i), uint32(i), uint16(120+i)&0x7f, 0)
		p.vp8.LongPicture = false
		return p
	}
	r.begin(short(0), 0)
	for i := range 400 {
		if out := rewriteOK(t, &r, short(i)); out.picture != uint16(1001+i) {
			t.Fatalf("frame %d: picture %d", i, out.picture)
		}
	}
	// With 15-bit ids again, the output ids go on.
	long := video(9, 0, 3, 0)
	r.end()
	r.begin(long, 0)
	if out := rewriteOK(t, &r, long); out.picture != 1401 {
		t.Fatalf("picture %d", out.picture)
	}
}

func TestReplayEndsAtTheNewestFrame(t *testing.T) {
	r := rewriter{clockRate: codec.VideoClockRate}
	warm := video(1, 1_000_000, 1, 1)
	r.begin(warm, 0)
	rewriteOK(t, &r, warm)
	r.end()

	frames := []uint32{5000, 8000, 11000, 14000}
	first := video(50, frames[0], 70, 70)
	r.beginReplay(first, frames, 100*time.Millisecond)
	base := uint32(1_000_000 + 9000)
	for i, in := range frames {
		out := rewriteOK(t, &r, video(50+uint16(i), in, 70+uint16(i), 70+uint8(i)))
		if want := base + uint32(i)*replayStep; out.timestamp != want {
			t.Errorf("frame %d: timestamp %d, want %d", i, out.timestamp, want)
		}
	}
	// Later packets keep their distance to the newest.
	out := rewriteOK(t, &r, video(54, 17000, 74, 74))
	if want := base + 3*replayStep + 3000; out.timestamp != want {
		t.Errorf("next frame: timestamp %d, want %d", out.timestamp, want)
	}
	// A retransmission of a replayed frame has the same timestamp as the first time.
	if out := r.again(video(51, frames[1], 71, 71)); out.timestamp != base+replayStep {
		t.Errorf("again: timestamp %d", out.timestamp)
	}
}

// TestOutputIsUnbroken switches at random between senders that lose and reorder packets, and checks the output as a
// receiver would.
func TestOutputIsUnbroken(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := rewriter{clockRate: codec.VideoClockRate}
	var last rewritten
	begun := false
	for range 500 {
		sequence, stamp := uint16(random.Uint32()), random.Uint32()
		picture, tl0 := uint16(random.Uint32())&0x7fff, uint8(random.Uint32())
		hidden := 0 // packets the sender's network has lost since the last one
		for i := range 1 + random.IntN(300) {
			p := video(sequence, stamp, picture, tl0)
			sequence, stamp = sequence+1, stamp+3000
			picture, tl0 = (picture+1)&0x7fff, tl0+1
			if i > 0 && random.IntN(10) == 0 {
				hidden++
				continue
			}
			if i == 0 {
				r.end()
				r.begin(p, time.Duration(random.IntN(1000))*time.Millisecond)
			}
			out := rewriteOK(t, &r, p)
			if step := out.sequence - last.sequence; begun && step != uint16(hidden+1) {
				t.Fatalf("sequence number advanced by %d with %d lost", step, hidden)
			}
			if begun && int32(out.timestamp-last.timestamp) <= 0 {
				t.Fatalf("timestamp went from %d to %d", last.timestamp, out.timestamp)
			}
			if step := (out.picture - last.picture) & 0x7fff; begun && step != uint16(hidden+1) {
				t.Fatalf("picture id advanced by %d with %d lost", step, hidden)
			}
			if step := out.tl0 - last.tl0; begun && step != uint8(hidden+1) {
				t.Fatalf("TL0PICIDX advanced by %d with %d lost", step, hidden)
			}
			last, begun, hidden = out, true, 0
		}
	}
}
