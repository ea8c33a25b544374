package files

import (
	"encoding/binary"

	"github.com/porch-call/porch/backend/fault"
)

// A frame is one binary message: its kind (1 byte), the receiver's number of the try (1), 0 to and from the sender, the id
// of the file (4), and
//
//	want  host → sender     offset (4), and up to which byte the sender may send (4)
//	part  both              offset (4), and 1 to MaxPart bytes
//	got   receiver → host   how many bytes the receiver has read (4)
//	stop  both              why (1)
//
// All numbers are big-endian.
const (
	kindWant = 1
	kindPart = 2
	kindGot  = 3
	kindStop = 4

	head = 6
	// MaxPart is how many bytes of a file a part has at most.
	MaxPart = 16 << 10
	// MaxFrame is the length of the longest frame.
	MaxFrame = head + 4 + MaxPart
)

// Why says why the bytes of a file come no more.
type Why byte

// The reasons.
const (
	WhyCancelled Why = 1 // the one side has given it up
	WhyStopped   Why = 2 // the sender has stopped, or left
	WhyOver      Why = 3 // the file is not offered, or not any more
	WhyRefused   Why = 4 // it is not what was offered: larger, or another type
	WhySlow      Why = 5 // the receiver does not read
	WhyRoom      Why = 6 // the host's computer has no room for it, or too much is on its way
)

// frame is a frame that was read.
type frame struct {
	kind    byte
	try     uint8
	id      uint32
	offset  uint32 // of want and part; of got how many bytes
	to      uint32 // of want
	why     Why    // of stop
	content []byte // of part; shares memory with what was read
}

// read reads a frame. The fault is MessageMalformed.
func read(b []byte) (f frame, err error) {
	bad := fault.Newf(fault.MessageMalformed, "files: a frame of %d bytes", len(b))
	if len(b) < head+1 || len(b) > MaxFrame {
		return f, bad
	}
	f.kind, f.try, f.id = b[0], b[1], binary.BigEndian.Uint32(b[2:])
	b = b[head:]
	switch {
	case f.kind == kindStop && len(b) == 1:
		f.why = Why(b[0])
		return f, nil
	case f.kind == kindGot && len(b) == 4, f.kind == kindPart && len(b) > 4, f.kind == kindWant && len(b) == 8:
	default:
		return f, bad
	}
	f.offset = binary.BigEndian.Uint32(b)
	switch f.kind {
	case kindWant:
		f.to = binary.BigEndian.Uint32(b[4:])
	case kindPart:
		f.content = b[4:]
	}
	return f, nil
}

// write returns a frame as it is sent.
func (f frame) write() []byte {
	b := make([]byte, 0, head+8+len(f.content))
	b = append(b, f.kind, f.try)
	b = binary.BigEndian.AppendUint32(b, f.id)
	if f.kind == kindStop {
		return append(b, byte(f.why))
	}
	b = binary.BigEndian.AppendUint32(b, f.offset)
	if f.kind == kindWant {
		return binary.BigEndian.AppendUint32(b, f.to)
	}
	return append(b, f.content...)
}
