package share

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// named returns a track with the name that sees uses.
func named(t TrackID) Track { return Track{ID: t, Name: fmt.Sprint(t.Of)} }

// sees returns a tile.
func sees(of ID, kind Kind, height int) Sight { return Sight{fmt.Sprint(of), kind, height} }

// classes returns the classes that receiver 0 gives the cameras of 1, 2 and 3 and the screen of 1.
func classes(d *Demands, speaking []ID, now time.Time) (classes []Class) {
	receivers := []Receiver{{ID: 0}}
	tracks := []Track{named(TrackID{1, Camera}), named(TrackID{2, Camera}), named(TrackID{3, Camera}), named(TrackID{1, Screen}), named(TrackID{0, Camera})}
	for _, w := range d.Wants(receivers, tracks, speaking, now) {
		classes = append(classes, w.Class)
	}
	return classes
}

func TestClasses(t *testing.T) {
	now := time.Unix(0, 0)
	sight := func(of ID, height int) Sight { return sees(of, Camera, height) }
	screen := func(of ID, height int) Sight { return sees(of, Screen, height) }
	for _, c := range []struct {
		name     string
		silent   bool // no view
		hidden   bool
		sights   []Sight
		speaking []ID
		want     []Class
	}{
		{name: "no view", silent: true, want: []Class{Tile, Tile, Tile, Shared, Unseen}},
		{name: "no view, one speaks", silent: true, speaking: []ID{2}, want: []Class{Tile, Front, Tile, Shared, Unseen}},
		{name: "hidden", hidden: true, sights: []Sight{sight(1, 360)}, want: []Class{Unseen, Unseen, Unseen, Unseen, Unseen}},
		{name: "grid", sights: []Sight{sight(1, 360), sight(2, 360), sight(0, 360)}, speaking: []ID{1, 2}, want: []Class{Front, Tile, Unseen, Unseen, Unseen}},
		{name: "pinned", sights: []Sight{sight(1, 900), sight(2, 120), sight(3, 120)}, speaking: []ID{3}, want: []Class{Front, Thumb, Tile, Unseen, Unseen}},
		{name: "a shared screen", sights: []Sight{screen(1, 900), sight(1, 120), sight(2, 120)}, want: []Class{Thumb, Thumb, Unseen, Shared, Unseen}},
		{name: "a screen in the band", sights: []Sight{screen(1, 120), sight(1, 900)}, want: []Class{Front, Unseen, Unseen, Thumb, Unseen}},
		{name: "all are small", sights: []Sight{sight(1, 100), sight(2, 100)}, want: []Class{Tile, Tile, Unseen, Unseen, Unseen}},
		{name: "off the screen", sights: []Sight{sight(1, 0), sight(2, -5), sight(77, 300)}, want: []Class{Unseen, Unseen, Unseen, Unseen, Unseen}},
	} {
		var d Demands
		if !c.silent {
			d.See(0, c.hidden, c.sights)
		}
		if got := classes(&d, c.speaking, now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFrontIsHeld: two who interrupt each other don't swap with every word, and whoever spoke last stays in front.
func TestFrontIsHeld(t *testing.T) {
	var d Demands
	now := time.Unix(0, 0)
	swaps, before := 0, ID(0)
	for i := range 100 {
		now = now.Add(200 * time.Millisecond)
		classes(&d, []ID{ID(1 + i%2)}, now)
		if d.front != before {
			swaps, before = swaps+1, d.front
		}
	}
	if swaps > 11 {
		t.Errorf("%d swaps in 20 s", swaps)
	}
	if got := classes(&d, nil, now.Add(time.Hour)); !slices.Contains(got, Front) {
		t.Errorf("in the silence nobody is in front: %v", got)
	}
}

// TestViewIsBounded: of a track that is named twice the larger tile counts.
func TestViewIsBounded(t *testing.T) {
	var d Demands
	sights := []Sight{sees(1, Camera, 1<<40), sees(1, Camera, 100)}
	for i := range 10_000 {
		sights = append(sights, sees(ID(i), Screen, 100))
	}
	d.See(0, false, sights)
	if n := len(d.views[0].sights); n > MaxSights {
		t.Errorf("%d sights are kept", n)
	}
	w := d.Wants([]Receiver{{ID: 0}}, []Track{named(TrackID{1, Camera})}, nil, time.Unix(0, 0))
	if w[0].Height != maxHeight {
		t.Errorf("%+v", w[0])
	}
	d.Forget(0)
	if len(d.views) != 0 {
		t.Error("a view outlives its receiver")
	}
}

// TestSees tells whose picture is on a screen.
func TestSees(t *testing.T) {
	hidden := &[]Sight{sees(1, Camera, 360)}
	for _, c := range []struct {
		name      string
		view      *[]Sight
		want, new bool
	}{
		{"nothing said", nil, true, true},
		{"a tile", &[]Sight{sees(1, Camera, 1)}, true, true},
		{"a tile without height", &[]Sight{sees(1, Camera, 0)}, false, true},
		{"a tile of another kind", &[]Sight{sees(1, Screen, 360)}, false, true},
		{"no tile", &[]Sight{sees(2, Camera, 360)}, false, true},
		{"a hidden page", hidden, false, false},
	} {
		var d Demands
		if c.view != nil {
			d.See(0, c.view == hidden, *c.view)
		}
		if got := d.Sees(0, "1", Camera, false); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := d.Sees(0, "1", Camera, true); got != c.new {
			t.Errorf("%s, new: %v", c.name, got)
		}
	}
}
