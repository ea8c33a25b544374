package frames

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// stream makes the packets of frames with pion's packetiser. TestReceivedVideoBecomesFrames in package capture does it
// with our own.
type stream struct {
	packetiser codecs.VP8Payloader
	seq        uint16
	timestamp  uint32
	n          int
}

// maxPayload is the size of a packet's payload, in bytes.
const maxPayload = 1180

// frame returns the packets of a frame of the given size in bytes, and the frame.
func (s *stream) frame(key bool, size int) ([]*rtp.Packet, []byte) {
	frame := bytes.Repeat([]byte{byte(s.n)}, size)
	frame[0] = 1 // P: not a keyframe
	if key {
		frame[0] = 0
	}
	var packets []*rtp.Packet
	payloads := s.packetiser.Payload(maxPayload, frame)
	for i, payload := range payloads {
		packets = append(packets, &rtp.Packet{
			Header:  rtp.Header{SequenceNumber: s.seq, Timestamp: s.timestamp, Marker: i == len(payloads)-1},
			Payload: payload,
		})
		s.seq++
	}
	s.timestamp += 3000
	s.n++
	return packets, frame
}

// assembly pushes packets at times that the test chooses.
type assembly struct {
	assembler Assembler
	now       time.Duration
	frames    []Frame
	asked     int
}

func (a *assembly) push(packets ...*rtp.Packet) {
	for _, p := range packets {
		var want bool
		a.frames, want = a.assembler.Push(a.now, p, a.frames)
		if want {
			a.asked++
		}
	}
}

func (a *assembly) mustHave(t *testing.T, frames ...[]byte) {
	t.Helper()
	if len(a.frames) != len(frames) {
		t.Fatalf("%d frames, want %d", len(a.frames), len(frames))
	}
	for i := range frames {
		if !bytes.Equal(a.frames[i].Payload, frames[i]) {
			t.Fatalf("frame %d differs", i)
		}
	}
}

func TestAssemblerWholeFrames(t *testing.T) {
	s := &stream{seq: math.MaxUint16 - 3, timestamp: math.MaxUint32 - 5000}
	var a assembly
	var want [][]byte
	for n := range 20 {
		packets, frame := s.frame(n == 0, 1+n*500)
		a.push(packets...)
		want = append(want, frame)
	}
	a.mustHave(t, want...)
	if a.asked != 0 {
		t.Errorf("%d keyframes asked for", a.asked)
	}
	if !a.frames[0].Key || a.frames[1].Key {
		t.Error("keyframes are not told apart")
	}
	for i := 1; i < len(a.frames); i++ {
		if d := a.frames[i].At - a.frames[i-1].At; d < 33*time.Millisecond || d > 34*time.Millisecond {
			t.Errorf("frame %d is %v after its predecessor", i, d)
		}
	}
}

func TestAssemblerAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		s := &stream{seq: uint16(random.Uint32())}
		var a assembly
		first, frame := s.frame(true, 5000)
		want := [][]byte{frame}
		a.push(first...)
		var rest []*rtp.Packet
		for range 10 {
			packets, frame := s.frame(false, 1+random.IntN(5000))
			rest = append(rest, packets...)
			want = append(want, frame)
		}
		random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		a.push(rest...)
		a.push(rest[:5]...) // a second time
		a.mustHave(t, want...)
		if a.asked != 0 {
			t.Errorf("%d keyframes asked for", a.asked)
		}
	}
}

func TestAssemblerBeginsWithAKeyframe(t *testing.T) {
	s := &stream{}
	var a assembly
	for range 3 {
		packets, _ := s.frame(false, 3000)
		a.push(packets[1:]...)
	}
	if a.asked != 1 {
		t.Errorf("%d keyframes asked for at once", a.asked)
	}
	a.now += keyframeRepeat
	packets, _ := s.frame(false, 10)
	a.push(packets...)
	if a.asked != 2 {
		t.Errorf("%d keyframes asked for later", a.asked)
	}
	packets, key := s.frame(true, 9000)
	a.push(packets...)
	packets, after := s.frame(false, 100)
	a.push(packets...)
	a.mustHave(t, key, after)
}

func TestAssemblerWaitsForALatePacket(t *testing.T) {
	s := &stream{}
	var a assembly
	key, keyFrame := s.frame(true, 3000)
	a.push(key...)
	holed, holedFrame := s.frame(false, 3000)
	a.push(holed[0], holed[2])
	next, nextFrame := s.frame(false, 100)
	a.push(next...)
	a.mustHave(t, keyFrame)
	a.now += minPatience - time.Millisecond
	a.push(holed[1]) // a retransmission
	a.mustHave(t, keyFrame, holedFrame, nextFrame)
	if a.asked != 0 {
		t.Errorf("%d keyframes asked for", a.asked)
	}
}

// TestAssemblerWaitsARoundTrip: a packet that was lost on the way from a distant guest arrives a round trip later,
// and is used.
func TestAssemblerWaitsARoundTrip(t *testing.T) {
	for _, c := range []struct {
		roundTrip, repeat time.Duration
		used              bool
	}{
		{0, 149 * time.Millisecond, true}, // unknown
		{0, 150 * time.Millisecond, false},
		{20 * time.Millisecond, 149 * time.Millisecond, true},
		{250 * time.Millisecond, 250 * time.Millisecond, true},
		{250 * time.Millisecond, 424 * time.Millisecond, true}, // the first request was lost
		{250 * time.Millisecond, 425 * time.Millisecond, false},
		{5 * time.Second, 599 * time.Millisecond, true},
		{5 * time.Second, 600 * time.Millisecond, false},
	} {
		for _, lostKey := range []bool{false, true} {
			s := &stream{}
			var a assembly
			a.assembler.Wait(c.roundTrip)
			var want [][]byte
			push := func(key, holed bool) *rtp.Packet {
				packets, frame := s.frame(key, 3000)
				want = append(want, frame)
				if !holed {
					a.push(packets...)
					return nil
				}
				a.push(packets[0], packets[2])
				return packets[1]
			}
			if !lostKey {
				push(true, false)
			}
			lost := push(lostKey, true)
			for at := 33 * time.Millisecond; at < c.repeat; at += 33 * time.Millisecond {
				a.now = at
				push(false, false)
			}
			a.now = c.repeat
			if c.used {
				a.push(lost)
				a.mustHave(t, want...)
			} else {
				push(false, false)
			}
			if (a.asked == 0) != c.used {
				t.Errorf("round trip %v, repeated after %v, in a keyframe %v: %d keyframes asked for", c.roundTrip, c.repeat, lostKey, a.asked)
			}
		}
	}
}

func TestAssemblerAfterALoss(t *testing.T) {
	s := &stream{}
	var a assembly
	key, keyFrame := s.frame(true, 3000)
	a.push(key...)
	lost, _ := s.frame(false, 3000)
	a.push(lost[1:]...)
	for range 10 {
		a.now += 33 * time.Millisecond
		packets, _ := s.frame(false, 100)
		a.push(packets...)
	}
	a.mustHave(t, keyFrame)
	if a.asked < 1 || a.asked > 2 {
		t.Errorf("%d keyframes asked for in %v", a.asked, a.now)
	}
	asked := a.asked
	again, againFrame := s.frame(true, 8000)
	a.push(again...)
	after, afterFrame := s.frame(false, 100)
	a.push(after...)
	a.mustHave(t, keyFrame, againFrame, afterFrame)
	if a.asked != asked {
		t.Error("asked for a keyframe while one came")
	}
}

// If a keyframe arrives anyway, the missing packets are not waited for.
func TestAssemblerTakesAKeyframeBehindAHole(t *testing.T) {
	s := &stream{}
	var a assembly
	key, keyFrame := s.frame(true, 3000)
	a.push(key...)
	lost, _ := s.frame(false, 3000)
	a.push(lost[1:]...)
	again, againFrame := s.frame(true, 8000)
	a.push(again...)
	a.mustHave(t, keyFrame, againFrame)
	if a.asked != 0 {
		t.Errorf("%d keyframes asked for", a.asked)
	}
}

func TestAssemblerLossWithinAKeyframe(t *testing.T) {
	s := &stream{}
	var a assembly
	key, _ := s.frame(true, 5000)
	a.push(key[0])
	a.push(key[2:]...)
	for range 10 {
		a.now += 33 * time.Millisecond
		packets, _ := s.frame(false, 100)
		a.push(packets...)
	}
	a.mustHave(t)
	if a.asked == 0 {
		t.Error("no keyframe asked for")
	}
	again, againFrame := s.frame(true, 5000)
	a.push(again...)
	a.mustHave(t, againFrame)
}

func TestAssemblerLongBreak(t *testing.T) {
	s := &stream{}
	var a assembly
	key, keyFrame := s.frame(true, 3000)
	a.push(key...)
	s.seq += 10 * assemblerWindow
	packets, _ := s.frame(false, 100)
	a.push(packets...)
	if a.asked != 1 {
		t.Errorf("%d keyframes asked for", a.asked)
	}
	again, againFrame := s.frame(true, 3000)
	a.push(again...)
	a.mustHave(t, keyFrame, againFrame)
}

// Padding has sequence numbers but no picture.
func TestAssemblerPadding(t *testing.T) {
	s := &stream{}
	var a assembly
	var want [][]byte
	for n := range 5 {
		packets, frame := s.frame(n == 0, 2000)
		a.push(packets...)
		want = append(want, frame)
		a.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: s.seq, Timestamp: s.timestamp - 3000}})
		s.seq++
	}
	a.mustHave(t, want...)
	if a.asked != 0 {
		t.Errorf("%d keyframes asked for", a.asked)
	}
}

// With random networks, the output is what was sent, in order. Between a loss and the next keyframe there is no
// output.
func TestAssemblerAlwaysHolds(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			s := &stream{seq: uint16(random.Uint32())}
			var (
				a       assembly
				sent    [][]byte
				wantKey = true // whether a keyframe was requested during the frame before
				late    []*rtp.Packet
			)
			for range 300 {
				a.now += 33 * time.Millisecond
				packets, frame := s.frame(wantKey, 1+random.IntN(4000))
				sent = append(sent, frame)
				before := a.asked
				a.push(late...)
				late = late[:0]
				for _, p := range packets {
					switch random.IntN(30) {
					case 0: // lost
					case 1:
						late = append(late, p)
					default:
						a.push(p)
					}
				}
				wantKey = a.asked > before
			}
			next := 0
			for i, f := range a.frames {
				at := next
				for at < len(sent) && !bytes.Equal(sent[at], f.Payload) {
					at++
				}
				if at == len(sent) {
					t.Fatalf("frame %d was not sent, or is out of order", i)
				}
				if at > next && !f.Key {
					t.Fatalf("frame %d follows a hole without a keyframe", i)
				}
				next = at + 1
			}
			if len(a.frames) < 50 {
				t.Errorf("%d of %d frames came through", len(a.frames), len(sent))
			}
		})
	}
}

func FuzzAssembler(f *testing.F) {
	s := &stream{}
	for n := range 3 {
		packets, _ := s.frame(n == 0, 1500)
		for _, p := range packets {
			b, _ := p.Marshal()
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var a assembly
		s := &stream{}
		key, _ := s.frame(true, 3000)
		a.push(key...)
		for len(b) > 14 {
			var p rtp.Packet
			n := min(len(b), 14+int(b[0]))
			if p.Unmarshal(b[:n]) == nil {
				a.push(&p)
			}
			b = b[n:]
			a.now += 20 * time.Millisecond
		}
		for _, f := range a.frames {
			if len(f.Payload) == 0 {
				t.Fatal("empty frame")
			}
		}
	})
}
