package turn

import (
	"encoding/binary"
	"errors"
)

const (
	stunHeader    = 20
	channelHeader = 4
	magicCookie   = 0x2112A442 // RFC 8489 section 5

	// maxDatagram is the size of the largest datagram that is relayed, and of the
	// largest message, in bytes. It is more than any path between a browser and a
	// host takes in one piece.
	maxDatagram = 2000
)

var (
	errFrame     = errors.New("turn: neither STUN nor channel data")
	errOversized = errors.New("turn: a frame too large")
)

// isSTUN tells a STUN message from channel data by the first byte (RFC 8656
// section 12).
func isSTUN(first byte) bool { return first < 0x40 }

// isChannelData reports whether a message begins with a channel number, 0x4000 to
// 0x7FFF (RFC 5766 section 11; RFC 8656 gives out fewer).
func isChannelData(first byte) bool { return first >= 0x40 && first < 0x80 }

// looksLikeSTUN checks the magic cookie as well.
func looksLikeSTUN(b []byte) bool {
	return len(b) >= 8 && isSTUN(b[0]) && binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// frameSize returns the size in bytes of the frame at the start of b, as a stream
// carries it (RFC 8656 sections 3.1 and 12.5). It returns 0 if b is too short to
// tell.
func frameSize(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if !isSTUN(b[0]) && !isChannelData(b[0]) {
		return 0, errFrame
	}
	if len(b) < channelHeader {
		return 0, nil
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	size := channelHeader + (length+3)&^3
	if isSTUN(b[0]) {
		size = stunHeader + length
		if length%4 != 0 || len(b) >= 8 && !looksLikeSTUN(b) {
			return 0, errFrame
		}
	}
	if size > maxDatagram {
		return 0, errOversized
	}
	return size, nil
}

// channelData splits a ChannelData message (RFC 8656 section 12.4). Padding may
// follow it.
func channelData(b []byte) (channel uint16, payload []byte, ok bool) {
	if len(b) < channelHeader || !isChannelData(b[0]) {
		return 0, nil, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length > len(b)-channelHeader {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(b), b[channelHeader : channelHeader+length], true
}

// putChannelHeader makes a ChannelData message of a datagram that has room for
// the header in front of it.
func putChannelHeader(frame []byte, channel uint16) {
	binary.BigEndian.PutUint16(frame, channel)
	binary.BigEndian.PutUint16(frame[2:], uint16(len(frame)-channelHeader))
}
