package windowsocket

import (
	"encoding/binary"
	"errors"
)

// VideoFrame is one encoded picture for the window.
type VideoFrame struct {
	Participant string
	Keyframe    bool
	Timestamp   uint64 // in microseconds, from a zero point of the source's choice
	Payload     []byte // VP8 (RFC 6386), 1 byte to MaxPicture
}

// MaxPicture is the largest VideoFrame.Payload, in bytes.
const MaxPicture = 4 << 20

// The errors of SendFrame for a frame that was dropped. Frames of that participant are dropped up to the next
// keyframe.
var (
	// ErrKeyframeWanted means that the window can take frames again. The caller should ask the source for a keyframe.
	ErrKeyframeWanted = errors.New("windowsocket: frame dropped, keyframe wanted")
	// ErrBehind means that the window is behind. A keyframe would be dropped as well.
	ErrBehind = errors.New("windowsocket: frame dropped, window is behind")
)

// The layout of a binary message; see the package's documentation.
const (
	frameVersion  = 1
	flagKeyframe  = 1 << 0
	frameHeadSize = 12
)

// encodeFrame returns a binary message. It copies the payload.
func encodeFrame(index uint16, f VideoFrame) []byte {
	b := make([]byte, frameHeadSize, frameHeadSize+len(f.Payload))
	b[0] = frameVersion
	if f.Keyframe {
		b[1] = flagKeyframe
	}
	binary.BigEndian.PutUint16(b[2:], index)
	binary.BigEndian.PutUint64(b[4:], f.Timestamp)
	return append(b, f.Payload...)
}
