package capture

import "image"

// fit returns the size at which pictures of w × h are encoded, when they may be height lines high. It has the same
// shape, is never larger, and is even in both directions.
func fit(w, h, height int) (int, int) {
	if h > height {
		w, h = (w*height+h/2)/h, height
	}
	return max(w&^1, 2), max(h&^1, 2)
}

// scaleInto draws src into dst, a 4:2:0 picture of any size. src may have any chroma subsampling.
func scaleInto(dst, src *image.YCbCr) {
	dw, dh := dst.Rect.Dx(), dst.Rect.Dy()
	sw, sh := src.Rect.Dx(), src.Rect.Dy()
	scalePlane(dst.Y, dst.YStride, dw, dh, src.Y[src.YOffset(src.Rect.Min.X, src.Rect.Min.Y):], src.YStride, sw, sh)
	cw, ch := chromaSize(src)
	offset := src.COffset(src.Rect.Min.X, src.Rect.Min.Y)
	scalePlane(dst.Cb, dst.CStride, dw/2, dh/2, src.Cb[offset:], src.CStride, cw, ch)
	scalePlane(dst.Cr, dst.CStride, dw/2, dh/2, src.Cr[offset:], src.CStride, cw, ch)
}

func chromaSize(p *image.YCbCr) (w, h int) {
	w, h = p.Rect.Dx(), p.Rect.Dy()
	switch p.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		return (w + 1) / 2, (h + 1) / 2
	case image.YCbCrSubsampleRatio422:
		return (w + 1) / 2, h
	case image.YCbCrSubsampleRatio440:
		return w, (h + 1) / 2
	case image.YCbCrSubsampleRatio411:
		return (w + 3) / 4, h
	case image.YCbCrSubsampleRatio410:
		return (w + 3) / 4, (h + 1) / 2
	}
	return w, h
}

// scalePlane resamples by interpolating between two by two source samples around the centre of each target sample, in
// 1/65536 of a source sample. This uses every source sample when the target is at least half the size, as here.
func scalePlane(dst []uint8, dstStride, dw, dh int, src []uint8, srcStride, sw, sh int) {
	if dw == sw && dh == sh {
		for y := range dh {
			copy(dst[y*dstStride:y*dstStride+dw], src[y*srcStride:y*srcStride+sw])
		}
		return
	}
	stepX, stepY := sw<<16/dw, sh<<16/dh
	for y := range dh {
		top, bottom, fy := sampleAt(y, stepY, sh)
		a, b := src[top*srcStride:], src[bottom*srcStride:]
		row := dst[y*dstStride : y*dstStride+dw]
		for x := range row {
			left, right, fx := sampleAt(x, stepX, sw)
			upper := int(a[left])<<8 + (int(a[right])-int(a[left]))*fx
			lower := int(b[left])<<8 + (int(b[right])-int(b[left]))*fx
			row[x] = uint8((upper<<8 + (lower-upper)*fy + 1<<15) >> 16)
		}
	}
}

// sampleAt returns the two source samples around target sample i, and the weight of the second in 1/256.
func sampleAt(i, step, size int) (first, second, weight int) {
	at := max(i*step+step/2-1<<15, 0)
	first = min(at>>16, size-1)
	return first, min(first+1, size-1), at >> 8 & 0xff
}
