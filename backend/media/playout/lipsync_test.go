package playout

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
)

// screening shows a participant's pictures next to a simulation of their sound.
type screening struct {
	sync     lipSync
	packets  []arrival // the first packet of each picture
	arrivals []arrival // of the whole pictures
	shown    map[int]time.Duration
	order    []int
	most     int // the most pictures that waited at once
}

const pictureTime = time.Second / 30

func newScreening(pictures int, n network) *screening {
	s := &screening{shown: make(map[int]time.Duration)}
	var last time.Duration
	for i := range pictures {
		delay, _ := n(i)
		at := time.Duration(i)*pictureTime + delay
		s.packets = append(s.packets, arrival{at, i})
		last = max(last, at) // whole frames come in order
		s.arrivals = append(s.arrivals, arrival{last, i})
	}
	slices.SortStableFunc(s.packets, func(a, b arrival) int { return int(a.at - b.at) })
	return s
}

func (s *screening) at(now, hold time.Duration) {
	for len(s.packets) > 0 && s.packets[0].at <= now {
		s.sync.arrive(now, pictureAt(s.packets[0].n))
		s.packets = s.packets[1:]
	}
	for len(s.arrivals) > 0 && s.arrivals[0].at <= now {
		n := s.arrivals[0].n
		s.arrivals = s.arrivals[1:]
		s.sync.push(now, hold, frames.Frame{At: pictureAt(n), Payload: []byte{byte(n), byte(n >> 8)}})
	}
	s.most = max(s.most, len(s.sync.waiting))
	for f, ok := s.sync.pop(now); ok; f, ok = s.sync.pop(now) {
		n := int(f.Payload[0]) | int(f.Payload[1])<<8
		s.order = append(s.order, n)
		s.shown[n] = now
	}
}

// pictureAt returns when a picture was taken, on the sender's clock, which has any zero.
func pictureAt(n int) time.Duration { return codec.VideoTime(1<<32 + int64(n)*codec.VideoClockRate/30) }

// lag returns by how much sound is heard after its picture is seen, sorted, from picture first on.
func (s *screening) lag(heard map[int]time.Duration, first int) (lag []time.Duration) {
	for n, seen := range s.shown {
		at := time.Duration(n) * pictureTime
		packet := int(at / packetTime)
		if h, ok := heard[packet]; ok && n >= first {
			lag = append(lag, h+at%packetTime-seen)
		}
	}
	slices.Sort(lag)
	return lag
}

// TestPicturesKeepInStepWithTheirSound: on every network, picture and sound stay within the limits that viewers don't
// notice: sound from 45 ms before its picture to 125 ms after it (ITU-R BT.1359).
func TestPicturesKeepInStepWithTheirSound(t *testing.T) {
	for _, c := range []struct {
		name   string
		spread time.Duration
	}{
		{"5 ms", 5 * time.Millisecond},
		{"60 ms", 60 * time.Millisecond},
		{"150 ms", 150 * time.Millisecond},
		{"250 ms", 250 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(5, 6))
			network := func(int) (time.Duration, bool) {
				return 20*time.Millisecond + time.Duration(random.Int64N(int64(c.spread))), true
			}
			const pictures, settled = 1200, 500
			pic := newScreening(pictures, network)
			s := &simulation{t: t, length: 2000, network: network}
			var longest time.Duration
			s.beside = func(now time.Duration) {
				held := s.buffer.held()
				longest = max(longest, held)
				pic.at(now, held)
			}
			s.run()
			if len(pic.order) != pictures || !slices.IsSorted(pic.order) {
				t.Fatalf("%d of %d pictures shown, in order: %t", len(pic.order), pictures, slices.IsSorted(pic.order))
			}
			lag := pic.lag(s.heardAt, settled)
			low, high := lag[len(lag)/20], lag[len(lag)*19/20]
			t.Logf("sound lags 9 in 10 pictures by %v to %v; held back for up to %v", low, high, longest)
			if low < -45*time.Millisecond || high > 125*time.Millisecond {
				t.Errorf("sound lags by %v to %v", low, high)
			}
			if pic.most > 15 {
				t.Errorf("%d pictures waited at once", pic.most)
			}
		})
	}
}

func TestPicturesWithoutSoundWaitForNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	pic := newScreening(300, func(int) (time.Duration, bool) {
		return time.Duration(random.Int64N(int64(200 * time.Millisecond))), true
	})
	came := make(map[int]time.Duration)
	for _, a := range pic.arrivals {
		came[a.n] = a.at
	}
	for now := time.Duration(0); now < 15*time.Second; now += time.Millisecond {
		pic.at(now, 0)
	}
	for n, seen := range pic.shown {
		if seen-came[n] >= time.Millisecond {
			t.Fatalf("picture %d waited for %v", n, seen-came[n])
		}
	}
	if len(pic.shown) != 300 {
		t.Errorf("%d pictures", len(pic.shown))
	}
}

// TestPicturesAreNotHeldForEver: neither sound that is held back for seconds nor a sender's clock that runs away
// holds pictures for longer than the limits, and few wait at once.
func TestPicturesAreNotHeldForEver(t *testing.T) {
	var l lipSync
	shown := 0
	for i := range 2000 {
		now := time.Duration(i) * time.Millisecond
		l.arrive(now, pictureAt(30*i))
		l.push(now, time.Hour, frames.Frame{At: pictureAt(30 * i)})
		for _, ok := l.pop(now); ok; _, ok = l.pop(now) {
			shown++
		}
		if len(l.waiting) > maxHeld {
			t.Fatalf("%d wait", len(l.waiting))
		}
	}
	for _, ok := l.pop(2*time.Second + maxHold); ok; _, ok = l.pop(2*time.Second + maxHold) {
		shown++
	}
	if shown != 2000 {
		t.Errorf("%d of 2000 shown", shown)
	}
}
