package capture

import (
	"image"
	"testing"
)

func TestFilter(t *testing.T) {
	mean := func(plane []uint8) (sum int) {
		for _, v := range plane {
			sum += int(v)
		}
		return sum / len(plane)
	}
	measure := func(word string) (y, cb, cr int) {
		p := image.NewYCbCr(image.Rect(0, 0, 64, 36), image.YCbCrSubsampleRatio420)
		for i := range p.Y {
			p.Y[i] = uint8(20 + i%60)
		}
		for i := range p.Cb {
			p.Cb[i], p.Cr[i] = uint8(60+i%140), uint8(250-i%140)
		}
		filter(p, word)
		return mean(p.Y), mean(p.Cb), mean(p.Cr)
	}
	y, cb, cr := measure("")
	if wy, wcb, wcr := measure("warm"); wy != y || wcb >= cb-10 || wcr <= cr {
		t.Errorf("warm: %d %d %d of %d %d %d", wy, wcb, wcr, y, cb, cr)
	}
	if cy, ccb, ccr := measure("cool"); cy != y || ccb <= cb+10 || ccr >= cr {
		t.Errorf("cool: %d %d %d of %d %d %d", cy, ccb, ccr, y, cb, cr)
	}
	if my, mcb, mcr := measure("mono"); my != y || mcb != 128 || mcr != 128 {
		t.Errorf("mono: %d %d %d", my, mcb, mcr)
	}
	if by, bcb, _ := measure("bright"); by < y*3/2 || bcb != cb {
		t.Errorf("bright: %d of %d", by, y)
	}
	for v := 1; v < 256; v++ {
		if brighter[v] < brighter[v-1] {
			t.Fatalf("at %d it gets darker", v)
		}
	}
}
