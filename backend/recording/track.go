package recording

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
)

// track is what one participant sends of one kind.
type track struct {
	timeline timeline
	entry    *trackEntry // nil before the first block
	ssrc     uint32
	dark     bool // the last picture is one of ours
}

// sound is a participant's sound.
type sound struct {
	track
	numbers, clock frames.Unwrapper
	next           int64 // sequence number of the next packet to be written
	begun          bool
	waiting        []heard // by sequence number
}

// heard is a packet of sound that waits for those before it.
type heard struct {
	number  int64
	ticks   int64
	at      time.Duration // of its arrival
	payload []byte
}

const (
	// soundPatience is how long sound waits for what is missing before it. After it nothing is asked for any more.
	soundPatience = 400 * time.Millisecond
	// maxWaiting bounds how many packets of sound wait.
	maxWaiting = 64
)

// take adds a packet that arrived at now, and calls write with what is due, in order.
func (s *sound) take(p *rtp.Packet, now time.Duration, write func(ticks int64, at time.Duration, payload []byte) error) error {
	number := s.numbers.Next(uint64(p.SequenceNumber), 16)
	ticks := s.clock.Next(uint64(p.Timestamp), 32)
	if len(p.Payload) == 0 {
		return nil
	}
	if !s.begun {
		s.begun, s.next = true, number
	}
	if number < s.next {
		return nil
	}
	at, there := slices.BinarySearchFunc(s.waiting, number, func(h heard, n int64) int { return int(h.number - n) })
	if !there {
		s.waiting = slices.Insert(s.waiting, at, heard{number, ticks, now, p.Payload})
	}
	for len(s.waiting) > 0 {
		first := s.waiting[0]
		if first.number != s.next && now-first.at < soundPatience && len(s.waiting) <= maxWaiting {
			return nil
		}
		s.waiting = s.waiting[1:]
		s.next = first.number + 1
		if err := write(first.ticks, first.at, first.payload); err != nil {
			return err
		}
	}
	return nil
}

// picture is a participant's picture, or screen.
type picture struct {
	track
	assembler frames.Assembler
	frames    []frames.Frame // scratch space
}

// take adds a packet that arrived at now, and returns the pictures that are whole. wanted reports that a keyframe is
// needed.
func (p *picture) take(pkt *rtp.Packet, now, roundTrip time.Duration) (whole []frames.Frame, wanted bool) {
	p.assembler.Wait(roundTrip)
	p.frames, wanted = p.assembler.Push(now, pkt, p.frames[:0])
	return p.frames, wanted
}

// sizeOf returns the size of a keyframe's picture (RFC 6386 section 9.1). ok is false if there is none.
func sizeOf(key []byte) (width, height int, ok bool) {
	if len(key) < 10 || key[0]&1 != 0 || key[3] != 0x9d || key[4] != 0x01 || key[5] != 0x2a {
		return 0, 0, false
	}
	width, height = int(binary.LittleEndian.Uint16(key[6:])&0x3fff), int(binary.LittleEndian.Uint16(key[8:])&0x3fff)
	return width, height, width > 0 && height > 0
}

// darkFrame is a black keyframe of 16 × 16 pixels, from libvpx. It stands where a camera goes off, so that the last
// picture of before does not stay.
var darkFrame = []byte{
	0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x10, 0x00, 0x10, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85, 0x88,
	0x99, 0x84, 0x88, 0x02, 0x02, 0x00, 0x0c, 0x0d, 0x60, 0x00, 0xfe, 0xff, 0xab, 0x50, 0x80,
}

// opusHead describes the sound to decoders (RFC 7845 section 5.1): two channels, which serve for one as well, no
// pre-skip, 48 kHz, no gain.
var opusHead = []byte{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0}

func newAudioEntry(title string) *trackEntry {
	return &trackEntry{
		Type: typeAudio, Name: title, CodecID: "A_OPUS", Private: opusHead, SeekPreRoll: 80_000_000,
		Audio: &audioDetails{Rate: codec.AudioClockRate, Channels: 2},
	}
}

func newVideoEntry(title string, width, height int) *trackEntry {
	return &trackEntry{
		Type: typeVideo, Name: title, CodecID: "V_VP8",
		Video: &videoDetails{Width: uint64(width), Height: uint64(height)},
	}
}
