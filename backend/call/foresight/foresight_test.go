package foresight

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/share"
)

const (
	loopback = iota
	network
	internet
)

// call is a call of the host and guests who come by one way.
func call(guests, way, capacity int) *share.Input {
	in := &share.Input{Ways: []share.Way{loopback: {Capacity: share.Unlimited}, network: {Capacity: capacity}, internet: {Capacity: capacity}}}
	for i := range guests + 1 {
		id := share.ID(i + 1)
		r := share.Receiver{ID: id, Way: way, Capacity: share.Unlimited, Sound: share.Sound(guests, guests, false)}
		if i == 0 {
			r.Way = loopback
		}
		in.Receivers = append(in.Receivers, r)
		track := share.Track{ID: share.TrackID{Of: id}, Count: 1}
		track.Layers[0] = share.Layer{Height: 720, Active: true}
		in.Tracks = append(in.Tracks, track)
	}
	var d share.Demands
	in.Wants = d.Wants(in.Receivers, in.Tracks, nil, time.Unix(0, 0))
	return in
}

func TestWhatOneMoreGuestWouldDo(t *testing.T) {
	for _, c := range []struct {
		name                  string
		guests, way, capacity int
		want                  []Forecast
	}{
		{"a wide line", 2, internet, 60_000_000, nil},
		{"a line that is just enough", 3, internet, 5_500_000, []Forecast{{true, 270}}},
		{"a line that is too thin for another picture", 3, internet, 1_300_000, []Forecast{{true, 0}}},
		{"the same in the local network", 3, network, 5_500_000, []Forecast{{true, 270}}},
		{"on this computer", 3, loopback, 1_300_000, nil},
	} {
		in, now := call(c.guests, c.way, c.capacity), time.Unix(1000, 0)
		n := Newcomer(in, 99, 1, internet)
		var f Foresight
		var told []Forecast
		look := func(times int, expected bool) {
			for range times { // ten decisions a second
				if forecast, news := f.Look(in, n, 4, expected, now); news {
					told = append(told, forecast)
				}
				now = now.Add(100 * time.Millisecond)
			}
		}
		look(50, false)
		if len(told) != 0 {
			t.Errorf("%s: nobody waits, and it is told %v", c.name, told)
		}
		look(50, true)
		if !slices.Equal(told, c.want) {
			t.Errorf("%s: %v, want %v", c.name, told, c.want)
		}
		look(1, false)
		if n := len(told); n > 0 && told[n-1] != (Forecast{}) {
			t.Errorf("%s: nobody waits any more, and %v stands", c.name, told[n-1])
		}
	}
}

// TestWhatFlickersIsNotTold: a line whose estimate goes up and down is no news.
func TestWhatFlickersIsNotTold(t *testing.T) {
	in, now := call(3, internet, 5_500_000), time.Unix(1000, 0)
	var f Foresight
	for i := range 20 {
		in.Ways[internet].Capacity = []int{5_500_000, 60_000_000}[i%2]
		if forecast, news := f.Look(in, Newcomer(in, 99, 1, internet), 4, true, now); news {
			t.Errorf("told %v", forecast)
		}
		now = now.Add(every)
	}
}

func TestWhereANewcomerComesFrom(t *testing.T) {
	for _, c := range []struct{ internet, network, want int }{
		{0, 0, internet}, {1, 0, internet}, {0, 1, network}, {1, 1, internet}, {1, 2, network},
	} {
		in := call(0, loopback, 1)
		for i := range c.internet + c.network {
			way := internet
			if i >= c.internet {
				way = network
			}
			in.Receivers = append(in.Receivers, share.Receiver{ID: share.ID(10 + i), Way: way})
		}
		if got := Newcomer(in, 99, 1, internet).Receiver.Way; got != c.want {
			t.Errorf("%+v: by way %d", c, got)
		}
	}
}
