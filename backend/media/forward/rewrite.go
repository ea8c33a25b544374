package forward

import (
	"time"

	"github.com/porch-call/porch/backend/media/thin"
)

// ReplayWindow is how far behind the newest sequence number a receiver still accepts a packet (SRTP, RFC 3711 section
// 3.3.2). It leaves room for retransmissions in the original stream, which come late.
const ReplayWindow = 1024

// rewriter maps the numbers of the packets that a slot forwards to one unbroken stream for its receiver. It does no
// I/O and is not safe for concurrent use.
//
// A stretch is a run of one sender's packets in which input and output differ by constants. Every interruption
// (another sender, a mute, a new connection of the same sender) ends it. The next stretch begins with the next
// sequence number, the next picture id, and a timestamp that has advanced by the time that has passed, so that the
// receiver does not take the interruption for loss.
type rewriter struct {
	clockRate uint32

	running bool  // there is a current stretch
	first   int64 // extended input sequence number of its first packet
	highest int64 // extended input sequence number of its newest packet

	sequence  int64  // output minus input, extended
	timestamp uint32 // output minus input
	picture   uint16 // output minus input, 15 bits
	tl0       uint8  // output minus input

	stamps []stamp      // timestamps of the replayed beginning, if any
	thin   thin.Thinner // leaves packets out

	begun       bool // a packet was sent; the following fields are valid
	lastOutput  int64
	used        [ReplayWindow / 64]uint64 // one bit for each of the last ReplayWindow numbers; set if sent
	lastStamp   uint32
	hasPicture  bool
	lastPicture uint16
	hasTL0      bool
	lastTL0     uint8
}

// stamp maps the timestamp of one frame of a replayed beginning.
type stamp struct{ in, out uint32 }

// rewritten holds the output numbers of an input packet.
type rewritten struct {
	sequence  uint16
	timestamp uint32
	picture   uint16
	tl0       uint8
}

// end ends the stretch. The next packet needs begin or beginReplay.
func (r *rewriter) end() {
	r.running = false
	r.stamps = r.stamps[:0]
}

// begin begins a stretch with p, the first packet to be forwarded. elapsed is the time since the last packet of the
// stretch before.
func (r *rewriter) begin(p *packet, elapsed time.Duration) {
	r.running = true
	r.stamps = r.stamps[:0]
	r.first = int64(p.sequence)
	r.highest = r.first
	r.sequence, r.timestamp, r.picture, r.tl0 = 0, 0, 0, 0
	r.thin.Begin()
	if !r.begun {
		return
	}
	r.sequence = r.lastOutput + 1 - r.first
	r.timestamp = r.lastStamp + r.ticks(elapsed) - p.timestamp
	if r.hasPicture {
		r.picture = (r.lastPicture + 1 - p.vp8.Picture) & 0x7fff
	}
	if r.hasTL0 {
		r.tl0 = r.lastTL0 + 1 - p.vp8.TL0
	}
}

// skip begins a stretch with p, after packets of the same stream that were not forwarded. Its timestamps go on by the
// sender's clock, so that sound stays in step with pictures, unless that clock stood still or leapt.
func (r *rewriter) skip(p *packet, elapsed time.Duration) {
	timestamp := r.timestamp
	step := p.timestamp + timestamp - r.lastStamp
	r.begin(p, elapsed)
	if late := int32(step - r.ticks(elapsed)); int32(step) > 0 && max(late, -late) < int32(r.clockRate)/2 {
		r.timestamp = timestamp
	}
}

// beginReplay begins a stretch with packets from the cache. p is the first of them, and frames are the timestamps of
// all their frames in order. The output timestamps of these frames are [replayStep] apart and end at the newest
// frame. So the receiver shows the newest frame at once, and does not play the past at normal speed and stay late.
func (r *rewriter) beginReplay(p *packet, frames []uint32, elapsed time.Duration) {
	r.begin(p, elapsed)
	if len(frames) < 2 {
		return
	}
	newest := frames[len(frames)-1]
	span := replayStep * uint32(len(frames)-1)
	if r.begun {
		r.timestamp = r.lastStamp + r.ticks(elapsed) + span - newest
	}
	for i, in := range frames {
		out := newest + r.timestamp - span + replayStep*uint32(i)
		r.stamps = append(r.stamps, stamp{in, out})
	}
}

// replayStep is the distance of replayed frames, in ticks of 90 kHz: 1 ms.
const replayStep = 90

func (r *rewriter) ticks(d time.Duration) uint32 {
	n := int64(d) * int64(r.clockRate) / int64(time.Second)
	return uint32(max(n, 1))
}

// maxOutputLeap is the largest leap of output sequence numbers within a stretch. SRTP counts the wraps of the 16-bit
// numbers (RFC 3711 section 3.3.1) and takes a leap of half their range for a step back.
const maxOutputLeap = 1 << 13

// rewrite maps a packet of the running stretch. ok is false for a packet that must not be sent. That is one from
// before the stretch, or too far ahead, which also ends the stretch. It is also one whose number was used or is too
// old to be known, because the number would encrypt two packets with one nonce. The caller passes what it sends to
// sent.
func (r *rewriter) rewrite(p *packet) (out rewritten, ok bool) {
	if !r.running {
		return rewritten{}, false
	}
	in := r.extend(p.sequence)
	if in < r.first {
		return rewritten{}, false
	}
	sequence, picture, ok := r.thin.Offsets(in, r.sequence, r.picture)
	if !ok {
		return rewritten{}, false
	}
	r.highest = max(r.highest, in)
	switch o := in + sequence; {
	case r.begun && o > r.lastOutput+maxOutputLeap:
		r.end()
		return rewritten{}, false
	case r.begun && o <= r.lastOutput && r.spent(o):
		return rewritten{}, false
	}
	return r.output(p, in+sequence, picture), true
}

// leaveOut reports whether p, of the running stretch, is left out because of its temporal layer. What comes after it goes
// on as if it had not been there. narrow says that there is little room for what no other picture depends on.
func (r *rewriter) leaveOut(p *packet, narrow bool) bool {
	if !r.running {
		return false
	}
	in := r.extend(p.sequence)
	switch {
	case in < r.first:
		return false
	case in <= r.highest && in != r.first: // late; if it is left out, so is its number
		return !r.thin.TakesLate(&p.vp8)
	}
	if r.thin.Takes(&p.vp8, narrow) {
		return false
	}
	partly := r.hasPicture && r.lastPicture == r.id(p, r.picture) // its first packets have left
	if r.thin.Omit(&p.vp8, in, r.sequence, r.picture) && !partly {
		r.picture = (r.picture - 1) & 0x7fff
	}
	r.highest = in
	r.sequence--
	return true
}

// spent reports whether an output number was used, or may have been. The number is not newer than the last.
func (r *rewriter) spent(o int64) bool {
	return r.lastOutput-o >= ReplayWindow || r.used[o&(ReplayWindow-1)/64]&(1<<(o&63)) != 0
}

// sent notes that a packet was sent with the numbers that rewrite returned.
func (r *rewriter) sent(p *packet, out rewritten) {
	o := r.lastOutput + int64(int16(out.sequence-uint16(r.lastOutput)))
	if !r.begun {
		o = int64(out.sequence)
	}
	if !r.begun || o > r.lastOutput {
		if !r.begun || o-r.lastOutput >= ReplayWindow {
			clear(r.used[:])
		} else {
			for n := r.lastOutput + 1; n < o; n++ {
				r.used[n&(ReplayWindow-1)/64] &^= 1 << (n & 63)
			}
		}
		r.lastOutput = o
	}
	r.used[o&(ReplayWindow-1)/64] |= 1 << (o & 63)
	if !r.begun || int32(out.timestamp-r.lastStamp) > 0 {
		r.lastStamp = out.timestamp
	}
	if p.vp8.HasPicture && (!r.hasPicture || newer15(out.picture, r.lastPicture)) {
		r.hasPicture, r.lastPicture = true, out.picture
	}
	if p.vp8.HasTL0 && (!r.hasTL0 || int8(out.tl0-r.lastTL0) > 0) {
		r.hasTL0, r.lastTL0 = true, out.tl0
	}
	r.begun = true
}

// again maps a packet that rewrite mapped before, for a retransmission.
func (r *rewriter) again(p *packet) rewritten {
	in := r.extend(p.sequence)
	sequence, picture, _ := r.thin.Offsets(in, r.sequence, r.picture)
	return r.output(p, in+sequence, picture)
}

// source returns the input sequence number of an output packet of the running stretch. ok is false for a packet of an
// earlier stretch, and for one that was not sent.
func (r *rewriter) source(output uint16) (sequence uint16, ok bool) {
	if !r.running || !r.begun {
		return 0, false
	}
	o := r.lastOutput + int64(int16(output-uint16(r.lastOutput)))
	in, ok := r.thin.Source(o, r.sequence)
	if !ok || in < r.first || o > r.lastOutput || !r.spent(o) {
		return 0, false
	}
	return uint16(in), true
}

func (r *rewriter) extend(sequence uint16) int64 {
	return r.highest + int64(int16(sequence-uint16(r.highest)))
}

// output maps p, whose output number is o. picture is output minus input of its picture id.
func (r *rewriter) output(p *packet, o int64, picture uint16) rewritten {
	out := rewritten{
		sequence:  uint16(o),
		timestamp: p.timestamp + r.timestamp,
		tl0:       p.vp8.TL0 + r.tl0,
	}
	out.picture = r.id(p, picture)
	for _, s := range r.stamps {
		if s.in == p.timestamp {
			out.timestamp = s.out
			break
		}
	}
	return out
}

// id returns the output picture id of a packet for which output minus input is offset.
func (r *rewriter) id(p *packet, offset uint16) uint16 {
	if id := p.vp8.Picture + offset; !p.vp8.LongPicture {
		return r.unwrap7(id)
	}
	return (p.vp8.Picture + offset) & 0x7fff
}

// unwrap7 returns the output id for one of which the low 7 bits count, so that the output goes on in 15 bits. It is the
// nearest one to the newest output id.
func (r *rewriter) unwrap7(low uint16) uint16 {
	if !r.hasPicture {
		return low & 0x7fff
	}
	diff := (low - r.lastPicture) & 0x7f
	if diff >= 64 {
		diff -= 128
	}
	return (r.lastPicture + diff) & 0x7fff
}

// newer15 reports whether a is newer than b among 15-bit numbers that wrap.
func newer15(a, b uint16) bool {
	d := (a - b) & 0x7fff
	return d != 0 && d < 0x4000
}
