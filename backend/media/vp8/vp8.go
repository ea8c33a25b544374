// Package vp8 reads VP8 payload descriptors, and writes the numbers in them (RFC 7741 section 4.2). It does no I/O.
package vp8

// Descriptor says where a VP8 payload descriptor holds the numbers that differ for each receiver (RFC 7741 section 4.2). The
// zero value stands for a payload without a readable descriptor, which is forwarded unchanged.
type Descriptor struct {
	HasPicture  bool
	LongPicture bool   // the id has 15 bits, otherwise 7
	PictureAt   uint8  // offset of the picture id
	Picture     uint16 // its value
	HasTL0      bool
	TL0At       uint8 // offset of TL0PICIDX
	TL0         uint8
	Temporal    uint8  // temporal layer (TID); 0 if it tells none
	Sync        bool   // the frame depends on the temporal layer 0 alone (Y)
	Start       bool   // first packet of a frame
	Keyframe    bool   // first packet of a keyframe
	TooLarge    bool   // first packet of a keyframe that is too large to be forwarded
	Height      uint16 // lines, of the first packet of a keyframe
}

// maxPicture is the largest picture that is forwarded, in pixels: 2560 × 1600 fits. A keyframe of a few bytes can
// state 16383 × 16383, for which each receiver's decoder would allocate 400 MB a frame.
const maxPicture = 1 << 22

// Parse reads a payload descriptor and the first byte of the frame.
func Parse(b []byte) (d Descriptor) {
	if len(b) == 0 {
		return Descriptor{}
	}
	at := 1
	if b[0]&0x80 != 0 { // X: extended control bits
		if len(b) <= at {
			return Descriptor{}
		}
		control := b[at]
		at++
		if control&0x80 != 0 { // I: picture id
			if len(b) <= at {
				return Descriptor{}
			}
			d.HasPicture, d.PictureAt = true, uint8(at)
			if b[at]&0x80 != 0 {
				if len(b) <= at+1 {
					return Descriptor{}
				}
				d.LongPicture = true
				d.Picture = uint16(b[at]&0x7f)<<8 | uint16(b[at+1])
				at++
			} else {
				d.Picture = uint16(b[at])
			}
			at++
		}
		if control&0x40 != 0 { // L: TL0PICIDX
			if len(b) <= at {
				return Descriptor{}
			}
			d.HasTL0, d.TL0At, d.TL0 = true, uint8(at), b[at]
			at++
		}
		if control&0x30 != 0 { // T or K: TID, Y, KEYIDX
			if control&0x20 != 0 && len(b) > at {
				d.Temporal, d.Sync = b[at]>>6, b[at]&0x20 != 0
			}
			at++
		}
	}
	if len(b) <= at { // a descriptor without a frame
		return Descriptor{}
	}
	d.Start = b[0]&0x10 != 0 && b[0]&0x07 == 0 // S, and partition 0
	d.Keyframe = d.Start && b[at]&0x01 == 0    // P, RFC 6386 section 9.1
	if d.Keyframe {
		d.Height, d.TooLarge = pictureSize(b[at:])
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

// Write writes the picture id and TL0PICIDX into a payload with descriptor d. A 7-bit picture id must have been
// lengthened before.
func Write(b []byte, d Descriptor, picture uint16, tl0 uint8) {
	if d.HasPicture && d.LongPicture {
		b[d.PictureAt] = 0x80 | uint8(picture>>8)&0x7f
		b[d.PictureAt+1] = uint8(picture)
	}
	if d.HasTL0 {
		b[d.TL0At] = tl0
	}
}

// Lengthen copies a payload with a 7-bit picture id to dst[:0], makes the id 15 bits long, and returns the payload
// with its descriptor. All receivers get 15-bit ids, so that a slot never changes the width between senders.
func Lengthen(dst, b []byte, d Descriptor) ([]byte, Descriptor) {
	dst = append(dst[:0], b[:d.PictureAt]...)
	dst = append(dst, 0x80, b[d.PictureAt])
	dst = append(dst, b[d.PictureAt+1:]...)
	d.LongPicture = true
	if d.HasTL0 {
		d.TL0At++
	}
	return dst, d
}
