package capture

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/pcm"
	"github.com/porch-call/porch/backend/signalling"
)

// soundEncoder encodes 20 ms of sound; see package opus.
type soundEncoder interface {
	Encode(pcm []int16) ([]byte, error)
	AssumeLoss(percent int) error
	Close()
}

// audioUplink makes RTP packets (RFC 7587) from the host's sound. Its clock runs on while it is muted and while no
// sound comes, so that receivers see a pause and not a clock that stops. It is not safe for concurrent use, except
// for muted and assumed.
type audioUplink struct {
	encoder soundEncoder
	sink    Sink
	muted   atomic.Bool
	assumed atomic.Int32 // loss that is assumed, in percent

	frame  []int16
	level  uint8 // of the last sound, in −dBov
	header rtp.Header
	paused bool // the last sound was not sent
	quiet  bool // the last sound was not worth sending
	loss   int  // that the encoder assumes, in percent

	// These fields compare the clock of the blocks with the times of the blocks.
	begun  bool
	due    time.Duration // when the next block is expected
	least  time.Duration // the smallest lateness of the blocks since the last check
	blocks int           // blocks since the last check
}

// soundBlock is a block of sound and the time when it was heard.
type soundBlock struct {
	at      time.Duration // on a clock that only grows, from any zero
	opened  bool          // the first block after a microphone was opened
	dropped int           // blocks before this one that were heard and left out
	pcm     [blockSize]int16
}

const (
	// maxSoundDelay is how late blocks may be, because clocks differ and machines are busy.
	maxSoundDelay = 100 * time.Millisecond
	// soundLook is how many blocks in a row must be late to show that some are missing. Blocks that a driver
	// delivered late come in a burst, and the blocks after them are in time.
	soundLook = 50
	// soundDrift: at each check, 1/soundDrift of the lateness counts as drift of the microphone's clock.
	soundDrift = 8
)

// quietPacket is the most that the encoder makes of what is not worth sending (discontinuous transmission), in bytes. In
// silence it makes a real packet every 400 ms, which keeps the receivers' noise like that of the room.
const quietPacket = 2

// Levels as in RFC 6464, in −dBov.
const (
	speechLevel = 50 // the quietest level that is marked as voice
	silence     = 127
)

func newAudioUplink(encoder soundEncoder, sink Sink) *audioUplink {
	return &audioUplink{
		encoder: encoder,
		sink:    sink,
		level:   silence,
		header: rtp.Header{
			Version:        2,
			PayloadType:    codec.AudioPayloadType,
			SequenceNumber: uint16(rand.Uint32()),
			Timestamp:      rand.Uint32(),
			SSRC:           rand.Uint32(),
		},
	}
}

// write takes a block of sound.
func (u *audioUplink) write(block *soundBlock) error {
	u.keepTime(block)
	u.frame = append(u.frame, block.pcm[:]...)
	if len(u.frame) < 2*blockSize {
		return nil
	}
	frame := u.frame[:2*blockSize]
	defer func() {
		u.header.Timestamp += 2 * blockSize
		u.frame = append(u.frame[:0], u.frame[2*blockSize:]...)
	}()
	if u.muted.Load() {
		u.paused, u.level = true, silence
		return nil
	}
	if n := int(u.assumed.Load()); n != u.loss {
		u.loss = n
		if err := u.encoder.AssumeLoss(n); err != nil {
			return err
		}
	}
	payload, err := u.encoder.Encode(frame)
	if err != nil {
		return err
	}
	u.level = audioLevel(frame)
	// Of what is not worth sending, the first packet tells receivers of the pause.
	quiet := len(payload) <= quietPacket
	if quiet && u.quiet {
		u.paused = true
		return nil
	}
	u.quiet = quiet
	pkt := rtp.Packet{Header: u.header, Payload: payload}
	pkt.Marker = u.paused // first packet of a talk spurt (RFC 3551 section 4.1)
	if data, err := (rtp.AudioLevelExtension{Level: u.level, Voice: u.level < speechLevel}).Marshal(); err == nil {
		_ = pkt.SetExtension(codec.AudioLevelID, data) // can't fail for a fresh header and one byte
	}
	u.paused = false
	u.header.SequenceNumber++
	return u.sink.WriteRTP(signalling.KindAudio, &pkt)
}

// keepTime advances the clock by what is missing before a block: blocks that were left out by us or by the driver,
// and the time without a microphone. Without that, all later sound would stay late.
func (u *audioUplink) keepTime(b *soundBlock) {
	if !u.begun {
		u.begun, u.due = true, b.at
	}
	missing := time.Duration(b.dropped) * blockTime
	late := b.at - u.due - missing
	u.blocks++
	u.least = min(u.least, late)
	if u.blocks == 1 {
		u.least = late
	}
	switch {
	case b.opened:
		missing += max(late, 0)
		u.blocks = 0
	case u.blocks < soundLook:
	case u.least > maxSoundDelay:
		missing += u.least
		u.blocks = 0
	default:
		u.due += u.least / soundDrift
		u.blocks = 0
	}
	u.due += missing + blockTime
	if missing == 0 {
		return
	}
	u.header.Timestamp += uint32(len(u.frame)) + uint32(missing/time.Microsecond*codec.AudioClockRate/1_000_000)
	u.frame = u.frame[:0] // half a frame from before the gap
	u.paused = true
}

// microphone passes the microphone's sound to the encoder, from its opening on.
type microphone struct {
	queue chan<- soundBlock
	heard bool // a block was taken
	// dropped counts the blocks since the last one that was taken.
	dropped int
}

// hear takes a block on the driver's thread.
func (m *microphone) hear(pcm []int16) {
	block := soundBlock{at: time.Since(epoch), opened: !m.heard, dropped: m.dropped, pcm: [blockSize]int16(pcm)}
	select {
	case m.queue <- block:
		m.heard, m.dropped = true, 0
	default: // the encoder is 320 ms behind; leave blocks out, so that the queue stays bounded
		m.dropped++
	}
}

// heard returns the level of the last sound, in −dBov.
func (u *audioUplink) heard() uint8 { return u.level }

// audioLevel returns the level of sound in −dBov (RFC 6464). 0 is the loudest, and 127 is silence.
func audioLevel(sound []int16) uint8 {
	mean := pcm.Power(sound)
	if mean < 1 {
		return silence
	}
	db := -10 * math.Log10(mean/(math.MaxInt16*math.MaxInt16))
	return uint8(min(max(math.Round(db), 0), silence))
}

// videoUplink makes RTP packets (RFC 7741) from the host's picture, or its shared screen.
type videoUplink struct {
	kind signalling.Kind
	sink Sink

	mu         sync.Mutex // needed because a camera that hangs while closing may overlap with its successor
	header     rtp.Header
	offset     uint32 // between the media clock and RTP's
	packetiser vp8Packetiser
}

func newVideoUplink(kind signalling.Kind, sink Sink) *videoUplink {
	return &videoUplink{
		kind: kind,
		sink: sink,
		header: rtp.Header{
			Version:        2,
			PayloadType:    codec.VideoPayloadType,
			SequenceNumber: uint16(rand.Uint32()),
			SSRC:           rand.Uint32(),
		},
		offset:     rand.Uint32(),
		packetiser: vp8Packetiser{picture: uint16(rand.Uint32() & 0x7fff)},
	}
}

// write sends a frame with media time at, in 1/90000 s.
func (u *videoUplink) write(frame []byte, at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.header.Timestamp = uint32(at) + u.offset
	payloads := u.packetiser.payloads(frame)
	for i, payload := range payloads {
		pkt := rtp.Packet{Header: u.header, Payload: payload}
		pkt.Marker = i == len(payloads)-1
		u.header.SequenceNumber++
		_ = u.sink.WriteRTP(u.kind, &pkt) // the sink handles its own errors
	}
}
