// Package mediatest makes media for tests.
package mediatest

import (
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
)

// VideoSender makes VP8 packets with 15-bit picture ids. Sequence is the number of the next packet.
type VideoSender struct {
	SSRC      uint32
	Sequence  uint16
	Timestamp uint32 // of the last frame
	Picture   uint16 // of the last frame
	TL0       uint8  // of the last frame
	Temporal  bool   // frames are of three temporal layers, as Chromium makes them: 0, 2, 1, 2
	Size      int    // of a packet's payload without its descriptor, in bytes; at least 100

	round int // frames since the last keyframe
}

// Frame returns the packets of the next frame.
func (v *VideoSender) Frame(keyframe bool, packets int) []*rtp.Packet {
	v.Timestamp += 3000
	v.Picture = (v.Picture + 1) & 0x7fff
	if keyframe {
		v.round = 0
	}
	var time byte // TID and Y
	header := 5
	if v.Temporal {
		time = [...]byte{0, 0xa0, 0x60, 0x80}[v.round%4]
		header++
	}
	if time == 0 {
		v.TL0++
	}
	v.round++
	size := max(v.Size, 100)
	all := make([]*rtp.Packet, packets)
	for i := range all {
		b := make([]byte, header+size)
		b[0], b[1] = 0x80, 0xc0
		b[2], b[3] = 0x80|byte(v.Picture>>8), byte(v.Picture)
		b[4] = v.TL0
		if v.Temporal {
			b[1], b[5] = 0xe0, time
		}
		b[header] = 0x01
		if i == 0 {
			b[0] |= 0x10
			if keyframe {
				b[header] = 0x00
			}
		}
		all[i] = &rtp.Packet{
			Header: rtp.Header{
				Version: 2, PayloadType: codec.VideoPayloadType, SSRC: v.SSRC, SequenceNumber: v.Sequence,
				Timestamp: v.Timestamp, Marker: i == packets-1,
			},
			Payload: b,
		}
		v.Sequence++
	}
	return all
}
