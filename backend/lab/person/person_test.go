package person

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/lab/clip"
	"github.com/porch-call/porch/backend/lab/link"
	"github.com/porch-call/porch/backend/lab/stamp"
)

// TestPacketsOfAFrame puts a frame into packets and finds it again.
func TestPacketsOfAFrame(t *testing.T) {
	data := make([]byte, 5000)
	copy(data, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}) // 640 × 360
	p := pictures{number: 3}
	for n, key := range []bool{true, false} {
		if !key {
			data[0] |= 1
		}
		got := 0
		packets := p.packets(clip.Frame{Data: data, Key: key, Width: 640, Height: 360}, time.Second, 90_000)
		for i, packet := range packets {
			m, ok := stamp.Read(packet.Payload)
			if !ok || m.Sender != 3 || m.Frame != uint32(n) || int(m.Index) != i || int(m.Count) != len(packets) || m.Needs != 0 {
				t.Fatalf("stamp %+v", m)
			}
			if packet.Marker != (i == len(packets)-1) || len(packet.Payload) > packetSize {
				t.Errorf("packet %d: marker %v, %d bytes", i, packet.Marker, len(packet.Payload))
			}
			isKey, width, height := keyframe(packet.Payload)
			if isKey != (key && i == 0) || isKey && (width != 640 || height != 360) {
				t.Errorf("packet %d: keyframe %v, %d × %d", i, isKey, width, height)
			}
			got += len(packet.Payload) - descriptor - stamp.Size
		}
		if got != len(data) {
			t.Errorf("%d bytes of %d", got, len(data))
		}
	}
	for _, b := range [][]byte{nil, {0x10}, {0x90, 0xff}, {0x90, 0xff, 0x80}} {
		if key, _, _ := keyframe(b); key {
			t.Errorf("a keyframe in %x", b)
		}
	}
}

// TestTheEstimateFollowsTheLine sends over a line of 1 Mbit/s, first half of that, then as much as is estimated.
func TestTheEstimateFollowsTheLine(t *testing.T) {
	const size, capacity = 1000, 1_000_000
	d := link.NewDirection(link.Params{Rate: capacity, Queue: 500 * time.Millisecond}, 1)
	var e estimator
	rate, next := 500_000.0, time.Duration(0)
	var sent []time.Duration
	for now := time.Duration(0); now < 30*time.Second; now += time.Millisecond {
		if now >= next {
			next += time.Duration(size * 8 / rate * float64(time.Second))
			b := make([]byte, size)
			b[0], b[9] = 0x45, 17
			sent = append(sent, now)
			b[30], b[31] = byte(len(sent)>>8), byte(len(sent))
			d.Push(now, b)
		}
		for p := d.Pop(now); p != nil; p = d.Pop(now) {
			n := (int(p[30])<<8 | int(p[31])) - 1
			e.packet(now+time.Hour, uint32(sent[n]<<18/time.Second)&0xffffff, len(p))
			if estimate, due := e.due(now + time.Hour); due && now > 5*time.Second {
				rate = float64(estimate)
			}
		}
		if now == 5*time.Second && (e.rate < 300_000 || e.rate > 800_000) {
			t.Errorf("at half of the capacity: %.0f bit/s", e.rate)
		}
	}
	if e.rate < 0.6*capacity || e.rate > 1.3*capacity {
		t.Errorf("at the end: %.0f bit/s", e.rate)
	}
}

func TestTalkHasPauses(t *testing.T) {
	talk := newTalk(TalkWords, 5)
	voice, onsets := 0, 0
	for n := range 50 * 120 {
		v, onset, muted := talk.at(0, time.Duration(n)*20*time.Millisecond)
		if muted || onset && !v {
			t.Fatal("a word begins in silence")
		}
		if v {
			voice++
		}
		if onset {
			onsets++
		}
	}
	if onsets < 12 || onsets > 40 || voice < 50*120/6 || voice > 50*120*2/3 {
		t.Errorf("in two minutes %d sentences, %d frames with a voice", onsets, voice)
	}
}

// TestTurnsOverlap: of ten who talk in turns, two or three speak at a time, and each begins every five seconds.
func TestTurnsOverlap(t *testing.T) {
	var talks []*talk
	for n := range 10 {
		talks = append(talks, newTalk(TalkTurns, uint64(n+1)))
	}
	onsets := 0
	for n := range 50 * 60 {
		at := 1000*time.Hour + time.Duration(n)*20*time.Millisecond
		voices := 0
		for _, x := range talks {
			voice, onset, muted := x.at(at, 0)
			if muted || onset && !voice {
				t.Fatal("a word begins in silence")
			}
			if voice {
				voices++
			}
			if onset {
				onsets++
			}
		}
		if n > 100 && (voices < 2 || voices > 3) {
			t.Fatalf("%d speak at once", voices)
		}
	}
	if onsets < 118 || onsets > 124 {
		t.Errorf("%d begin in a minute", onsets)
	}
}
