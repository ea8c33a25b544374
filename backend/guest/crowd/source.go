package crowd

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/codec"
)

// Rates of the published video and audio: 30 frames of 4 packets a second, about 1 Mbit/s, and an Opus packet every
// 20 ms.
const (
	frameEvery      = time.Second / 30
	packetsPerFrame = 4
	videoPayload    = 1_100 // bytes
	audioEvery      = 20 * time.Millisecond
	audioPayload    = 100 // bytes
)

// source sends the media of one guest.
type source struct {
	video, audio *webrtc.TrackLocalStaticRTP
	wantKey      atomic.Bool
	sent         atomic.Uint64 // packets
}

func newSource() (*source, error) {
	video, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate}, "video", "crowd")
	if err != nil {
		return nil, err
	}
	audio, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2}, "audio", "crowd")
	if err != nil {
		return nil, err
	}
	s := &source{video: video, audio: audio}
	s.wantKey.Store(true)
	return s, nil
}

// run sends until done is closed.
func (s *source) run(done <-chan struct{}) {
	frames, tones := time.NewTicker(frameEvery), time.NewTicker(audioEvery)
	defer frames.Stop()
	defer tones.Stop()
	picture := newPicture()
	tone := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, audioPayload)}
	for {
		select {
		case <-done:
			return
		case <-frames.C:
			for _, p := range picture.next(s.wantKey.Swap(false)) {
				s.write(s.video, p)
			}
		case <-tones.C:
			tone.SequenceNumber++
			tone.Timestamp += codec.AudioClockRate / 50
			s.write(s.audio, &tone)
		}
	}
}

func (s *source) write(t *webrtc.TrackLocalStaticRTP, p *rtp.Packet) {
	// If it fails, the track is not bound yet, or the guest has gone, which its Done reports.
	if err := t.WriteRTP(p); err == nil {
		s.sent.Add(1)
	}
}

// picture makes the packets of frames in the form of VP8: the payload descriptor of RFC 7741 with a 15-bit picture
// id, and the header of RFC 6386 section 9.1 at the start of a keyframe.
type picture struct {
	packets [packetsPerFrame]*rtp.Packet
	id      uint16
}

func newPicture() *picture {
	p := new(picture)
	for i := range p.packets {
		p.packets[i] = &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, videoPayload)}
		p.packets[i].SequenceNumber = uint16(i)
	}
	return p
}

func (p *picture) next(key bool) []*rtp.Packet {
	p.id = (p.id + 1) & 0x7fff
	for i, packet := range p.packets {
		packet.SequenceNumber += packetsPerFrame
		packet.Timestamp += codec.VideoClockRate / 30
		packet.Marker = i == packetsPerFrame-1
		b := packet.Payload
		b[0] = 0x80 // X
		if i == 0 {
			b[0] |= 0x10 // S: start of partition
		}
		b[1] = 0x80 // I
		binary.BigEndian.PutUint16(b[2:], p.id|0x8000)
		if i == 0 && key {
			b[4] = 0x10                                                         // keyframe, shown
			copy(b[5:], []byte{0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}) // 640×360
		} else {
			b[4] = 0x11 // interframe
		}
	}
	return p.packets[:]
}
