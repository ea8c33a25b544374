package capture

import (
	"image"
	"io"
	"sync"
	"time"
)

// Size and rate of the synthetic picture.
const (
	syntheticWidth, syntheticHeight = 640, 360
	syntheticRate                   = 30 // pictures per second
)

// syntheticPicture draws a test picture: a moving slope of light, changing colours, and a bright disc that bounces.
// All parts of the picture look different after a second.
type syntheticPicture struct {
	slope  []uint8 // two periods of the luma slope, long enough for the longest row
	canvas *image.YCbCr
}

const (
	slopePeriod = 512 // pixels
	discRadius  = 48
)

func newSyntheticPicture() *syntheticPicture {
	p := &syntheticPicture{
		slope:  make([]uint8, 2*slopePeriod+syntheticWidth+syntheticHeight),
		canvas: image.NewYCbCr(image.Rect(0, 0, syntheticWidth, syntheticHeight), image.YCbCrSubsampleRatio420),
	}
	for i := range p.slope {
		p.slope[i] = uint8(60 + triangle(i, slopePeriod)*120/(slopePeriod/2))
	}
	return p
}

// draw draws picture n. The result is valid until the next call.
func (p *syntheticPicture) draw(n int) *image.YCbCr {
	c := p.canvas
	shift := n * 3 % slopePeriod
	for y := range syntheticHeight {
		copy(c.Y[y*c.YStride:y*c.YStride+syntheticWidth], p.slope[shift+y/2:])
	}
	for y := range syntheticHeight / 2 {
		row := y * c.CStride
		blue := uint8(88 + triangle(n*2+y, 320)/2)
		red := uint8(88 + triangle(n*3+y+200, 320)/2)
		for x := range syntheticWidth / 2 {
			c.Cb[row+x], c.Cr[row+x] = blue, red
		}
	}
	p.disc(discRadius+triangle(n*5, 2*(syntheticWidth-2*discRadius)), discRadius+triangle(n*4, 2*(syntheticHeight-2*discRadius)))
	return c
}

// disc draws an amber disc around cx, cy.
func (p *syntheticPicture) disc(cx, cy int) {
	c := p.canvas
	for y := -discRadius; y < discRadius; y++ {
		for x := -discRadius; x < discRadius; x++ {
			if x*x+y*y >= discRadius*discRadius {
				continue
			}
			c.Y[(cy+y)*c.YStride+cx+x] = 190
			i := (cy+y)/2*c.CStride + (cx+x)/2
			c.Cb[i], c.Cr[i] = 50, 165
		}
	}
}

// triangle goes from 0 to period/2 and back as i grows.
func triangle(i, period int) int {
	if i %= period; i > period/2 {
		return period - i
	}
	return i
}

// syntheticVideo is a videoSource of synthetic pictures in real time.
type syntheticVideo struct {
	picture *syntheticPicture
	begin   time.Time
	ticker  *time.Ticker
	done    chan struct{}
	close   sync.Once
}

func newSyntheticVideo() *syntheticVideo {
	return &syntheticVideo{
		picture: newSyntheticPicture(),
		begin:   time.Now(),
		ticker:  time.NewTicker(time.Second / syntheticRate),
		done:    make(chan struct{}),
	}
}

// Read implements videoSource.
func (v *syntheticVideo) Read() (*image.YCbCr, error) {
	select {
	case <-v.done:
		return nil, io.EOF
	case now := <-v.ticker.C:
		return v.picture.draw(int(now.Sub(v.begin) * syntheticRate / time.Second)), nil
	}
}

// Close implements videoSource.
func (v *syntheticVideo) Close() error {
	v.close.Do(func() {
		close(v.done)
		v.ticker.Stop()
	})
	return nil
}
