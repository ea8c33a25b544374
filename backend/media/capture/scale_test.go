package capture

import (
	"image"
	"testing"
)

func TestFit(t *testing.T) {
	for _, c := range []struct{ w, h, height, wantW, wantH int }{
		{1280, 720, 360, 640, 360},
		{640, 480, 360, 480, 360},
		{640, 360, 720, 640, 360},
		{641, 361, 720, 640, 360},
		{1080, 1920, 720, 404, 720},
		{1, 1, 360, 2, 2},
		{4000, 10, 360, 4000, 10},
	} {
		if w, h := fit(c.w, c.h, c.height); w != c.wantW || h != c.wantH {
			t.Errorf("%d × %d in %d lines: %d × %d, want %d × %d", c.w, c.h, c.height, w, h, c.wantW, c.wantH)
		}
	}
}

// A slope stays a slope with all sizes and subsamplings.
func TestScaleKeepsWhatIsSeen(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio444,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		for _, size := range []image.Point{{640, 480}, {1280, 720}, {641, 363}, {320, 180}} {
			src := image.NewYCbCr(image.Rect(0, 0, size.X, size.Y), ratio)
			for y := range size.Y {
				for x := range size.X {
					src.Y[src.YOffset(x, y)] = uint8(x * 200 / size.X)
					src.Cb[src.COffset(x, y)] = uint8(y * 200 / size.Y)
					src.Cr[src.COffset(x, y)] = uint8(255 - x*200/size.X)
				}
			}
			w, h := fit(size.X, size.Y, 360)
			dst := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
			scaleInto(dst, src)
			for _, at := range []image.Point{{0, 0}, {w / 2, h / 2}, {w - 1, h - 1}, {w / 3, h - 1}} {
				got := dst.YCbCrAt(at.X, at.Y)
				for _, c := range []struct {
					name      string
					got, want int
				}{
					{"Y", int(got.Y), at.X * 200 / w},
					{"Cb", int(got.Cb), at.Y * 200 / h},
					{"Cr", int(got.Cr), 255 - at.X*200/w},
				} {
					if magnitude(c.got-c.want) > 5 {
						t.Errorf("%v %v at %v: %s is %d, want %d", ratio, size, at, c.name, c.got, c.want)
					}
				}
			}
		}
	}
}

func TestSyntheticPictureChangesEverywhere(t *testing.T) {
	p := newSyntheticPicture()
	copyOf := func(n int) *image.YCbCr {
		c := *p.draw(n)
		c.Y = append([]uint8(nil), c.Y...)
		c.Cb = append([]uint8(nil), c.Cb...)
		return &c
	}
	was := copyOf(0)
	for n := 30; n < 3000; n += 30 {
		now := copyOf(n)
		if d := difference(was, now); d < 8 {
			t.Errorf("picture %d differs by %.1f from the one a second before", n, d)
		}
		was = now
	}
}

// difference returns the mean absolute difference between two pictures' luma.
func difference(a, b *image.YCbCr) float64 {
	var sum int
	for i := range a.Y {
		sum += magnitude(int(a.Y[i]) - int(b.Y[i]))
	}
	return float64(sum) / float64(len(a.Y))
}

func BenchmarkScale720(b *testing.B) {
	src := image.NewYCbCr(image.Rect(0, 0, 1280, 720), image.YCbCrSubsampleRatio422)
	dst := image.NewYCbCr(image.Rect(0, 0, 640, 360), image.YCbCrSubsampleRatio420)
	for b.Loop() {
		scaleInto(dst, src)
	}
}

func BenchmarkSyntheticPicture(b *testing.B) {
	p := newSyntheticPicture()
	n := 0
	for b.Loop() {
		p.draw(n)
		n++
	}
}
