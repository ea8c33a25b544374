package share

import (
	"slices"
	"time"
)

// Class is how much a picture matters to a receiver. A higher one comes first.
type Class uint8

// Classes of pictures.
const (
	Unseen Class = iota // hidden, off the screen, or the receiver's own
	Thumb               // a small tile beside a large one
	Tile
	Front // pinned, or of the participant who speaks
	Shared
)

// weights are the parts of a budget that pictures of each class get.
var weights = [...]float64{Unseen: 0, Thumb: 0.5, Tile: 1, Front: 4, Shared: 8}

// Want is what a receiver wants of a picture.
type Want struct {
	Class  Class
	Height uint16 // of its tile on the receiver's screen, in lines of the screen; not 0 unless Unseen
}

// Sight is one tile of a view.
type Sight struct {
	Of     string // [Track.Name]
	Kind   Kind
	Height int // lines of the screen: CSS pixels by the device's pixel ratio
}

// Bounds of what a receiver may say of its screen. A view that says more is cut, not refused.
const (
	MaxSights = 256  // tiles
	maxHeight = 2160 // lines
)

const (
	// thumbHeight is the height up to which a tile is a thumbnail if another one is pinned. The page's band beside a
	// pinned tile is 140 to 280 CSS pixels wide (frontend/src/call/model/layout.ts).
	thumbHeight = 160
	// pinned is how many times higher than every other tile the tile is that the receiver has pinned.
	pinned = 1.5
	// frontHold is how long whoever speaks is in front at least, so that two who interrupt each other don't take the
	// rate from each other with every word.
	frontHold = 2 * time.Second
)

// Demands keeps what the receivers of a call look at. It is not safe for concurrent use.
type Demands struct {
	views map[ID]view

	front   ID // who spoke last
	hasOne  bool
	frontAt time.Time

	wants []Want // what Wants returned last
}

type view struct {
	hidden bool
	sights map[picture]int // heights; of two tiles of one picture, that of the larger
}

type picture struct {
	of   string
	kind Kind
}

// See takes what a receiver has on its screen, from a view message. It keeps no reference to sights. Sights of
// pictures that are not in the call count once those are. Before the first view, and after [Demands.Forget], the receiver counts as
// one that shows everybody in a grid.
func (d *Demands) See(receiver ID, hidden bool, sights []Sight) {
	if d.views == nil {
		d.views = make(map[ID]view)
	}
	v := d.views[receiver]
	if v.hidden = hidden; v.sights == nil {
		v.sights = make(map[picture]int)
	}
	clear(v.sights)
	for _, s := range sights[:min(len(sights), MaxSights)] {
		if s.Height > 0 {
			p := picture{s.Of, s.Kind}
			v.sights[p] = max(v.sights[p], min(s.Height, maxHeight))
		}
	}
	d.views[receiver] = v
}

// Sees reports whether a receiver has a picture on its screen. A new one is on each screen that is not hidden, because the
// pages have no tile for it yet.
func (d *Demands) Sees(receiver ID, of string, kind Kind, isNew bool) bool {
	v, known := d.views[receiver]
	return !known || !v.hidden && (isNew || v.sights[picture{of, kind}] > 0)
}

// Forget drops what a receiver said, for example because it has left.
func (d *Demands) Forget(receiver ID) { delete(d.views, receiver) }

// Wants returns what the receivers want of the tracks: one row for each receiver, with one want for each track.
// speaking are those who speak, the loudest first. The slice is valid until the next call.
func (d *Demands) Wants(receivers []Receiver, tracks []Track, speaking []ID, now time.Time) []Want {
	d.lead(speaking, now)
	n := len(receivers) * len(tracks)
	d.wants = slices.Grow(d.wants[:0], n)[:n]
	for r, receiver := range receivers {
		row := d.wants[r*len(tracks):][:len(tracks)]
		v, known := d.views[receiver.ID]
		if !known {
			d.grid(row, receiver.ID, tracks)
			continue
		}
		d.look(row, receiver.ID, tracks, v)
	}
	return d.wants
}

// lead notes who is in front. Whoever spoke last stays there until another one speaks.
func (d *Demands) lead(speaking []ID, now time.Time) {
	switch {
	case len(speaking) == 0 || d.hasOne && speaking[0] == d.front:
	case d.hasOne && now.Sub(d.frontAt) < frontHold:
	default:
		d.front, d.hasOne, d.frontAt = speaking[0], true, now
	}
}

func (d *Demands) leads(id ID) bool { return d.hasOne && d.front == id }

// gridHeight returns the height of a tile if a screen of 1080 lines shows so many.
func gridHeight(tiles int) uint16 {
	switch {
	case tiles <= 1:
		return 1080
	case tiles <= 4:
		return 540
	case tiles <= 9:
		return 360
	case tiles <= 16:
		return 270
	}
	return 180
}

// grid fills the row of a receiver that never said what it looks at: everybody in tiles of one size, its own picture
// among them. In a call of two, the other one has the whole screen.
func (d *Demands) grid(row []Want, receiver ID, tracks []Track) {
	others := 0
	for _, t := range tracks {
		if t.ID.Of != receiver {
			others++
		}
	}
	height := gridHeight(1)
	if others > 1 {
		height = gridHeight(others + 1)
	}
	for i, t := range tracks {
		switch {
		case t.ID.Of == receiver:
			row[i] = Want{}
		case t.ID.Kind == Screen:
			row[i] = Want{Shared, gridHeight(1)}
		case d.leads(t.ID.Of):
			row[i] = Want{Front, height}
		default:
			row[i] = Want{Tile, height}
		}
	}
}

// look fills the row of a receiver from its view.
func (d *Demands) look(row []Want, receiver ID, tracks []Track, v view) {
	clear(row)
	if v.hidden {
		return
	}
	first, second := 0, 0 // heights of the two highest tiles
	for i, t := range tracks {
		if t.ID.Of == receiver {
			continue
		}
		height := v.sights[picture{t.Name, t.ID.Kind}]
		if height == 0 {
			continue
		}
		row[i] = Want{Tile, uint16(height)}
		if height > first {
			first, second = height, first
		} else {
			second = max(second, height)
		}
	}
	alone := float64(first) >= pinned*float64(second)
	for i, t := range tracks {
		if row[i].Class != Unseen {
			row[i].Class = d.class(t.ID, int(row[i].Height), first, alone)
		}
	}
}

// class returns the class of a tile. first is the height of the highest one, which is pinned if it is alone.
func (d *Demands) class(t TrackID, height, first int, alone bool) Class {
	small := height <= thumbHeight && height < first
	switch {
	case t.Kind == Screen && !small:
		return Shared
	case alone && height == first:
		return Front
	case d.leads(t.Of) && small:
		return Tile
	case d.leads(t.Of):
		return Front
	case small:
		return Thumb
	}
	return Tile
}
