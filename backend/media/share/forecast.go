package share

import (
	"slices"
	"time"
)

// Forecast is what letting one more participant in does to the pictures that the others see.
type Forecast struct {
	// Before and After are the heights of the picture in the middle, in lines. 0 is a picture that pauses.
	Before, After int
}

// Newcomer is a participant who is about to be let in, as far as it can be guessed.
type Newcomer struct {
	Receiver Receiver // its sound is the largest of the others', or one voice
	Track    Track
}

// Forecaster tells what letting somebody in does. The zero value is ready. It is not safe for concurrent use.
type Forecaster struct {
	allocator Allocator
	receivers []Receiver
	tracks    []Track
	wants     []Want
}

// Admit compares a call without and with a newcomer who looks at everybody, and at whom everybody looks. One more voice
// may be heard, if those that there are leave places free. Both decisions are made as if the call began, so that waits
// and memories don't count. ok is false if no picture gets smaller.
func (f *Forecaster) Admit(in *Input, n Newcomer, places int) (forecast Forecast, ok bool) {
	before := f.typical(in)
	tracks := len(in.Tracks)
	if len(in.Wants) < len(in.Receivers)*tracks {
		return Forecast{}, false
	}
	f.tracks = append(append(f.tracks[:0], in.Tracks...), n.Track)
	f.receivers, f.wants = f.receivers[:0], f.wants[:0]
	height := gridHeight(tracks + 1)
	sound := 0
	for r, receiver := range in.Receivers {
		receiver.Sound = max(receiver.Sound, min(receiver.Sound+SoundRate, Sound(places, places, false)))
		sound = max(sound, receiver.Sound)
		f.receivers = append(f.receivers, receiver)
		f.wants = append(append(f.wants, in.Wants[r*tracks:][:tracks]...), Want{Tile, height})
	}
	n.Receiver.Sound = max(sound, SoundRate)
	f.receivers = append(f.receivers, n.Receiver)
	for range in.Tracks {
		f.wants = append(f.wants, Want{Tile, height})
	}
	f.wants = append(f.wants, Want{})
	after := f.typicalOf(&Input{Ways: in.Ways, Receivers: f.receivers, Tracks: f.tracks, Wants: f.wants}, len(in.Receivers), tracks)
	return Forecast{before, after}, after < before
}

func (f *Forecaster) typical(in *Input) int {
	return f.typicalOf(in, len(in.Receivers), len(in.Tracks))
}

// typicalOf decides afresh, and returns the height in the middle of what the first receivers get of the first tracks.
func (f *Forecaster) typicalOf(in *Input, receivers, tracks int) int {
	f.allocator.forget()
	f.allocator.Allocate(in, time.Unix(0, 0))
	height, _ := f.allocator.middle(in, -1, receivers, tracks)
	return height
}

// Uplink is what a way carries, and in which height its receivers are shown.
type Uplink struct {
	Rate   int // bit/s, to two digits
	Height int // lines of the picture in the middle; 0 if most pause
	Paused int // pictures that the way is too poor for
}

// Uplink tells what the way with this index carries, for the host to read. in is the input of the last decision. ok is
// false if the way is not known to be limited, or if nobody looks at a picture by it.
func (a *Allocator) Uplink(in *Input, way int) (u Uplink, ok bool) {
	if way < 0 || way >= len(in.Ways) || in.Ways[way].Capacity >= Unlimited || len(a.pairs) != len(in.Receivers)*len(in.Tracks) {
		return Uplink{}, false
	}
	u.Rate = about(in.Ways[way].Capacity)
	u.Height, ok = a.middle(in, way, len(in.Receivers), len(in.Tracks))
	for r, receiver := range in.Receivers {
		if receiver.Way != way {
			continue
		}
		for t := range in.Tracks {
			if p := &a.pairs[r*len(in.Tracks)+t]; p.class != Unseen && p.reason == HostLine {
				u.Paused++
			}
		}
	}
	return u, ok
}

// about rounds a rate down to two digits.
func about(rate int) int {
	unit := 1
	for rate/unit >= 100 {
		unit *= 10
	}
	return rate / unit * unit
}

// middle returns the height in the middle of what the first receivers of a way get of the first tracks, without
// thumbnails. The way -1 is all of them. ok is false if they look at nothing.
func (a *Allocator) middle(in *Input, way, receivers, tracks int) (height int, ok bool) {
	a.heights = a.heights[:0]
	for r := range receivers {
		if way >= 0 && in.Receivers[r].Way != way {
			continue
		}
		for t := range tracks {
			p := &a.pairs[r*len(in.Tracks)+t]
			switch {
			case p.class < Tile:
			case p.now < 0:
				a.heights = append(a.heights, 0)
			case in.Tracks[t].Count == 1 && in.Tracks[t].ID.Kind == Camera:
				a.heights = append(a.heights, a.streams[t*MaxLayers].height)
			default:
				a.heights = append(a.heights, a.streams[t*MaxLayers+int(p.now)].lines)
			}
		}
	}
	if len(a.heights) == 0 {
		return 0, false
	}
	slices.Sort(a.heights)
	return a.heights[(len(a.heights)-1)/2], true
}

// forget makes the next decision the first one.
func (a *Allocator) forget() {
	a.begun, a.now = time.Time{}, 0
	a.receivers, a.tracks = a.receivers[:0], a.tracks[:0]
	a.lines = a.lines[:0]
}
