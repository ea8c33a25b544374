package x11

import "image"

// Convert makes a 4:2:0 picture (BT.601, as VP8 has it) of pixels as [Grabber.Grab] returns them, of w × h. into is used
// again if it has the size. Sizes are cut to even ones.
func Convert(into *image.YCbCr, pixels []byte, w, h int) *image.YCbCr {
	stride := 4 * w
	w, h = max(w&^1, 2), max(h&^1, 2)
	if into == nil || into.Rect.Dx() != w || into.Rect.Dy() != h {
		into = image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	}
	for y := 0; y < h; y += 2 {
		upper, lower := pixels[y*stride:][:4*w], pixels[(y+1)*stride:][:4*w]
		y0, y1 := into.Y[y*into.YStride:][:w], into.Y[(y+1)*into.YStride:][:w]
		cb, cr := into.Cb[y/2*into.CStride:][:w/2], into.Cr[y/2*into.CStride:][:w/2]
		for x := 0; x < w; x += 2 {
			a, b := upper[4*x:4*x+8:4*x+8], lower[4*x:4*x+8:4*x+8]
			y0[x], y0[x+1] = luma(a[2], a[1], a[0]), luma(a[6], a[5], a[4])
			y1[x], y1[x+1] = luma(b[2], b[1], b[0]), luma(b[6], b[5], b[4])
			blue := int32(a[0]) + int32(a[4]) + int32(b[0]) + int32(b[4])
			green := int32(a[1]) + int32(a[5]) + int32(b[1]) + int32(b[5])
			red := int32(a[2]) + int32(a[6]) + int32(b[2]) + int32(b[6])
			cb[x/2] = uint8((112*blue-38*red-74*green+512)>>10 + 128)
			cr[x/2] = uint8((112*red-94*green-18*blue+512)>>10 + 128)
		}
	}
	return into
}

func luma(r, g, b uint8) uint8 {
	return uint8((66*uint32(r)+129*uint32(g)+25*uint32(b)+128)>>8 + 16)
}

// blend draws a picture of pixels with premultiplied alpha over another one.
func blend(under []byte, w, h int, over []uint32, width, left, top int) {
	for i, p := range over {
		x, y := left+i%width, top+i/width
		if x < 0 || y < 0 || x >= w || y >= h {
			continue
		}
		at := under[4*(y*w+x):][:3]
		rest := 255 - p>>24
		for c := range at {
			at[c] = uint8(min(p>>(8*c)&0xff+uint32(at[c])*rest/255, 255))
		}
	}
}
