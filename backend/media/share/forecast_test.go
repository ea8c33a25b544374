package share

import "testing"

func newcomer() Newcomer {
	return Newcomer{Receiver: Receiver{ID: 99, Way: wan, Capacity: 10_000_000}, Track: camera(99, 1)}
}

func TestForecast(t *testing.T) {
	for _, c := range []struct {
		name           string
		guests, uplink int
		want           Forecast
		ok             bool
	}{
		{"much room", 2, 50_000_000, Forecast{540, 540}, false},
		{"a line that is just enough for three", 3, 5_500_000, Forecast{360, 270}, true},
		{"a line that is too thin already", 4, 1_100_000, Forecast{0, 0}, false},
		{"pictures begin to pause", 3, 1_300_000, Forecast{180, 0}, true},
	} {
		w := newWorld(t, c.guests, 1, c.uplink)
		w.run(5)
		var f Forecaster
		got, ok := f.Admit(&w.in, newcomer(), 4)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, got, ok, c.want, c.ok)
		}
		// It changes nothing, and comes true.
		before := append([]Choice(nil), w.plan.choices...)
		w.run(1)
		for i, choice := range w.plan.choices {
			if choice != before[i] {
				t.Errorf("%s: pair %d was %+v and is %+v after the forecast", c.name, i, before[i], choice)
			}
		}
		w.in.Receivers = append(w.in.Receivers, newcomer().Receiver)
		w.in.Tracks = append(w.in.Tracks, newcomer().Track)
		w.last = nil
		w.run(20)
		if u, _ := w.allocator.Uplink(&w.in, wan); c.ok && u.Height > c.want.After {
			t.Errorf("%s: %+v was forecast, and it is %+v", c.name, c.want, u)
		}
	}
}

func TestUplinkWords(t *testing.T) {
	w := newWorld(t, 3, 1, 4_678_000)
	w.run(20)
	if u, ok := w.allocator.Uplink(&w.in, wan); !ok || u != (Uplink{4_600_000, 360, 0}) {
		t.Errorf("%+v %v", u, ok)
	}
	w.in.Ways[wan].Capacity = 900_000
	w.run(20)
	if u, ok := w.allocator.Uplink(&w.in, wan); !ok || u.Rate != 900_000 || u.Paused == 0 {
		t.Errorf("%+v %v", u, ok)
	}
	for _, way := range []int{-1, loopback, 2} {
		if u, ok := w.allocator.Uplink(&w.in, way); ok {
			t.Errorf("way %d: %+v", way, u)
		}
	}
	for rate, want := range map[int]int{4_678_000: 4_600_000, 999_999: 990_000, 12_345_678: 12_000_000, 99: 99, 0: 0} {
		if got := about(rate); got != want {
			t.Errorf("%d is about %d, want %d", rate, got, want)
		}
	}
}

func TestForecastAllocatesNothing(t *testing.T) {
	w := fullCall(33)
	w.run(5)
	var f Forecaster
	n := newcomer()
	f.Admit(&w.in, n, 4)
	if allocs := testing.AllocsPerRun(20, func() { f.Admit(&w.in, n, 4) }); allocs > 0 {
		t.Errorf("a forecast allocates %g times", allocs)
	}
}
