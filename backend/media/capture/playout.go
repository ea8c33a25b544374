package capture

import (
	"sync"
	"time"

	"github.com/pion/rtp"
)

// voiceIdle is how long a participant may be silent before its decoder is freed.
const voiceIdle = 30 * time.Second

// soundDecoder decodes one sender's sound; see package opus.
type soundDecoder interface {
	Decode(packet []byte, pcm []int16) (int, error)
	Repair(packet []byte, pcm []int16) (int, error)
	Conceal(pcm []int16) (int, error)
	Reset()
	Close()
}

// playout turns the other participants' packets into the sound of the speaker. Packets come from any goroutine. The
// speaker's thread takes the blocks.
type playout struct {
	newDecoder func() (soundDecoder, error)
	now        func() time.Duration

	mu     sync.Mutex
	voices map[string]*voice
	mix    mixer
	closed bool
}

func newPlayout(newDecoder func() (soundDecoder, error), now func() time.Duration) *playout {
	return &playout{newDecoder: newDecoder, now: now, voices: make(map[string]*voice)}
}

// receive takes a participant's packet.
func (p *playout) receive(participant string, pkt *rtp.Packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now := p.now()
	v := p.voices[participant]
	if v == nil || v.ssrc != pkt.SSRC {
		if v != nil {
			v.decoder.Close()
		}
		decoder, err := p.newDecoder()
		if err != nil {
			delete(p.voices, participant)
			return // out of memory; the next packet tries again
		}
		v = &voice{ssrc: pkt.SSRC, decoder: decoder}
		p.voices[participant] = v
	}
	v.heard = now
	v.buffer.push(now, pkt.SequenceNumber, pkt.Timestamp, append([]byte(nil), pkt.Payload...))
}

// fill writes the next block to be heard.
func (p *playout) fill(block []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.mix.begin(len(block))
	for participant, v := range p.voices {
		if now-v.heard > voiceIdle {
			v.decoder.Close()
			delete(p.voices, participant)
			continue
		}
		p.mix.add(v.take(now, len(block)))
	}
	p.mix.finish(block)
}

// voicePause is how long a participant may send no sound before its pictures no longer wait for sound.
const voicePause = time.Second

// held returns how long a participant's sound is held back, 0 for a silent participant.
func (p *playout) held(participant string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.voices[participant]
	if v == nil || p.now()-v.heard > voicePause {
		return 0
	}
	return v.buffer.held()
}

// close frees the decoders. Blocks that are taken later are silent.
func (p *playout) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, v := range p.voices {
		v.decoder.Close()
	}
	clear(p.voices)
}

// voice is one participant's sound on its way to the speaker.
type voice struct {
	ssrc    uint32
	heard   time.Duration // when the last packet arrived
	buffer  jitterBuffer
	decoder soundDecoder
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
	pcm := v.scratch[:]
	if step.fresh {
		v.decoder.Reset()
	}
	var (
		n   int
		err error
	)
	switch step.kind {
	case playPacket:
		if n, err = v.decoder.Decode(step.payload, pcm); err != nil {
			n, err = v.decoder.Conceal(pcm[:concealStep])
		}
	case playRepair:
		n, err = v.decoder.Repair(step.payload, pcm[:step.missing])
	case playConceal, playComfort:
		n, err = v.decoder.Conceal(pcm[:step.missing])
	default:
		return nil, false
	}
	if err != nil || n == 0 {
		return nil, false
	}
	return v.repace(pcm[:n], step.pace), true
}

// repace makes sound faster or slower.
func (v *voice) repace(sound []int16, p pace) []int16 {
	was := len(sound)
	switch p {
	case paceFaster:
		sound = shorten(sound)
	case paceSlower:
		v.longer = lengthen(v.longer[:0], sound)
		sound = v.longer
	default:
		return sound
	}
	if len(sound) != was {
		v.buffer.stretched(was - len(sound))
	}
	return sound
}
