package playout

import (
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/frames"
)

// Decoder decodes the Opus packets of one sender: one channel, 48,000 samples a second. It is used by one goroutine at
// a time, and closed once. The lengths of missing sound are multiples of 2.5 ms.
type Decoder interface {
	// Decode decodes a packet into pcm, which has room for 120 ms. It returns how many samples it wrote.
	Decode(packet []byte, pcm []int16) (int, error)
	// Repair fills pcm with the sound before packet, as far as packet contains it (forward error correction).
	Repair(packet []byte, pcm []int16) (int, error)
	// Conceal fills pcm with a continuation of the last sound.
	Conceal(pcm []int16) (int, error)
	// Reset forgets the sound so far, before a sender starts over.
	Reset()
	Close()
}

// Sink takes the pictures of a [Receiver]. Its methods are called from several goroutines, but never two at once for
// the same participant. They must not block or call the Receiver.
type Sink interface {
	// Show takes a participant's picture when it is due. Frames before the first keyframe, or between a loss and the
	// next keyframe, are left out.
	Show(participant string, f frames.Frame)
	// RequestKeyframe asks a participant for a keyframe after packets were lost. It is called at most five times a
	// second until a keyframe arrives.
	RequestKeyframe(participant string)
}

// Receiver turns the packets of the other participants into sound and pictures. Its methods are safe for concurrent
// use, but packets of one participant and kind come from one goroutine.
type Receiver struct {
	voices  *voices
	gallery *gallery
}

// New returns a Receiver, which must be closed. newDecoder opens the decoder of one participant's sound; where it
// fails, that participant's next packet tries again.
func New(newDecoder func() (Decoder, error), sink Sink) *Receiver {
	began := time.Now()
	now := func() time.Duration { return time.Since(began) }
	v := newVoices(newDecoder, now)
	return &Receiver{voices: v, gallery: newGallery(sink, v.held, now)}
}

// ReceiveAudio takes a participant's packet of sound (Opus, RFC 7587), which is valid only during the call.
func (r *Receiver) ReceiveAudio(participant string, pkt *rtp.Packet) {
	r.voices.receive(participant, pkt)
}

// ReceiveVideo takes a participant's packet of video (VP8, RFC 7741), which is valid only during the call. Lost packets
// may still arrive up to roundTrip later, which is the round trip to the participant, 0 for unknown.
func (r *Receiver) ReceiveVideo(participant string, pkt *rtp.Packet, roundTrip time.Duration) {
	r.gallery.receive(participant, pkt, roundTrip)
}

// Fill writes the next block of all participants' sound, at the time when it is to be played. Blocks may have any
// length up to 120 ms, and follow each other without a pause.
func (r *Receiver) Fill(block []int16) { r.voices.fill(block) }

// Close frees the decoders. Nothing is shown after it, and blocks that are taken later are silent.
func (r *Receiver) Close() {
	r.gallery.close()
	r.voices.close()
}
