package rate

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrFeedback is returned for what is not a well-formed transport-wide congestion control feedback.
var ErrFeedback = errors.New("malformed transport-wide feedback")

const (
	maxStatuses   = sentSize               // packets one feedback may speak of
	feedbackFixed = 20                     // bytes before the chunks
	feedbackTick  = 250 * time.Microsecond // unit of deltas
	feedbackBase  = 64 * time.Millisecond  // unit of the reference time
	feedbackWrap  = 1 << 24                // reference times
)

// feedback reads an RTCP packet of type 205, format 15 in place
// (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
type feedback struct {
	base      uint16 // the first number
	count     int    // of numbers
	reference uint32 // 24 bits, in units of feedbackBase

	chunks []byte
	deltas []byte

	read    int           // numbers that were read
	elapsed time.Duration // since the reference time
	chunk   uint16
	left    int // symbols of chunk that were not read
}

// parse checks a whole packet. After it returns nil, next reads it.
func (f *feedback) parse(raw []byte) error {
	if len(raw) < feedbackFixed || raw[0]>>6 != 2 || raw[0]&0x1f != 15 || raw[1] != 205 {
		return ErrFeedback
	}
	size := 4 * (int(binary.BigEndian.Uint16(raw[2:])) + 1)
	if size < feedbackFixed || size > len(raw) {
		return ErrFeedback
	}
	raw = raw[:size]
	if raw[0]&0x20 != 0 {
		padding := int(raw[size-1])
		if padding == 0 || padding > size-feedbackFixed {
			return ErrFeedback
		}
		raw = raw[:size-padding]
	}
	*f = feedback{
		base:      binary.BigEndian.Uint16(raw[12:]),
		count:     int(binary.BigEndian.Uint16(raw[14:])),
		reference: binary.BigEndian.Uint32(raw[16:]) >> 8,
		chunks:    raw[feedbackFixed:],
	}
	if f.count == 0 || f.count > maxStatuses {
		return ErrFeedback
	}
	need, at := 0, 0 // bytes of deltas; where the next chunk is
	for seen := 0; seen < f.count; at += 2 {
		if at+2 > len(f.chunks) {
			return ErrFeedback
		}
		chunk := binary.BigEndian.Uint16(f.chunks[at:])
		n := min(symbols(chunk), f.count-seen)
		if chunk>>15 == 0 {
			if n > 0 && symbol(chunk, n) == 3 {
				return ErrFeedback
			}
			need += n * int(symbol(chunk, n))
		} else {
			for left := symbols(chunk); left > symbols(chunk)-n; left-- {
				s := symbol(chunk, left)
				if s == 3 {
					return ErrFeedback
				}
				need += int(s)
			}
		}
		seen += n
	}
	if need > len(f.chunks)-at {
		return ErrFeedback
	}
	f.chunks, f.deltas = f.chunks[:at], f.chunks[at:]
	return nil
}

// symbols returns how many symbols a chunk has.
func symbols(chunk uint16) int {
	switch {
	case chunk>>15 == 0:
		return int(chunk & 0x1fff)
	case chunk&0x4000 == 0:
		return 14
	}
	return 7
}

// symbol returns the symbol of a chunk after which left-1 follow. It is the number of bytes of the packet's delta: 0 if
// the packet was not received, and 3 is reserved.
func symbol(chunk uint16, left int) uint16 {
	switch {
	case chunk>>15 == 0:
		return chunk >> 13 & 3
	case chunk&0x4000 == 0:
		return chunk >> (left - 1) & 1
	}
	return chunk >> (2 * (left - 1)) & 3
}

// next returns what the feedback says of the next number. at is when it was received, since the reference time. ok is
// false after the last.
func (f *feedback) next() (number uint16, at time.Duration, received, ok bool) {
	if f.read == f.count {
		return 0, 0, false, false
	}
	for f.left == 0 {
		f.chunk = binary.BigEndian.Uint16(f.chunks)
		f.chunks = f.chunks[2:]
		f.left = symbols(f.chunk)
	}
	s := symbol(f.chunk, f.left)
	number = f.base + uint16(f.read)
	f.left--
	f.read++
	switch s {
	case 1:
		f.elapsed += time.Duration(f.deltas[0]) * feedbackTick
	case 2:
		f.elapsed += time.Duration(int16(binary.BigEndian.Uint16(f.deltas))) * feedbackTick
	default:
		return number, 0, false, true
	}
	f.deltas = f.deltas[s:]
	return number, f.elapsed, true, true
}
