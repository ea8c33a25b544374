package windowsocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// decodeFrame reads a binary message as the window does.
func decodeFrame(b []byte) (index uint16, f VideoFrame, err error) {
	if len(b) <= frameHeadSize {
		return 0, VideoFrame{}, errors.New("cut short")
	}
	if b[0] != frameVersion {
		return 0, VideoFrame{}, errors.New("other version")
	}
	return binary.BigEndian.Uint16(b[2:]), VideoFrame{
		Keyframe: b[1]&flagKeyframe != 0, Timestamp: binary.BigEndian.Uint64(b[4:]), Payload: b[frameHeadSize:],
	}, nil
}

func TestFrameLayout(t *testing.T) {
	b := encodeFrame(0x0102, VideoFrame{Keyframe: true, Timestamp: 0x1112131415161718, Payload: []byte{0xaa, 0xbb}})
	want := []byte{1, 1, 1, 2, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0xaa, 0xbb}
	if !bytes.Equal(b, want) {
		t.Errorf("% x, want % x", b, want)
	}
	if b := encodeFrame(0, VideoFrame{Payload: []byte{0xaa}}); b[1] != 0 {
		t.Error("a delta frame has the flag")
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(uint16(0), false, uint64(0), []byte{1})
	f.Add(uint16(65535), true, ^uint64(0), bytes.Repeat([]byte{7}, 2000))
	f.Fuzz(func(t *testing.T, index uint16, key bool, at uint64, payload []byte) {
		if len(payload) == 0 {
			return
		}
		b := encodeFrame(index, VideoFrame{Keyframe: key, Timestamp: at, Payload: payload})
		i, got, err := decodeFrame(b)
		if err != nil || i != index || got.Keyframe != key || got.Timestamp != at || !bytes.Equal(got.Payload, payload) {
			t.Errorf("%d %+v %v", i, got, err)
		}
	})
}

var (
	key   = VideoFrame{Keyframe: true, Payload: []byte("key")}
	delta = VideoFrame{Payload: []byte("delta")}
)

func TestSourceBeginsWithAKeyframe(t *testing.T) {
	var p pictures
	s, isNew := p.sourceOf("ann")
	if !isNew || s.index != 0 {
		t.Fatalf("%+v, %v", s, isNew)
	}
	if err := p.push(s, delta); !errors.Is(err, ErrKeyframeWanted) {
		t.Errorf("delta first: %v", err)
	}
	for _, f := range []VideoFrame{key, delta, delta, key} {
		if err := p.push(s, f); err != nil {
			t.Error(err)
		}
	}
	if again, isNew := p.sourceOf("ann"); again != s || isNew {
		t.Error("a second source")
	}
	if bob, isNew := p.sourceOf("bob"); bob.index != 1 || !isNew {
		t.Errorf("%+v", bob)
	}
}

func TestSlowWindowDropsToTheNextKeyframe(t *testing.T) {
	var p pictures
	slow, _ := p.sourceOf("slow")
	quick, _ := p.sourceOf("quick")
	push := func(s *pictureSource, f VideoFrame, want error) {
		t.Helper()
		if err := p.push(s, f); !errors.Is(err, want) {
			t.Fatalf("push = %v, want %v", err, want)
		}
	}
	push(slow, key, nil)
	push(quick, key, nil)
	for range MaxOutstanding - 1 {
		push(slow, delta, nil)
	}
	for range 10 {
		p.pop()
	}
	push(slow, delta, ErrBehind)
	if slow.queued != 0 || slow.sent != 9 || p.bytes != 0 {
		t.Errorf("%+v, %d bytes wait", slow, p.bytes)
	}
	push(slow, delta, ErrKeyframeWanted) // there is room again, because the queue was dropped
	push(quick, delta, nil)
	push(slow, key, nil)
	push(slow, delta, nil)

	// The window takes no frames: nine were sent, and two are queued.
	for range MaxOutstanding - 11 {
		push(slow, delta, nil)
	}
	for {
		if _, ok := p.pop(); !ok {
			break
		}
	}
	push(slow, delta, ErrBehind)
	push(slow, key, ErrBehind)
	if !p.take(slow.index, 5) {
		t.Error("taken is refused")
	}
	push(slow, delta, ErrBehind) // still too far behind for a keyframe
	if !p.take(slow.index, MaxOutstanding) {
		t.Error("taken is refused")
	}
	push(slow, delta, ErrKeyframeWanted)
	push(slow, key, nil)
}

func TestKeyframeReplacesWhatWaits(t *testing.T) {
	var p pictures
	s, _ := p.sourceOf("ann")
	_ = p.push(s, key)
	for range MaxOutstanding - 1 {
		_ = p.push(s, delta)
	}
	if err := p.push(s, key); err != nil || s.queued != 1 {
		t.Errorf("%v, %d wait", err, s.queued)
	}
}

func TestTakenIsChecked(t *testing.T) {
	var p pictures
	if p.take(0, 0) {
		t.Error("no source, but taken")
	}
	s, _ := p.sourceOf("ann")
	_ = p.push(s, key)
	_ = p.push(s, delta)
	if p.take(0, 1) {
		t.Error("taken before it was sent")
	}
	p.pop()
	if !p.take(0, 1) {
		t.Error("not taken")
	}
	if again := p.take(0, 1); !again || p.take(0, 0) || p.take(0, 2) || p.take(1, 0) {
		t.Error("taken")
	}
}

func TestBytesAreBounded(t *testing.T) {
	var p pictures
	large := make([]byte, MaxPicture)
	for i := range 10 {
		s, _ := p.sourceOf(fmt.Sprint(i))
		_ = p.push(s, VideoFrame{Keyframe: true, Payload: large})
	}
	if p.bytes > maxQueued+frameHeadSize*10 {
		t.Errorf("%d bytes wait", p.bytes)
	}
}

func TestIndexesRunOut(t *testing.T) {
	var p pictures
	for i := range maxSources {
		if s, _ := p.sourceOf(fmt.Sprint(i)); s == nil || int(s.index) != i {
			t.Fatalf("source %d: %+v", i, s)
		}
	}
	if s, _ := p.sourceOf("one more"); s != nil {
		t.Error("an index was used twice")
	}
}

// TestWhatArrivesCanBeDecoded simulates random windows and sources. Each source's frames arrive in order, and the
// first one after a gap is a keyframe.
func TestWhatArrivesCanBeDecoded(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var p pictures
		var next, last [3]uint64 // last is one more than the number of the newest frame
		var came [3]uint64
		for range 2000 {
			switch r.IntN(4) {
			case 0, 1:
				i := r.IntN(3)
				s, _ := p.sourceOf(fmt.Sprint(i))
				f := VideoFrame{Keyframe: r.IntN(10) == 0, Timestamp: next[i], Payload: make([]byte, 1+r.IntN(100))}
				next[i]++
				before := s.outstanding()
				if err := p.push(s, f); errors.Is(err, ErrKeyframeWanted) && before > MaxOutstanding/2 {
					t.Fatal("a keyframe is wanted for which there is no room")
				}
			case 2:
				b, ok := p.pop()
				if !ok {
					continue
				}
				i, f, err := decodeFrame(b)
				if err != nil {
					t.Fatal(err)
				}
				if f.Timestamp < last[i] || !f.Keyframe && f.Timestamp != last[i] || last[i] == 0 && !f.Keyframe {
					t.Fatalf("seed %d: frame %d after %d, keyframe %v", seed, f.Timestamp, last[i], f.Keyframe)
				}
				last[i] = f.Timestamp + 1
				came[i]++
			case 3:
				i := r.IntN(3)
				if i < len(p.sources) && !p.take(uint16(i), came[i]) {
					t.Fatal("taken is refused")
				}
			}
			for _, s := range p.sources {
				if s.outstanding() > MaxOutstanding {
					t.Fatalf("%d outstanding", s.outstanding())
				}
			}
		}
	}
}
