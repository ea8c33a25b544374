package capture

import "image"

// filter changes the colours of a picture in place, as Choice.Effect says. Unknown words change nothing.
func filter(p *image.YCbCr, word string) {
	switch word {
	case "warm":
		shift(p.Cb, -14)
		shift(p.Cr, 12)
	case "cool":
		shift(p.Cb, 14)
		shift(p.Cr, -12)
	case "mono":
		for _, plane := range [][]uint8{p.Cb, p.Cr} {
			for i := range plane {
				plane[i] = 128
			}
		}
	case "bright":
		for i, y := range p.Y {
			p.Y[i] = brighter[y]
		}
	}
}

// shift adds n to each value, and keeps it in range.
func shift(plane []uint8, n int) {
	for i, v := range plane {
		plane[i] = uint8(min(max(int(v)+n, 0), 255))
	}
}

// brighter lifts what is dark and leaves what is bright: twice a luma near black, the same at white.
var brighter = func() (table [256]uint8) {
	for y := range table {
		table[y] = uint8(min(y+y*(255-y)/255, 255))
	}
	return table
}()
