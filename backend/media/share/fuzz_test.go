package share

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// dice reads numbers from a fuzzer's bytes, and zeros after them.
type dice struct{ b []byte }

func (d *dice) next() int {
	if len(d.b) == 0 {
		return 0
	}
	n := d.b[0]
	d.b = d.b[1:]
	return int(n)
}

// rate returns a rate, seldom a senseless one.
func (d *dice) rate() int {
	switch n := d.next(); n {
	case 255:
		return -1
	case 254:
		return 1 << 62
	case 253:
		return Unlimited
	case 252:
		return 1
	default:
		return n * n * 100
	}
}

// call returns any call.
func (d *dice) call() Input {
	var in Input
	for range d.next() % 4 {
		in.Ways = append(in.Ways, Way{Capacity: d.rate()})
	}
	for i := range d.next() % 8 {
		in.Receivers = append(in.Receivers, Receiver{ID: ID(i + d.next()%2), Way: d.next()%5 - 1, Capacity: d.rate(), Sound: d.rate() / 50})
	}
	for i := range d.next() % 8 {
		t := Track{ID: TrackID{ID(i), Kind(d.next() % 2)}, Name: fmt.Sprint(i), Silent: d.next() > 250, Count: d.next()%5 - 1}
		for l := range t.Layers {
			t.Layers[l] = Layer{Height: d.next()*8 - 8, Rate: d.rate() / 4}
			flow := d.next()
			t.Layers[l].Active, t.Layers[l].Thins = flow%4 > 0, flow%8 > 3
			if d.next()%4 == 0 {
				t.Layers[l].Min, t.Layers[l].Max = d.rate(), d.rate()
			}
		}
		in.Tracks = append(in.Tracks, t)
	}
	for range len(in.Receivers) * len(in.Tracks) {
		in.Wants = append(in.Wants, Want{Class(d.next() % 6), uint16(d.next() * 5)})
	}
	return in
}

// FuzzAllocate holds for any call, and any other one after it, that no budget is exceeded and that decisions settle
// when nothing changes.
func FuzzAllocate(f *testing.F) {
	random := rand.New(rand.NewPCG(16, 23))
	for range 20 {
		var b []byte
		for range 60 {
			b = binary.LittleEndian.AppendUint64(b, random.Uint64())
		}
		f.Add(b)
	}
	f.Fuzz(anyCall)
}

// TestAnyCall is the fuzz target on random bytes.
func TestAnyCall(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	var b []byte
	for range 500 {
		b = b[:0]
		for range 20 + random.IntN(80) {
			b = binary.LittleEndian.AppendUint64(b, random.Uint64())
		}
		anyCall(t, b)
	}
}

func anyCall(t *testing.T, b []byte) {
	d := &dice{b}
	var a Allocator
	now := time.Unix(0, 0)
	first, second := d.call(), d.call()
	for _, in := range []*Input{&first, &second, &first} {
		for range 5 {
			check(t, in, &a, a.Allocate(in, now))
			now = now.Add(time.Duration(d.next()-20) * 20 * time.Millisecond)
			if len(in.Ways) > 0 {
				in.Ways[0].Capacity = d.rate()
			}
			if len(in.Receivers) > 0 {
				in.Receivers[0].Capacity = d.rate()
			}
		}
	}
	in := &first
	obey(in, &a, 60, &now)
	before := append([]Choice(nil), a.plan.choices...)
	for range 20 {
		obey(in, &a, 1, &now)
		check(t, in, &a, &a.plan)
		for i, c := range a.plan.choices {
			if c != before[i] {
				t.Fatalf("pair %d: %+v, a while ago %+v, and nothing has changed", i, c, before[i])
			}
		}
	}
}

// obey decides some times, 3 s apart, while publishers do what they are asked.
func obey(in *Input, a *Allocator, times int, now *time.Time) {
	for range times {
		plan := a.Allocate(in, *now)
		for t := range in.Tracks {
			for l := range in.Tracks[t].Layers {
				k, layer := plan.Asks[t][l], &in.Tracks[t].Layers[l]
				layer.Active, layer.Rate = k.On, 0
				if k.On {
					layer.Rate = k.MaxBitrate
				}
			}
		}
		*now = now.Add(3 * time.Second)
	}
}

// FuzzDemand holds that views of any content are bounded and ask for nothing that is not there.
func FuzzDemand(f *testing.F) {
	f.Add([]byte{2, 3, 0, 0, 0, 200, 1, 0, 90})
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &dice{b}
		in := d.call()
		var demands Demands
		now := time.Unix(0, 0)
		for len(d.b) > 0 {
			var sights []Sight
			for range d.next() * 2 {
				sights = append(sights, sees(ID(d.next()%10), Kind(d.next()%3), d.next()*d.next()-9))
			}
			receiver := ID(d.next() % 10)
			demands.See(receiver, d.next()%8 == 0, sights)
			if n := len(demands.views[receiver].sights); n > MaxSights {
				t.Fatalf("%d sights are kept", n)
			}
			if d.next()%8 == 0 {
				demands.Forget(receiver)
			}
			now = now.Add(time.Duration(d.next()) * 100 * time.Millisecond)
			var speaking []ID
			for range d.next() % 3 {
				speaking = append(speaking, ID(d.next()%10))
			}
			wants := demands.Wants(in.Receivers, in.Tracks, speaking, now)
			if len(wants) != len(in.Receivers)*len(in.Tracks) {
				t.Fatalf("%d wants for %d receivers and %d tracks", len(wants), len(in.Receivers), len(in.Tracks))
			}
			for i, w := range wants {
				r, track := in.Receivers[i/len(in.Tracks)].ID, in.Tracks[i%len(in.Tracks)].ID
				if w.Class > Shared || w.Height > maxHeight || (w.Class == Unseen) != (w.Height == 0) {
					t.Fatalf("%+v", w)
				}
				if track.Of == r && w.Class != Unseen {
					t.Fatalf("receiver %d wants its own picture", r)
				}
			}
		}
	})
}
