//go:build cgo && linux

package clips

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"github.com/porch-call/porch/backend/media/capture/internal/vp8"
)

// Make codes frames of drawn pictures at bitrate (bit/s) and fps frames a second. deltas are all frames of one run; the
// first is a keyframe. keys are keyframes of the same pictures, one for each second. A frame that the rate control
// dropped is nil.
func Make(width, height, bitrate, fps, frames int) (deltas, keys [][]byte, err error) {
	run := func(key func(n int) bool) (coded [][]byte, err error) {
		e, err := vp8.NewEncoder(vp8.Config{Width: width, Height: height, Bitrate: bitrate})
		if err != nil {
			return nil, fmt.Errorf("clips: %w", err)
		}
		defer e.Close()
		d := newDrawing(width, height)
		tick := vp8.ClockRate / fps
		for n := range frames {
			b, _, err := e.Encode(d.frame(n, fps), int64(n*tick), uint32(tick), key(n))
			if err != nil {
				return nil, fmt.Errorf("clips: %w", err)
			}
			coded = append(coded, b)
		}
		return coded, nil
	}
	if deltas, err = run(func(n int) bool { return n == 0 }); err != nil {
		return nil, nil, err
	}
	all, err := run(func(n int) bool { return n%fps == 0 })
	if err != nil {
		return nil, nil, err
	}
	for n := 0; n < frames; n += fps {
		keys = append(keys, all[n])
	}
	return deltas, keys, nil
}

// drawing draws pictures.
type drawing struct {
	picture *image.YCbCr
	still   []uint8 // the background's luma
	noise   []int8
	random  *rand.Rand
}

func newDrawing(width, height int) *drawing {
	d := &drawing{
		picture: image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420),
		still:   make([]uint8, width*height), noise: make([]int8, 1<<16),
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // not a secret
	}
	for i := range d.noise {
		d.noise[i] = int8(d.random.NormFloat64() * 2.5)
	}
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width)*1280, float64(y)/float64(height)*720
			luma := 110 + 40*math.Sin(u/37)*math.Cos(v/29) + 20*math.Sin(u*v/9000) + 9*d.random.NormFloat64()
			d.still[y*width+x] = uint8(min(max(luma, 16), 235))
		}
	}
	for i := range d.picture.Cb {
		d.picture.Cb[i], d.picture.Cr[i] = 120, 134
	}
	return d
}

// frame draws picture n.
func (d *drawing) frame(n, fps int) *image.YCbCr {
	p := d.picture
	width, height := p.Rect.Dx(), p.Rect.Dy()
	t := float64(n) / float64(fps)
	cx := float64(width) * (0.5 + 0.06*math.Sin(2*t) + 0.02*math.Sin(7*t))
	cy := float64(height) * (0.52 + 0.03*math.Sin(3*t))
	rx, ry := float64(width)*0.17, float64(height)*0.36
	offset := d.random.IntN(len(d.noise))
	for y := range height {
		for x := range width {
			at := y*width + x
			luma := int(d.still[at])
			u, v := (float64(x)-cx)/rx, (float64(y)-cy)/ry
			if u*u+v*v < 1 {
				luma = 150 + int(35*math.Sin(9*u)*math.Cos(7*v+math.Sin(5*t)))
				if v > 0.35 && v < 0.35+0.18*math.Abs(math.Sin(8*t)) && math.Abs(u) < 0.35 { // a mouth that talks
					luma = 60
				}
			}
			p.Y[y*p.YStride+x] = uint8(min(max(luma+int(d.noise[(at+offset)&0xffff]), 16), 235))
		}
	}
	return p
}
