//go:build cgo && (linux || porch_native)

package opus

// #cgo pkg-config: opus
// #include "ctl.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/porch-call/porch/backend/media/codec"
)

const (
	// SampleRate is the rate of all sound, in samples per second.
	SampleRate = codec.AudioClockRate
	// FrameSize is how many samples the encoder takes at once: 20 ms.
	FrameSize = SampleRate / 50
	// MaxFrameSize is the most that one packet can contain: 120 ms (RFC 6716 section 3.2.5).
	MaxFrameSize = SampleRate * 120 / 1000

	// maxPacket is the most that an encoder writes, in bytes. A 20 ms packet at 64 kbit/s has 160 bytes, and this
	// limit fits into a UDP packet in any case.
	maxPacket = 1000
)

var errClosed = errors.New("opus: closed")

// Encoder encodes 20 ms frames. It is not safe for concurrent use.
type Encoder struct {
	handle *C.OpusEncoder
	packet [maxPacket]byte
}

// NewEncoder opens an encoder with a bitrate in bit/s. It must be closed. What it makes of silence is two bytes or less,
// except for one packet every 400 ms.
func NewEncoder(bitrate int) (*Encoder, error) {
	var code C.int
	handle := C.opus_encoder_create(SampleRate, 1, C.OPUS_APPLICATION_VOIP, &code)
	if code != C.OPUS_OK {
		return nil, libError("open encoder", code)
	}
	e := &Encoder{handle: handle}
	for _, setting := range []struct{ request, value C.int }{
		{C.OPUS_SET_BITRATE_REQUEST, C.int(bitrate)},
		{C.OPUS_SET_INBAND_FEC_REQUEST, 1},
		{C.OPUS_SET_DTX_REQUEST, 1},
		{C.OPUS_SET_SIGNAL_REQUEST, C.OPUS_SIGNAL_VOICE},
		{C.OPUS_SET_COMPLEXITY_REQUEST, 7},
	} {
		if code := C.porch_opus_set(handle, setting.request, setting.value); code != C.OPUS_OK {
			e.Close()
			return nil, libError("configure encoder", code)
		}
	}
	return e, nil
}

// Encode encodes [FrameSize] samples. The packet is valid until the next call.
func (e *Encoder) Encode(pcm []int16) ([]byte, error) {
	if e.handle == nil {
		return nil, errClosed
	}
	if len(pcm) != FrameSize {
		return nil, fmt.Errorf("opus: frame of %d samples", len(pcm))
	}
	n := C.opus_encode(e.handle, (*C.opus_int16)(unsafe.SliceData(pcm)), FrameSize, (*C.uchar)(&e.packet[0]), maxPacket)
	if n < 0 {
		return nil, libError("encode", n)
	}
	return e.packet[:n], nil
}

// AssumeLoss sets how many percent of the packets are expected to be lost. The encoder spends bits on repairing that.
func (e *Encoder) AssumeLoss(percent int) error {
	if e.handle == nil {
		return errClosed
	}
	if code := C.porch_opus_set(e.handle, C.OPUS_SET_PACKET_LOSS_PERC_REQUEST, C.opus_int32(percent)); code != C.OPUS_OK {
		return libError("assume loss", code)
	}
	return nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() {
	if e.handle != nil {
		C.opus_encoder_destroy(e.handle)
		e.handle = nil
	}
}

// Decoder decodes the packets of one sender, and mixes stereo down to mono. It is not safe for concurrent use.
type Decoder struct {
	handle *C.OpusDecoder
}

// NewDecoder opens a decoder. It must be closed.
func NewDecoder() (*Decoder, error) {
	var code C.int
	handle := C.opus_decoder_create(SampleRate, 1, &code)
	if code != C.OPUS_OK {
		return nil, libError("open decoder", code)
	}
	return &Decoder{handle: handle}, nil
}

// Decode decodes a packet into pcm, which must have room for [MaxFrameSize] samples. It returns how many it wrote.
func (d *Decoder) Decode(packet []byte, pcm []int16) (int, error) {
	if len(packet) == 0 {
		return 0, errors.New("opus: empty packet")
	}
	return d.decode(packet, pcm, 0)
}

// Repair fills pcm with the sound of the packet before packet. It uses packet's forward error correction if there is
// any, and conceals the loss otherwise. len(pcm) is how many samples are missing, a multiple of 2.5 ms.
func (d *Decoder) Repair(packet []byte, pcm []int16) (int, error) { return d.decode(packet, pcm, 1) }

// Conceal fills pcm with a continuation of the last sound, fading out. len(pcm) is how many samples are missing, a
// multiple of 2.5 ms.
func (d *Decoder) Conceal(pcm []int16) (int, error) { return d.decode(nil, pcm, 0) }

func (d *Decoder) decode(packet []byte, pcm []int16, fec C.int) (int, error) {
	if d.handle == nil {
		return 0, errClosed
	}
	n := C.opus_decode(d.handle, (*C.uchar)(unsafe.SliceData(packet)), C.opus_int32(len(packet)),
		(*C.opus_int16)(unsafe.SliceData(pcm)), C.int(len(pcm)), fec)
	if n < 0 {
		return 0, libError("decode", n)
	}
	return int(n), nil
}

// Reset forgets the sound so far, before a sender starts over.
func (d *Decoder) Reset() {
	if d.handle != nil {
		C.porch_opus_reset(d.handle)
	}
}

// Close frees the decoder. It may be called twice.
func (d *Decoder) Close() {
	if d.handle != nil {
		C.opus_decoder_destroy(d.handle)
		d.handle = nil
	}
}

func libError(what string, code C.int) error {
	return fmt.Errorf("opus: %s: %s", what, C.GoString(C.opus_strerror(code)))
}
