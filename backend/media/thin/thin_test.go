package thin

import (
	"math/rand/v2"
	"testing"

	"github.com/porch-call/porch/backend/media/vp8"
)

// pattern is how Chromium makes three temporal layers: each picture's layer, and whether it depends on layer 0 alone.
var pattern = []vp8.Descriptor{{Temporal: 0}, {Temporal: 2, Sync: true}, {Temporal: 1, Sync: true}, {Temporal: 2}}

// picture returns the descriptor of a picture's first packet. The first picture is a keyframe.
func picture(n int) vp8.Descriptor {
	d := pattern[n%len(pattern)]
	d.HasPicture, d.LongPicture, d.Picture = true, true, uint16(n)&0x7fff
	d.Start, d.Keyframe = true, n == 0
	return d
}

func TestTheHighestLayerIsLeftOutAndComesBack(t *testing.T) {
	var th Thinner
	th.Begin()
	taken := func(from, to int) (all string) {
		for n := from; n < to; n++ {
			d := picture(n)
			if th.Takes(&d, false) {
				all += string('0' + d.Temporal)
			} else {
				all += "-"
			}
		}
		return all
	}
	if got := taken(0, 8); got != "02120212" {
		t.Errorf("all: %s", got)
	}
	th.On = true
	if got := taken(8, 16); got != "0-1-0-1-" {
		t.Errorf("thin: %s", got)
	}
	th.On = false
	// The second of the higher layers depends on the first, which the one in the next round does not.
	if got := taken(16, 24); got != "02120212" {
		t.Errorf("all again: %s", got)
	}
	d := picture(25)
	if th.Takes(&d, true) {
		t.Error("a picture of the highest layer leaves though there is no room")
	}
	if got := taken(26, 34); got != "1-021202" {
		t.Errorf("after there was no room: %s", got)
	}
}

func TestTwoLayersAndOne(t *testing.T) {
	th := Thinner{On: true}
	th.Begin()
	for n := range 20 {
		if d := (vp8.Descriptor{Start: true, Keyframe: n == 0, Temporal: uint8(n % 2), Sync: n%2 > 0}); th.Takes(&d, false) != (n%2 == 0) {
			t.Errorf("picture %d of two layers", n)
		}
	}
	th.Begin()
	for n := range 20 {
		if d := (vp8.Descriptor{Start: true, Keyframe: n == 0}); !th.Takes(&d, n > 10) {
			t.Errorf("picture %d of one layer is left out", n)
		}
	}
}

// TestOffsetsAndSources: whatever is left out, numbers lead from packet to packet and back.
func TestOffsetsAndSources(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var th Thinner
		th.Begin()
		type sent struct{ in, out int64 }
		var all []sent
		left := make(map[int64]bool)
		sequence := int64(random.IntN(1000))
		for in := int64(1000); in < 4000; in++ {
			if d := (vp8.Descriptor{HasPicture: true, Picture: uint16(in)}); random.IntN(3) == 0 {
				if !th.Omit(&d, in, sequence, 0) {
					t.Fatalf("picture %d was left out before", in)
				}
				left[in] = true
				sequence--
				continue
			}
			all = append(all, sent{in, in + sequence})
		}
		for i, s := range all {
			if i > 0 && s.out != all[i-1].out+1 {
				t.Fatalf("%d after %d", s.out, all[i-1].out)
			}
			in, ok := th.Source(s.out, sequence)
			offset, _, known := th.Offsets(s.in, sequence, 0)
			if ok != known || ok && (in != s.in || s.in+offset != s.out) {
				t.Fatalf("seed %d: %d was sent as %d, and seems to be %d (%v), sent as %d (%v)", seed, s.in, s.out, in, ok, s.in+offset, known)
			}
			if i >= len(all)-keptRuns && !ok {
				t.Fatalf("%d is forgotten", s.in)
			}
		}
		for in := range left {
			if _, _, ok := th.Offsets(in, sequence, 0); ok {
				t.Fatalf("%d was left out", in)
			}
		}
	}
}

func TestPicturesAreCounted(t *testing.T) {
	var th Thinner
	th.Begin()
	for i, c := range []struct {
		picture uint16
		another bool
	}{{7, true}, {7, false}, {8, true}, {8, false}, {10, true}} {
		if got := th.Omit(&vp8.Descriptor{HasPicture: true, Picture: c.picture}, int64(i), 0, 0); got != c.another {
			t.Errorf("packet %d: %v", i, got)
		}
	}
}
