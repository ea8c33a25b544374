package clip

import (
	"math"
	"testing"
	"time"
)

// shelf returns clips whose frames all have their share of the rate.
func shelf() (s Shelf) {
	for _, size := range Sizes {
		for _, rate := range size.Rates {
			c := Clip{Width: size.Width, Height: size.Height, Rate: rate}
			for range 5 * FPS {
				c.Frames = append(c.Frames, make([]byte, rate/8/FPS))
			}
			for range 5 {
				c.Keys = append(c.Keys, make([]byte, 5*rate/8/FPS))
			}
			s = append(s, c)
		}
	}
	return s
}

// play plays for a second and returns the rate without keyframes, how many there were, and the height.
func play(p *Player, from time.Duration) (rate, keys, height int) {
	for i := range FPS {
		f, ok := p.Next(from + time.Duration(i)*time.Second/FPS)
		switch {
		case !ok:
		case f.Key:
			keys++
			height = f.Height
		default:
			rate += len(f.Data) * 8
			height = f.Height
		}
	}
	return rate, keys, height
}

func TestThePlayerObeys(t *testing.T) {
	p := NewPlayer(shelf(), 1_500_000, 720)
	if _, keys, height := play(p, 0); keys != 1 || height != 720 {
		t.Errorf("begins with %d keyframes at %d", keys, height)
	}
	at := time.Second
	for _, c := range []struct{ rate, height, keys int }{
		{1_500_000, 720, 0}, {1_300_000, 720, 0}, {500_000, 360, 1}, {300_000, 360, 0}, {80_000, 180, 1}, {30_000, 180, 0},
		{90_000, 180, 0}, {900_000, 180, 0}, {900_000, 180, 0}, {900_000, 720, 1}, {900_000, 720, 0},
	} {
		p.SetRate(c.rate)
		rate, keys, height := play(p, at)
		want := c.rate
		if c.height == 180 {
			want = min(want, 160_000)
		}
		if math.Abs(float64(rate-want)) > 0.1*float64(want) && c.keys == 0 || keys != c.keys || height != c.height {
			t.Errorf("at %d: %d bit/s, %d keyframes, %d lines; want %+v", c.rate, rate, keys, height, c)
		}
		at += time.Second
	}
}

func TestKeyframesHaveAPause(t *testing.T) {
	p := NewPlayer(shelf(), 600_000, 360)
	keys := 0
	for i := range 90 {
		p.WantKeyframe()
		if f, ok := p.Next(time.Duration(i) * time.Second / FPS); ok && f.Key {
			keys++
		}
	}
	if keys < 9 || keys > 10 {
		t.Errorf("%d keyframes in three seconds", keys)
	}
	if f := p.shelf.For(5_000_000, 360); f.Height != 360 || f.Rate != 600_000 {
		t.Errorf("%d lines at %d", f.Height, f.Rate)
	}
}
