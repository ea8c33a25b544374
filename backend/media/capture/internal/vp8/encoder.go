//go:build cgo && (linux || porch_native)

package vp8

// #cgo pkg-config: vpx
// #include "encoder.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"github.com/porch-call/porch/backend/media/codec"
)

// ClockRate is the number of timestamp units per second (RFC 7741 section 4.1).
const ClockRate = codec.VideoClockRate

// speed is libvpx's cpu-used. Negative values set a fixed speed. Positive ones let libvpx measure wall-clock time,
// which goes wrong on a busy machine.
const speed = -8

var errClosed = errors.New("vp8: encoder closed")

// Config is the size and rate of the pictures. Width and Height must be even.
type Config struct {
	Width, Height int
	Bitrate       int // bit/s
	Threads       int // 0 for one
	// Screen is for text: pictures are left out rather than coarse, and what does not move costs nothing.
	Screen bool
}

// Encoder encodes pictures of one size. It is not safe for concurrent use.
type Encoder struct {
	config Config
	handle *C.porch_vp8_encoder
}

// NewEncoder opens an encoder. It must be closed.
func NewEncoder(c Config) (*Encoder, error) {
	if c.Width <= 0 || c.Height <= 0 || c.Width%2 != 0 || c.Height%2 != 0 || c.Width > 1<<14-1 || c.Height > 1<<14-1 {
		return nil, fmt.Errorf("vp8: picture of %d × %d", c.Width, c.Height)
	}
	c.Threads = max(c.Threads, 1)
	var code, screen C.int
	if c.Screen {
		screen = 1
	}
	handle := C.porch_vp8_open(C.uint(c.Width), C.uint(c.Height), kbps(c.Bitrate), C.uint(c.Threads), speed, screen, &code)
	if handle == nil {
		return nil, libError("open", code)
	}
	return &Encoder{config: c, handle: handle}, nil
}

// Encode encodes a 4:2:0 picture of the encoder's size. at is in 1/[ClockRate] s and must grow. duration is the time
// to the next picture in the same unit. It returns nil if the rate control drops the picture.
func (e *Encoder) Encode(picture *image.YCbCr, at int64, duration uint32, key bool) (payload []byte, isKey bool, err error) {
	if e.handle == nil {
		return nil, false, errClosed
	}
	if err := e.check(picture); err != nil {
		return nil, false, err
	}
	var (
		data   *C.uint8_t
		size   C.size_t
		gotKey C.int
		ask    C.int
	)
	if key {
		ask = 1
	}
	code := C.porch_vp8_encode(e.handle,
		(*C.uint8_t)(unsafe.SliceData(picture.Y)), (*C.uint8_t)(unsafe.SliceData(picture.Cb)), (*C.uint8_t)(unsafe.SliceData(picture.Cr)),
		C.int(picture.YStride), C.int(picture.CStride), C.int64_t(at), C.ulong(max(duration, 1)), ask, &data, &size, &gotKey) //nolint:gocritic // the comparison is one that cgo writes
	if code != 0 {
		return nil, false, libError("encode", code)
	}
	if data == nil {
		return nil, false, nil
	}
	return C.GoBytes(unsafe.Pointer(data), C.int(size)), gotKey != 0, nil
}

// check keeps libvpx within the picture's memory.
func (e *Encoder) check(p *image.YCbCr) error {
	w, h := p.Rect.Dx(), p.Rect.Dy()
	if w != e.config.Width || h != e.config.Height || p.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return fmt.Errorf("vp8: picture of %d × %d, %v in an encoder for %d × %d, 4:2:0", w, h, p.SubsampleRatio, e.config.Width, e.config.Height)
	}
	luma, chroma := (h-1)*p.YStride+w, (h/2-1)*p.CStride+w/2
	if p.YStride < w || p.CStride < w/2 || len(p.Y) < luma || len(p.Cb) < chroma || len(p.Cr) < chroma {
		return errors.New("vp8: picture shorter than its size")
	}
	return nil
}

// SetBitrate changes the bitrate (bit/s) from the next picture on.
func (e *Encoder) SetBitrate(bitrate int) error {
	if e.handle == nil {
		return errClosed
	}
	if code := C.porch_vp8_set_bitrate(e.handle, kbps(bitrate)); code != 0 {
		return libError("set bitrate", code)
	}
	return nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() {
	if e.handle != nil {
		C.porch_vp8_close(e.handle)
		e.handle = nil
	}
}

func kbps(bitrate int) C.uint { return C.uint(max(bitrate/1000, 1)) }

func libError(what string, code C.int) error {
	return fmt.Errorf("vp8: %s: %s", what, C.GoString(C.porch_vp8_error(code)))
}
