package planning

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

type carrying rate.Bitrate

// Capacity implements [Ways].
func (c carrying) Capacity(lines.Way) rate.Bitrate { return rate.Bitrate(c) }

// Excused implements [Ways].
func (carrying) Excused(lines.Way) uint32 { return 0 }

// member returns a member without a connection.
func member(number share.ID, name string) Member {
	var counters forward.Counters
	return Member{
		Number: number, Name: name, TakesScreen: true, Redundancy: new(share.Redundancy),
		Camera: forward.NewTrack(name, signalling.KindVideo, false, &counters),
	}
}

// TestAnOlderPageLosesNothingToAScreen checks that nothing of its line is kept free for a screen that it is not sent.
func TestAnOlderPageLosesNothingToAScreen(t *testing.T) {
	var p Planner
	a, b, old := member(1, "a"), member(2, "b"), member(3, "old")
	old.TakesScreen = false
	for _, m := range []Member{a, b, old} {
		p.Add(m)
	}
	p.Decide(Screen{Of: 1, Name: "a", Track: a.Camera}, carrying(rate.Mbit), 0, nil, time.Unix(0, 0))
	in := &p.input
	if n := len(in.Tracks); n != 4 || in.Tracks[3].ID.Kind != share.Screen {
		t.Fatalf("%+v", in.Tracks)
	}
	for r, want := range []share.Class{share.Unseen, share.Shared, share.Unseen} {
		if got := in.Wants[r*4+3].Class; got != want {
			t.Errorf("receiver %d wants it as %d, not %d", r, got, want)
		}
	}
}

// TestAViewOutlivesWhoeverLeaves checks that a page need not say again what it looks at when a participant comes back.
func TestAViewOutlivesWhoeverLeaves(t *testing.T) {
	var p Planner
	p.View(1, signalling.View{Tiles: []signalling.Tile{{Participant: "b", Kind: signalling.KindVideo, Height: 360}}})
	for _, number := range []share.ID{2, 3} {
		p.Begin()
		p.Add(member(1, "a"))
		p.Add(member(number, "b"))
		p.Decide(Screen{}, carrying(rate.Mbit), 0, nil, time.Unix(0, 0))
		if w := p.input.Wants[1]; w.Class == share.Unseen || w.Height != 360 {
			t.Errorf("b as number %d: %+v", number, w)
		}
	}
}

// TestNobodyAwayIsSentPictures checks that whoever is away wants none, and that a limit of this computer holds for all ways.
func TestNobodyAwayIsSentPictures(t *testing.T) {
	var p Planner
	a, b := member(1, "a"), member(2, "b")
	a.Away = true
	p.Add(a)
	p.Add(b)
	p.Decide(Screen{}, carrying(rate.Mbit), 1000, []string{"b", "nobody"}, time.Unix(0, 0))
	if w := p.input.Wants[1]; w.Class != share.Unseen {
		t.Errorf("%+v", w)
	}
	for w, way := range p.input.Ways {
		if way.Capacity != 1000 {
			t.Errorf("way %d carries %d", w, way.Capacity)
		}
	}
	if len(p.speaking) != 1 || p.speaking[0] != 2 || p.Useful(0) != rate.Bitrate(p.Receiver(0).Sound) {
		t.Errorf("%v speak, %v useful", p.speaking, p.Useful(0))
	}
}
