package player

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/lab/stamp"
)

const ms = time.Millisecond

// origin is when the first frame of tests is sent.
const origin = 1_800_000_000 * time.Second

func sentAt(n uint32) time.Duration { return origin + time.Duration(n)*FrameTime }

// hear gives frames to a Sound, after the delay that is said for each; below 0 they are lost.
func hear(frames uint32, delay func(n uint32) time.Duration, flags uint8) *Sound {
	var s Sound
	type event struct {
		at time.Duration
		n  uint32
	}
	var events []event
	for n := range frames {
		if d := delay(n); d >= 0 {
			events = append(events, event{sentAt(n) + d, n})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range events {
		s.Packet(e.at, stamp.Stamp{Frame: e.n, Needs: max(e.n, 1) - 1, Flags: flags, At: sentAt(e.n)})
	}
	return &s
}

func TestGapsOfSound(t *testing.T) {
	const all = 500 // ten seconds
	lose := func(from, to uint32) func(uint32) time.Duration {
		return func(n uint32) time.Duration {
			if n >= from && n < to {
				return -1
			}
			return 40 * ms
		}
	}
	for _, c := range []struct {
		name  string
		delay func(uint32) time.Duration
		flags uint8
		lost  int
		gaps  []Span
	}{
		{"whole", lose(0, 0), 0, 0, nil},
		{"three lost frames are concealed", lose(100, 103), 0, 3, nil},
		{"four are a gap", lose(100, 104), 0, 4, []Span{{sentAt(100), 80 * ms}}},
		{"the last is restored", lose(100, 104), stamp.Repairs, 3, nil},
		{"late by 190 ms", func(n uint32) time.Duration {
			if n >= 100 && n < 110 {
				return 230 * ms
			}
			return 40 * ms
		}, 0, 0, nil},
		{"late by 300 ms", func(n uint32) time.Duration {
			if n >= 100 && n < 110 {
				return 340 * ms
			}
			return 40 * ms
		}, 0, 10, []Span{{sentAt(100), 200 * ms}}},
		{"nothing any more", lose(400, all), 0, 100, []Span{{sentAt(400), 2 * time.Second}}},
	} {
		h := hear(all, c.delay, c.flags).Between(origin, sentAt(all), nil)
		if h.Due != all || h.Lost != c.lost || !slices.Equal(h.Gaps, c.gaps) {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	if h := new(Sound).Between(origin, origin+time.Second, nil); h.Due != 50 || h.Lost != 50 || h.Longest() != time.Second {
		t.Errorf("nobody: %+v", h)
	}
}

func TestWhatIsNotSentIsSilence(t *testing.T) {
	var s Sound
	s.Packet(sentAt(0), stamp.Stamp{Frame: 0, At: sentAt(0)})
	s.Packet(sentAt(20), stamp.Stamp{Frame: 20, Needs: 0, At: sentAt(20)}) // after a pause of the sender
	s.Packet(sentAt(21), stamp.Stamp{Frame: 21, Needs: 20, At: sentAt(21)})
	if h := s.Between(sentAt(0), sentAt(22), nil); h.Due != 22 || h.Lost != 0 {
		t.Errorf("%+v", h)
	}
	if begun, whole := s.Words([]time.Duration{sentAt(20), sentAt(21)}, origin, sentAt(30)); begun != 2 || whole != 1 {
		t.Errorf("%d words, %d whole", begun, whole)
	}
}

func TestASlowerLineBecomesThePace(t *testing.T) {
	s := hear(2000, func(n uint32) time.Duration {
		if n >= 500 {
			return 400 * ms
		}
		return 40 * ms
	}, 0)
	if h := s.Between(sentAt(500), sentAt(900), nil); h.Lost < 380 {
		t.Errorf("at first %+v", h)
	}
	if h := s.Between(sentAt(1100), sentAt(2000), nil); h.Lost != 0 {
		t.Errorf("later %+v", h)
	}
}

// watch gives a Pictures 30 frames a second of two packets; send says which packets come, and how late.
func watch(frames uint32, key func(n uint32) bool, late func(n uint32, index uint16) time.Duration) *Pictures {
	var p Pictures
	type event struct {
		at  time.Duration
		m   stamp.Stamp
		key bool
	}
	var events []event
	for n := range frames {
		for i := range uint16(2) {
			m := stamp.Stamp{Frame: n, Needs: max(n, 1) - 1, Index: i, Count: 2, At: origin + time.Duration(n)*time.Second/30}
			if d := late(n, i); d >= 0 {
				events = append(events, event{m.At + d, m, key(n)})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range events {
		p.Packet(e.at, e.m, e.key, 640, 360, 500)
	}
	return &p
}

func TestFreezes(t *testing.T) {
	const all, second = 300, 30
	frame := func(n uint32) time.Duration { return origin + time.Duration(n)*time.Second/second }
	first := func(n uint32) bool { return n == 0 }
	for _, c := range []struct {
		name    string
		key     func(uint32) bool
		late    func(uint32, uint16) time.Duration
		frames  int
		freezes []Span
	}{
		{"whole", first, func(uint32, uint16) time.Duration { return 0 }, all, nil},
		{"repaired after 100 ms", first, func(n uint32, i uint16) time.Duration {
			if n == 100 && i == 1 {
				return 100 * ms
			}
			return 0
		}, all, nil},
		{"repaired after 400 ms", first, func(n uint32, i uint16) time.Duration {
			if n == 100 && i == 1 {
				return 400 * ms
			}
			return 0
		}, all, []Span{{frame(99), frame(100) + 400*ms - frame(99)}}},
		{"lost until a keyframe", func(n uint32) bool { return n == 0 || n == 160 }, func(n uint32, i uint16) time.Duration {
			if n == 100 && i == 1 {
				return -1
			}
			return 0
		}, all - 60, []Span{{frame(99), frame(160) - frame(99)}}},
		{"lost for good", first, func(n uint32, i uint16) time.Duration {
			if n == 100 && i == 0 {
				return -1
			}
			return 0
		}, 100, []Span{{frame(99), frame(all) - frame(99)}}},
	} {
		w := watch(all, c.key, c.late).Between(origin, frame(all))
		if w.Frames != c.frames || !slices.Equal(w.Freezes, c.freezes) || w.Height != 360 {
			t.Errorf("%s: %d frames, freezes %v, height %d", c.name, w.Frames, w.Freezes, w.Height)
		}
	}
	if w := new(Pictures).Between(origin, origin+time.Second); len(w.Freezes) != 1 || w.FreezeTime() != time.Second {
		t.Errorf("nobody: %+v", w)
	}
}

func TestNacks(t *testing.T) {
	var n Nacks
	for _, x := range []uint16{65534, 65535, 2} {
		n.Packet(x)
	}
	if got, _ := n.Due(0); !slices.Equal(got, []uint16{0, 1}) {
		t.Errorf("asks for %v", got)
	}
	if got, _ := n.Due(99 * ms); len(got) != 0 {
		t.Errorf("asks again for %v", got)
	}
	n.Packet(0)
	n.Packet(0)
	n.Trip = 200 * ms
	if got, _ := n.Due(150 * ms); len(got) != 0 {
		t.Errorf("asks within the round trip for %v", got)
	}
	tries := 1
	for now := 200 * ms; ; now += 200 * ms {
		got, hopeless := n.Due(now)
		if hopeless {
			break
		}
		if tries++; !slices.Equal(got, []uint16{1}) || tries > 10 {
			t.Fatalf("try %d for %v", tries, got)
		}
	}
	if got := n.Asked(); got != (Asked{11, 1, 1}) || tries != 10 {
		t.Errorf("%+v, %d tries", got, tries)
	}
}
