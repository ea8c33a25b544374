package share

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const frame = 20 * time.Millisecond

// talker makes the levels of somebody who talks by a script: words with gaps between them, in a room that is not silent.
type talker struct {
	voice *Voice
	noise float64 // dBov

	talking   bool
	left      int // frames of what it does now
	word, gap int // frames that are left
	soft      int // frames of a word that begins softly
	loud      float64
	onset     int // frames since it began to talk

	sent []bool // frames that were forwarded
}

// level returns the next frame's, in -dBov.
func (k *talker) level(r *rand.Rand) uint8 {
	level := k.noise + r.NormFloat64()*1.5
	if k.talking {
		switch {
		case k.word > 0:
			k.word--
			level = k.loud + r.NormFloat64()*3
			if k.soft > 0 {
				k.soft--
				level -= 15
			}
			if k.word == 0 {
				k.gap = 2 + r.IntN(10)
			}
		case k.gap > 0:
			k.gap--
		}
		if k.word == 0 && k.gap == 0 {
			k.begin(r)
		}
	}
	return uint8(min(max(-level, 0), 127))
}

func (k *talker) begin(r *rand.Rand) {
	k.word, k.soft = 8+r.IntN(25), r.IntN(3)
	k.loud = -28 + r.Float64()*8
}

// TestWordBeginnings is A12: ten with open microphones, of whom up to two talk at once, and a third says yes. Of 500
// beginnings at least 99 % are whole in their first 40 ms.
func TestWordBeginnings(t *testing.T) {
	for _, places := range []int{FewPlaces, MostPlaces} {
		r := rand.New(rand.NewPCG(uint64(places), 12))
		now := time.Unix(0, 0)
		l := NewLoudest(now)
		l.SetPlaces(places)
		var talkers []*talker
		for i := range 10 {
			talkers = append(talkers, &talker{voice: new(Voice), noise: -78 + 2*float64(i), left: 50 + r.IntN(1500)})
		}
		whole, onsets, second, most := 0, 0, 0, 0
		for n := 0; onsets < 500; n++ {
			now = now.Add(frame)
			talking := 0
			for _, k := range talkers {
				if k.talking {
					talking++
				}
			}
			if n%50 == 0 {
				second = 0
			}
			for _, k := range talkers {
				if k.left--; k.left <= 0 {
					if k.talking {
						k.talking, k.left = false, 50+r.IntN(1500)
						talking--
					} else if talking < 3 {
						// Whoever comes in third is brief.
						k.talking, k.left, k.onset = true, 40+r.IntN(200), 0
						if talking == 2 {
							k.left = 15 + r.IntN(15)
						}
						talking++
						k.begin(r)
					}
				}
				first := k.talking && k.onset == 0
				forward, begins := l.Hear(k.voice, k.level(r), now)
				k.sent = append(k.sent, forward)
				if begins {
					for back := 1; back <= min(2, len(k.sent)-1); back++ {
						k.sent[len(k.sent)-1-back] = true
					}
				}
				if forward {
					second++
				}
				if first {
					onsets++
				}
				if k.talking {
					if k.onset++; k.onset == 5 && k.sent[len(k.sent)-5] && k.sent[len(k.sent)-4] {
						whole++
					}
				}
			}
			most = max(most, second)
		}
		// Where a place changes hands, both may send in the same frame.
		if most > 50*places+5 {
			t.Errorf("%d places: %d packets in a second", places, most)
		}
		if part := float64(whole) / float64(onsets); part < 0.99 {
			t.Errorf("%d places: %d of %d beginnings are whole", places, whole, onsets)
		}
		t.Logf("%d places: %d of %d beginnings are whole", places, whole, onsets)
	}
}

// hearing lets all voices send a packet at these levels (-dBov), and returns whose is forwarded.
type hearing struct {
	l      *Loudest
	now    time.Time
	voices []*Voice
}

func newHearing(voices int) *hearing {
	h := &hearing{now: time.Unix(0, 0)}
	h.l = NewLoudest(h.now)
	for range voices {
		h.voices = append(h.voices, new(Voice))
	}
	return h
}

func (h *hearing) packets(levels ...uint8) (forwarded []bool) {
	h.now = h.now.Add(frame)
	for i, level := range levels {
		forward, _ := h.l.Hear(h.voices[i], level, h.now)
		forwarded = append(forwarded, forward)
	}
	return forwarded
}

// after returns after how many packets of the same levels it is so that a voice is forwarded, or not.
func (h *hearing) after(voice int, forwarded bool, levels ...uint8) time.Duration {
	for n := range 500 {
		if h.packets(levels...)[voice] == forwarded {
			return time.Duration(n) * frame
		}
	}
	return time.Hour
}

func TestPlaces(t *testing.T) {
	const speech, louder, silence = 30, 22, 80
	t.Run("a free place is taken at once", func(t *testing.T) {
		h := newHearing(2)
		h.packets(silence, silence)
		if d := h.after(0, true, speech, silence); d != 0 {
			t.Errorf("after %v", d)
		}
	})
	t.Run("a place is given back after 1.5 s", func(t *testing.T) {
		h := newHearing(1)
		h.packets(speech)
		if d := h.after(0, false, silence); d < hold-2*frame || d > hold {
			t.Errorf("after %v", d)
		}
	})
	t.Run("whoever is as loud waits", func(t *testing.T) {
		h := newHearing(5)
		h.packets(speech, speech, speech, speech, silence)
		if d := h.after(4, true, speech, speech, speech, speech, speech-3); d < time.Second {
			t.Errorf("after %v", d)
		}
	})
	t.Run("whoever is clearly louder takes a place", func(t *testing.T) {
		h := newHearing(5)
		for range 20 {
			h.packets(speech, speech, speech, speech, silence)
		}
		if d := h.after(4, true, speech, speech, speech, speech, louder); d < clearlyFor || d > 2*clearlyFor {
			t.Errorf("after %v", d)
		}
	})
	t.Run("a short knock takes no place", func(t *testing.T) {
		h := newHearing(5)
		for range 20 {
			h.packets(speech, speech, speech, speech, silence)
		}
		for n := range 50 {
			level := uint8(silence)
			if n%10 < 5 {
				level = 10
			}
			if n%10 == 5 {
				h.voices[4].level = 0
			}
			if h.packets(speech, speech, speech, speech, level)[4] {
				t.Fatalf("after %d packets", n)
			}
		}
	})
	t.Run("the longest silence is the first to go", func(t *testing.T) {
		h := newHearing(5)
		h.packets(speech, speech, speech, speech, silence)
		for range 10 {
			h.packets(speech, silence, speech, speech, silence)
		}
		for range 20 {
			h.packets(speech, silence, silence, speech, silence)
		}
		if got := h.packets(speech, silence, silence, speech, speech); !got[4] {
			t.Error("the place is not taken")
		}
		if got := h.packets(speech, silence, silence, speech, speech); got[1] || !got[2] {
			t.Errorf("%v are forwarded", got)
		}
	})
	t.Run("noise takes no place", func(t *testing.T) {
		h := newHearing(1)
		if d := h.after(0, true, 64); d < time.Hour {
			t.Errorf("after %v", d)
		}
	})
	t.Run("fewer places", func(t *testing.T) {
		h := newHearing(5)
		h.l.SetPlaces(MostPlaces)
		h.packets(speech, speech, speech, speech, speech)
		h.l.SetPlaces(2)
		n := 0
		for _, forward := range h.packets(speech, speech, speech, speech, speech) {
			if forward {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d are forwarded", n)
		}
	})
	t.Run("who is muted leaves the place", func(t *testing.T) {
		h := newHearing(5)
		h.packets(speech, speech, speech, speech, silence)
		h.l.Release(h.voices[2])
		if got := h.packets(speech, speech, silence, speech, speech); got[2] || !got[4] {
			t.Errorf("%v are forwarded", got)
		}
	})
}

// TestManyHearAtOnce is for the race detector, and holds that a place has one voice.
func TestManyHearAtOnce(t *testing.T) {
	now := time.Unix(0, 0)
	l := NewLoudest(now)
	var holders atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			v, at := new(Voice), now
			for range 20_000 {
				at = at.Add(time.Duration(r.IntN(60)) * time.Millisecond)
				l.Hear(v, uint8(r.IntN(128)), at)
				if r.IntN(1000) == 0 {
					l.Release(v)
				}
				if r.IntN(1000) == 0 {
					l.SetPlaces(r.IntN(7))
				}
			}
			l.Release(v)
			for j := range l.places {
				if l.places[j].Load() == v {
					holders.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := holders.Load(); n > 0 {
		t.Errorf("%d voices have a place after their release", n)
	}
	for i := range l.places {
		if l.places[i].Load() != nil {
			t.Errorf("place %d is taken", i)
		}
	}
}

func BenchmarkHear(b *testing.B) {
	now := time.Unix(0, 0)
	l := NewLoudest(now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		v := new(Voice)
		for at := now; pb.Next(); at = at.Add(frame) {
			l.Hear(v, 30, at)
		}
	})
}
