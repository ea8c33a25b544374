package x11

import (
	"image/color"
	"testing"
)

func TestColoursSurvive(t *testing.T) {
	for _, c := range []struct {
		b, g, r byte
		want    color.YCbCr
	}{
		{0, 0, 0, color.YCbCr{Y: 16, Cb: 128, Cr: 128}},
		{255, 255, 255, color.YCbCr{Y: 235, Cb: 128, Cr: 128}},
		{0, 0, 255, color.YCbCr{Y: 82, Cb: 90, Cr: 240}},
		{255, 0, 0, color.YCbCr{Y: 41, Cb: 240, Cr: 110}},
	} {
		pixels := make([]byte, 0, 4*5*3)
		for range 5 * 3 { // odd sizes are cut
			pixels = append(pixels, c.b, c.g, c.r, 9)
		}
		p := Convert(nil, pixels, 5, 3)
		if p.Rect.Dx() != 4 || p.Rect.Dy() != 2 || p.YCbCrAt(3, 1) != c.want {
			t.Errorf("%v: %v of %v, want %v", c, p.YCbCrAt(3, 1), p.Rect, c.want)
		}
		if Convert(p, pixels, 5, 3) != p {
			t.Error("memory is not used again")
		}
	}
}

func TestThePointerIsDrawn(t *testing.T) {
	pixels := make([]byte, 4*4*4)
	for i := range pixels {
		pixels[i] = 100
	}
	// Half of it is over the edge.
	blend(pixels, 4, 4, []uint32{0xff0000ff, 0xff0000ff, 0x80800000, 0}, 2, -1, -1)
	if got := [4]byte(pixels); got != [4]byte{100, 100, 100, 100} {
		t.Errorf("%v where it is clear", got)
	}
	blend(pixels, 4, 4, []uint32{0xff0000ff, 0x80800000}, 2, 2, 3)
	if got := [3]byte(pixels[4*14:]); got != [3]byte{255, 0, 0} {
		t.Errorf("%v where it is blue", got)
	}
	if got := [3]byte(pixels[4*15:]); got != [3]byte{49, 49, 177} {
		t.Errorf("%v where it is half red", got)
	}
}
