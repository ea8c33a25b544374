package playout

import (
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/pcm"
)

// voiceIdle is how long a participant may be silent before its decoder is freed.
const voiceIdle = 30 * time.Second

// voices turns the participants' packets into the sound of the speaker. Packets come from any goroutine. The speaker's
// thread takes the blocks.
type voices struct {
	newDecoder func() (Decoder, error)
	now        func() time.Duration

	mu     sync.Mutex
	of     map[string]*voice // by participant
	mix    pcm.Mixer
	closed bool
}

func newVoices(newDecoder func() (Decoder, error), now func() time.Duration) *voices {
	return &voices{newDecoder: newDecoder, now: now, of: make(map[string]*voice)}
}

// receive takes a participant's packet.
func (all *voices) receive(participant string, pkt *rtp.Packet) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.closed {
		return
	}
	now := all.now()
	v := all.of[participant]
	if v == nil || v.ssrc != pkt.SSRC {
		if v != nil {
			v.decoder.Close()
		}
		decoder, err := all.newDecoder()
		if err != nil {
			delete(all.of, participant)
			return // out of memory; the next packet tries again
		}
		v = &voice{ssrc: pkt.SSRC, decoder: decoder}
		all.of[participant] = v
	}
	v.heard = now
	v.buffer.push(now, pkt.SequenceNumber, pkt.Timestamp, append([]byte(nil), pkt.Payload...))
}

// fill writes the next block to be heard.
func (all *voices) fill(block []int16) {
	all.mu.Lock()
	defer all.mu.Unlock()
	now := all.now()
	all.mix.Begin(len(block))
	for participant, v := range all.of {
		if now-v.heard > voiceIdle {
			v.decoder.Close()
			delete(all.of, participant)
			continue
		}
		all.mix.Add(v.take(now, len(block)))
	}
	all.mix.Finish(block)
}

// voicePause is how long a participant may send no sound before its pictures no longer wait for sound.
const voicePause = time.Second

// held returns how long a participant's sound is held back, 0 for a silent participant.
func (all *voices) held(participant string) time.Duration {
	all.mu.Lock()
	defer all.mu.Unlock()
	v := all.of[participant]
	if v == nil || all.now()-v.heard > voicePause {
		return 0
	}
	return v.buffer.held()
}

// close frees the decoders. Blocks that are taken later are silent.
func (all *voices) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.closed = true
	for _, v := range all.of {
		v.decoder.Close()
	}
	clear(all.of)
}

// voice is one participant's sound on its way to the speaker.
type voice struct {
	ssrc    uint32
	heard   time.Duration // when the last packet arrived
	buffer  jitterBuffer
	decoder Decoder
	pending []int16     // decoded and not heard yet
	scratch [5760]int16 // the most that an Opus packet contains: 120 ms
	longer  []int16
}

// take returns the next n samples, valid until the next call. If there are fewer, silence follows them.
func (v *voice) take(now time.Duration, n int) []int16 {
	for len(v.pending) < n {
		sound, ok := v.decode(v.buffer.next(now, len(v.pending)))
		if !ok {
			break
		}
		v.pending = append(v.pending, sound...)
	}
	n = min(n, len(v.pending))
	out := v.scratch[:n]
	copy(out, v.pending)
	v.pending = append(v.pending[:0], v.pending[n:]...)
	return out
}

// decode decodes one step. It returns false for silence, and for a packet that can't be decoded.
func (v *voice) decode(step playStep) ([]int16, bool) {
	sound := v.scratch[:]
	if step.fresh {
		v.decoder.Reset()
	}
	var (
		n   int
		err error
	)
	switch step.kind {
	case playPacket:
		if n, err = v.decoder.Decode(step.payload, sound); err != nil {
			n, err = v.decoder.Conceal(sound[:concealStep])
		}
	case playRepair:
		n, err = v.decoder.Repair(step.payload, sound[:step.missing])
	case playConceal, playComfort:
		n, err = v.decoder.Conceal(sound[:step.missing])
	default:
		return nil, false
	}
	if err != nil || n == 0 {
		return nil, false
	}
	return v.repace(sound[:n], step.pace), true
}

// repace makes sound faster or slower.
func (v *voice) repace(sound []int16, p pace) []int16 {
	was := len(sound)
	switch p {
	case paceFaster:
		sound = pcm.Shorten(sound)
	case paceSlower:
		v.longer = pcm.Lengthen(v.longer[:0], sound)
		sound = v.longer
	default:
		return sound
	}
	if len(sound) != was {
		v.buffer.stretched(was - len(sound))
	}
	return sound
}
