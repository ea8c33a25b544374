package capture

import (
	"image"
	"sync/atomic"
	"testing"
)

func TestALimitBoundsWhatIsEncoded(t *testing.T) {
	able := quality{720, 900_000}
	for _, c := range []struct {
		bitrate, lines int
		want           quality
	}{
		{0, 0, able},
		{1_500_000, 1080, quality{720, 1_494_000}},
		{300_000, 270, quality{270, 279_000}},
		{200_000, 720, quality{720, 200_000}},
		{0, 360, quality{360, 900_000}},
		{1, 1, quality{leastHeight, leastBitrate}},
	} {
		var l limit
		l.set(c.bitrate, c.lines)
		if got := l.bound(able); got != c.want {
			t.Errorf("%d bit/s, %d lines: %+v, want %+v", c.bitrate, c.lines, got, c.want)
		}
	}
}

// ratedEncoder notes the rates that it is set to.
type ratedEncoder struct {
	fakeEncoder
	rates chan<- int
}

func (e ratedEncoder) SetBitrate(rate int) error {
	e.rates <- rate
	return nil
}

// TestALimitReachesTheEncoder limits a running camera to a rate, and then to another size.
func TestALimitReachesTheEncoder(t *testing.T) {
	source, out, rates := newFakeCamera(), make(chan emitted, 100), make(chan int, 100)
	var l limit
	c := startCamera(source, cameraOptions{
		encode: func(q quality, size image.Rectangle) (videoEncoder, error) {
			rates <- q.bitrate
			return ratedEncoder{fakeEncoder{size}, rates}, nil
		},
		clock:  videoClock,
		fixed:  &ladder[startStep],
		unseen: new(atomic.Bool),
		limit:  &l,
		emit:   func(payload []byte, key bool, at int64) { out <- emitted{payload, key, at} },
	})
	t.Cleanup(func() { _ = c.Close() })
	source.pictures <- blank(1280, 720)
	receive(t, "a frame", out)
	if rate := receive(t, "a rate", rates); rate != ladder[startStep].bitrate {
		t.Errorf("begins with %d bit/s", rate)
	}
	l.set(200_000, 360)
	source.pictures <- blank(1280, 720)
	receive(t, "a frame", out)
	if rate := receive(t, "a lower rate", rates); rate != 200_000 {
		t.Errorf("%d bit/s", rate)
	}
	l.set(120_000, 180)
	for n := 0; ; n++ { // a picture or two may be scaled already
		source.pictures <- blank(1280, 720)
		if receive(t, "a frame", out).payload[1] == 18 {
			break
		}
		if n > 5 {
			t.Fatal("the size stays")
		}
	}
	for rate := range rates {
		if rate == 120_000 {
			break
		}
	}
}
