package forward

// VP8 says where a VP8 payload descriptor holds the numbers that differ for each receiver (RFC 7741 section 4.2). The
// zero value stands for a payload without a readable descriptor, which is forwarded unchanged.
type VP8 struct {
	hasPicture  bool
	longPicture bool   // the id has 15 bits, otherwise 7
	pictureAt   uint8  // offset of the picture id
	picture     uint16 // its value
	hasTL0      bool
	tl0At       uint8 // offset of TL0PICIDX
	tl0         uint8
	start       bool   // first packet of a frame
	Keyframe    bool   // first packet of a keyframe
	tooLarge    bool   // first packet of a keyframe that is too large to be forwarded
	height      uint16 // lines, of the first packet of a keyframe
}

// maxPicture is the largest picture that is forwarded, in pixels: 2560 × 1600 fits. A keyframe of a few bytes can
// state 16383 × 16383, for which each receiver's decoder would allocate 400 MB a frame.
const maxPicture = 1 << 22

// ParseVP8 reads a payload descriptor and the first byte of the frame.
func ParseVP8(b []byte) (d VP8) {
	if len(b) == 0 {
		return VP8{}
	}
	at := 1
	if b[0]&0x80 != 0 { // X: extended control bits
		if len(b) <= at {
			return VP8{}
		}
		control := b[at]
		at++
		if control&0x80 != 0 { // I: picture id
			if len(b) <= at {
				return VP8{}
			}
			d.hasPicture, d.pictureAt = true, uint8(at)
			if b[at]&0x80 != 0 {
				if len(b) <= at+1 {
					return VP8{}
				}
				d.longPicture = true
				d.picture = uint16(b[at]&0x7f)<<8 | uint16(b[at+1])
				at++
			} else {
				d.picture = uint16(b[at])
			}
			at++
		}
		if control&0x40 != 0 { // L: TL0PICIDX
			if len(b) <= at {
				return VP8{}
			}
			d.hasTL0, d.tl0At, d.tl0 = true, uint8(at), b[at]
			at++
		}
		if control&0x30 != 0 { // T or K: TID, Y, KEYIDX
			at++
		}
	}
	if len(b) <= at { // a descriptor without a frame
		return VP8{}
	}
	d.start = b[0]&0x10 != 0 && b[0]&0x07 == 0 // S, and partition 0
	d.Keyframe = d.start && b[at]&0x01 == 0    // P, RFC 6386 section 9.1
	if d.Keyframe {
		d.height, d.tooLarge = pictureSize(b[at:])
	}
	return d
}

// pictureSize returns the lines of a keyframe, and whether it states a size over maxPicture. It is also too large if the
// size is cut off, because decoders would read it from the next packet (RFC 6386 section 9.1).
func pictureSize(b []byte) (height uint16, tooLarge bool) {
	if len(b) < 10 {
		return 0, true
	}
	width := int(b[6]) | int(b[7]&0x3f)<<8
	lines := int(b[8]) | int(b[9]&0x3f)<<8
	return uint16(lines), width*lines > maxPicture
}

// writeVP8 writes the picture id and TL0PICIDX into a payload with descriptor d. A 7-bit picture id must have been
// lengthened before.
func writeVP8(b []byte, d VP8, picture uint16, tl0 uint8) {
	if d.hasPicture && d.longPicture {
		b[d.pictureAt] = 0x80 | uint8(picture>>8)&0x7f
		b[d.pictureAt+1] = uint8(picture)
	}
	if d.hasTL0 {
		b[d.tl0At] = tl0
	}
}

// lengthenVP8 copies a payload with a 7-bit picture id to dst[:0], makes the id 15 bits long, and returns the payload
// with its descriptor. All receivers get 15-bit ids, so that a slot never changes the width between senders.
func lengthenVP8(dst, b []byte, d VP8) ([]byte, VP8) {
	dst = append(dst[:0], b[:d.pictureAt]...)
	dst = append(dst, 0x80, b[d.pictureAt])
	dst = append(dst, b[d.pictureAt+1:]...)
	d.longPicture = true
	if d.hasTL0 {
		d.tl0At++
	}
	return dst, d
}
