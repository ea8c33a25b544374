// Package red writes and reads redundant sound: packets that carry earlier ones beside their own (RFC 2198).
package red

import "errors"

// Bounds of a block's fields.
const (
	maxAge  = 1<<14 - 1 // ticks
	maxSize = 1<<10 - 1 // bytes
)

// Append appends to b the payload of a packet that carries main, and before it the payload of an earlier packet that is
// age ticks older. Both are of one payload type. ok is false, and b unchanged, if the earlier one does not fit.
func Append(b []byte, payloadType uint8, age uint32, earlier, main []byte) (_ []byte, ok bool) {
	if age == 0 || age > maxAge || len(earlier) > maxSize {
		return b, false
	}
	field := age<<10 | uint32(len(earlier))
	b = append(b, 0x80|payloadType, byte(field>>16), byte(field>>8), byte(field), payloadType&0x7f)
	b = append(b, earlier...)
	return append(b, main...), true
}

// Size returns the length of what [Append] appends.
func Size(earlier, main []byte) int { return 5 + len(earlier) + len(main) }

var errTruncated = errors.New("redundant sound is truncated")

// maxBlocks bounds how many packets one carries.
const maxBlocks = 32

// Read calls take with each payload in b, which is what a packet of redundant sound carries. Earlier ones come first, and
// age is by how many ticks each is older. The last is the packet's own, with an age of 0. Payloads share b.
func Read(b []byte, take func(payloadType uint8, age uint32, payload []byte)) error {
	type header struct {
		payloadType uint8
		age         uint32
		size        int
	}
	var headers [maxBlocks]header
	n := 0
	for {
		if len(b) == 0 || n == maxBlocks {
			return errTruncated
		}
		h := header{payloadType: b[0] & 0x7f}
		if b[0]&0x80 == 0 {
			headers[n] = h
			b = b[1:]
			break
		}
		if len(b) < 4 {
			return errTruncated
		}
		field := uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		h.age, h.size = field>>10, int(field&maxSize)
		headers[n] = h
		b = b[4:]
		n++
	}
	size := 0
	for _, h := range headers[:n] {
		size += h.size
	}
	if size > len(b) {
		return errTruncated
	}
	for _, h := range headers[:n] {
		take(h.payloadType, h.age, b[:h.size:h.size])
		b = b[h.size:]
	}
	take(headers[n].payloadType, 0, b)
	return nil
}
