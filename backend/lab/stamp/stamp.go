// Package stamp is what the laboratory's guests write into the end of each packet that they send: who sent which
// frame when. Receivers tell by it what came, what did not, and how late, whatever the host did with RTP's numbers.
package stamp

import (
	"encoding/binary"
	"time"
)

// Size is the length of a stamp in bytes.
const Size = 32

const magic = 0x9d504c31

// Stamp is the mark of one packet.
type Stamp struct {
	Sender uint16 // number of the guest
	Flags  uint8
	Frame  uint32 // counts frames of this sender and kind from 0
	// Needs is the frame that this one refers to: a picture can't be decoded without it, and sound is silent between
	// it and this one. It is Frame itself for a keyframe.
	Needs uint32
	Index uint16 // of the packet in its frame
	Count uint16 // packets of the frame
	At    time.Duration
}

// Flags of a stamp.
const (
	Repairs = 1 << iota // sound: carries the frame before as well (Opus' in-band FEC)
	Onset               // sound: the first frame of a word
	Voice               // sound: somebody speaks
)

// Put writes the stamp over the last [Size] bytes of a payload, which must be that long.
func (s Stamp) Put(payload []byte) {
	b := payload[len(payload)-Size:]
	be := binary.BigEndian
	be.PutUint32(b, magic)
	be.PutUint16(b[4:], s.Sender)
	b[6], b[7] = s.Flags, 0
	be.PutUint32(b[8:], s.Frame)
	be.PutUint32(b[12:], s.Needs)
	be.PutUint16(b[16:], s.Index)
	be.PutUint16(b[18:], s.Count)
	be.PutUint64(b[20:], uint64(s.At))
	be.PutUint32(b[28:], 0)
}

// Read reads the stamp of a payload. It reports false if there is none.
func Read(payload []byte) (s Stamp, ok bool) {
	if len(payload) < Size {
		return s, false
	}
	b := payload[len(payload)-Size:]
	be := binary.BigEndian
	if be.Uint32(b) != magic {
		return s, false
	}
	s = Stamp{
		Sender: be.Uint16(b[4:]), Flags: b[6], Frame: be.Uint32(b[8:]), Needs: be.Uint32(b[12:]),
		Index: be.Uint16(b[16:]), Count: be.Uint16(b[18:]), At: time.Duration(be.Uint64(b[20:])),
	}
	return s, s.Index < s.Count && s.Needs <= s.Frame
}
