package playout

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
)

const (
	// concealStep is how much sound is concealed at once.
	concealStep = codec.AudioClockRate / 50
	// maxConceal is how long no packet may arrive before the buffer goes silent and waits for a new beginning.
	maxConceal = codec.AudioClockRate * 120 / 1000
	// maxGap is the longest hole in media time that is filled. A longer one is skipped.
	maxGap = codec.AudioClockRate / 5
	// maxBuffered bounds how many packets are held: 2 s at 20 ms each.
	maxBuffered = 100
	// maxLag is how much later than planned sound may be before the buffer skips sound instead of playing faster.
	maxLag = 400 * time.Millisecond
	// Sound may be this much later or earlier than planned before the speed changes.
	slackLate, slackEarly = 15 * time.Millisecond, 10 * time.Millisecond
	// minStock is what must remain in the buffer when sound is played faster. Without it, the buffer would run dry
	// again and again when the path suddenly takes longer, because the delay's window notices that late.
	minStock = minPlayoutDelay
	// paceEvery spreads changes of speed: at most one in paceEvery packets is changed.
	paceEvery = 4
	// maxReorder is by how many places the very first packet may be out of order.
	maxReorder = 50
	// maxLateRun is how many packets in a row may be late before they count as a new beginning: 2 s.
	maxLateRun = 100
	// opusQuantum is the unit of Opus durations: 2.5 ms.
	opusQuantum = codec.AudioClockRate / 400
)

// playKind says what to do for the next piece of sound.
type playKind int

const (
	playSilence playKind = iota // nothing to hear: before the first packet, or after a long loss
	playPacket                  // decode Payload
	playRepair                  // restore missing samples from what payload, the packet after them, contains of them
	playConceal                 // continue the last sound for missing samples
	playComfort                 // the same during a pause that the sender made (RFC 6716 section 2.1.9)
)

// pace says how fast to play a packet.
type pace int

const (
	paceNormal pace = iota
	paceFaster      // sound is later than necessary
	paceSlower      // sound is earlier than planned
)

// playStep is the result of jitterBuffer.next.
type playStep struct {
	kind    playKind
	payload []byte
	missing int // samples
	pace    pace
	fresh   bool // a new beginning; the decoder forgets the sound before it
}

// jitterStats counts what happened to one sender's sound.
type jitterStats struct {
	Received  uint64
	Played    uint64
	Late      uint64 // packets that arrived after their time, or twice
	Concealed uint64 // concealed samples
	Overflow  uint64
	Restarts  uint64
}

// jitterBuffer evens out the arrival of one sender's Opus packets. It puts them in order and holds them back for the
// delay that delayEstimator asks for. For every piece of sound it says whether to decode, repair, conceal or be
// silent. It also says whether to play a little faster or slower, which is how it follows a changed delay and a
// sender's clock that differs from the speaker's.
//
// Times come from the caller, from any zero. Sound is counted in samples at 48 kHz, which is also the RTP clock (RFC
// 7587 section 4.1). jitterBuffer is pure and not safe for concurrent use.
type jitterBuffer struct {
	delay   delayEstimator
	packets []audioPacket // in order of media time

	unwrapSeq  frames.Unwrapper
	unwrapTime frames.Unwrapper

	playing   bool
	began     bool  // the next packet is the first after a pause or a break
	cursor    int64 // media time of the next sample to decode
	lastSeq   int64 // of the packet played last; older packets are never played
	lateRun   int   // packets in a row that came too late
	lastSpan  int64 // length of the packet played last
	pause     bool  // the packet played last announced a pause (discontinuous transmission)
	concealed int64 // samples that were concealed at the cursor

	excess    time.Duration // how much later than planned sound is heard; smoothed, because speakers ask in bursts
	sincePace int           // packets played since the last change of speed

	stats jitterStats
}

type audioPacket struct {
	seq, at, span int64
	payload       []byte
}

func (p audioPacket) end() int64 { return p.at + p.span }

// push takes a packet that arrived at now. The buffer keeps payload.
func (b *jitterBuffer) push(now time.Duration, seq uint16, timestamp uint32, payload []byte) {
	b.stats.Received++
	span := int64(opusSpan(payload))
	if span == 0 {
		return // padding, or not an Opus packet
	}
	p := audioPacket{seq: b.unwrapSeq.Next(uint64(seq), 16), at: b.unwrapTime.Next(uint64(timestamp), 32), span: span, payload: payload}
	if !b.delay.arrive(now, codec.AudioTime(p.at)) {
		b.packets = b.packets[:0]
		b.forget(p)
	}
	if b.stats.Played == 0 && len(b.packets) == 0 {
		b.lastSeq = p.seq - 1 - maxReorder
	}
	if p.seq <= b.lastSeq || b.playing && p.end() <= b.cursor {
		b.stats.Late++
		if b.lateRun++; b.lateRun >= maxLateRun {
			b.forget(p) // the sender's count started over
		}
		return
	}
	b.lateRun = 0
	i, found := slices.BinarySearchFunc(b.packets, p, func(a, b audioPacket) int { return int(a.seq - b.seq) })
	if found {
		b.stats.Late++
		return
	}
	b.packets = slices.Insert(b.packets, i, p)
	if len(b.packets) > maxBuffered {
		b.packets = slices.Delete(b.packets, 0, len(b.packets)-maxBuffered)
		b.stats.Overflow++
	}
}

// next returns what to play at now. pending is the number of decoded samples that have not been heard yet.
func (b *jitterBuffer) next(now time.Duration, pending int) playStep {
	heard := now + codec.AudioTime(int64(pending)) // when sound that is decoded now will be heard
	if !b.playing && !b.begin(heard) {
		return playStep{kind: playSilence}
	}
	b.dropLate()
	if len(b.packets) == 0 {
		return b.starve()
	}
	b.skipLag(heard)
	head := b.packets[0]
	if head.at > b.cursor {
		if step, ok := b.bridge(heard, head); ok {
			return step
		}
	}
	return b.play(heard)
}

// held returns how long the sound that is heard now was held back.
func (b *jitterBuffer) held() time.Duration {
	if !b.playing {
		return 0
	}
	return max(b.delay.target+b.excess, 0)
}

// begin starts to play when the first packet is due.
func (b *jitterBuffer) begin(heard time.Duration) bool {
	if len(b.packets) == 0 || heard < b.delay.due(codec.AudioTime(b.packets[0].at)) {
		return false
	}
	b.playing, b.began, b.pause, b.concealed = true, true, false, 0
	b.cursor, b.lastSeq = b.packets[0].at, b.packets[0].seq-1
	b.excess = b.delay.excess(heard, codec.AudioTime(b.cursor))
	return true
}

// play returns the first packet.
func (b *jitterBuffer) play(heard time.Duration) playStep {
	head := b.packets[0]
	b.packets = slices.Delete(b.packets, 0, 1)
	step := playStep{kind: playPacket, payload: head.payload, fresh: b.began}
	b.excess += (b.delay.excess(heard, codec.AudioTime(head.at)) - b.excess) / 16
	if b.sincePace++; b.sincePace >= paceEvery {
		switch {
		case b.excess > slackLate && b.stock() >= minStock:
			step.pace = paceFaster
		case b.excess < -slackEarly:
			step.pace = paceSlower
		}
	}
	b.began, b.concealed = false, 0
	b.cursor, b.lastSeq, b.lastSpan = head.end(), head.seq, head.span
	b.pause = len(head.payload) <= 2
	b.stats.Played++
	return step
}

// stretched notes that the last packet was played shorter by saved samples, or longer if saved is negative.
func (b *jitterBuffer) stretched(saved int) {
	b.excess -= codec.AudioTime(int64(saved))
	b.sincePace = 0
}

// bridge returns how to fill the hole before head. It returns false when the hole is filled and head should be
// played.
func (b *jitterBuffer) bridge(heard time.Duration, head audioPacket) (playStep, bool) {
	gap := head.at - b.cursor
	silent := head.seq == b.lastSeq+1 || b.pause // no packet was lost; the sender was silent
	if silent || gap > maxGap {
		switch {
		case heard >= b.delay.due(codec.AudioTime(head.at)):
			return playStep{}, false
		case silent:
			return playStep{kind: playComfort, missing: concealStep}, true
		default:
			return b.starve(), true
		}
	}
	missing := min(gap-b.concealed, concealStep) // some samples may have been concealed already
	if missing <= 0 {
		return playStep{}, false
	}
	missing = (missing + opusQuantum - 1) / opusQuantum * opusQuantum
	step := playStep{kind: playConceal, missing: int(missing)}
	if missing == gap && missing <= head.span {
		step.kind, step.payload = playRepair, head.payload
	}
	b.cursor += missing
	b.stats.Concealed += uint64(missing)
	return step, true
}

// starve returns the step for an empty buffer. The cursor stays, so that late packets are still played, and the delay
// grows by what was concealed.
func (b *jitterBuffer) starve() playStep {
	if b.pause {
		return playStep{kind: playComfort, missing: concealStep}
	}
	if b.concealed >= maxConceal {
		b.restart()
		return playStep{kind: playSilence}
	}
	b.concealed += concealStep
	b.stats.Concealed += concealStep
	return playStep{kind: playConceal, missing: concealStep}
}

// stock returns how much sound is in the buffer.
func (b *jitterBuffer) stock() time.Duration {
	if len(b.packets) == 0 {
		return 0
	}
	return codec.AudioTime(b.packets[len(b.packets)-1].end() - b.packets[0].at)
}

// skipLag drops sound that is so late that playing faster would take seconds to catch up.
func (b *jitterBuffer) skipLag(heard time.Duration) {
	if b.stock() <= b.delay.target ||
		b.excess <= maxLag && b.delay.excess(heard, codec.AudioTime(b.packets[0].at)) <= 2*maxLag {
		return
	}
	for len(b.packets) > 1 && b.stock() > b.delay.target && b.delay.excess(heard, codec.AudioTime(b.packets[0].at)) > 0 {
		b.packets = slices.Delete(b.packets, 0, 1)
		b.stats.Overflow++
	}
	b.cursor, b.began = b.packets[0].at, true
	b.lastSeq, b.excess = b.packets[0].seq-1, b.delay.excess(heard, codec.AudioTime(b.cursor))
}

func (b *jitterBuffer) dropLate() {
	n := 0
	for n < len(b.packets) && b.packets[n].end() <= b.cursor {
		n++
	}
	b.packets = slices.Delete(b.packets, 0, n)
	b.stats.Late += uint64(n)
}

// forget starts over with p, after the sender's clock or count broke.
func (b *jitterBuffer) forget(p audioPacket) {
	b.restart()
	b.lastSeq, b.lateRun = p.seq-1, 0
}

// restart makes the next packet a new beginning.
func (b *jitterBuffer) restart() {
	if b.playing {
		b.stats.Restarts++
	}
	b.playing, b.pause, b.concealed = false, false, 0
}

// opusSpan returns how many samples at 48 kHz an Opus packet contains, from its first bytes (RFC 6716 section 3.1).
// It returns 0 for data that is no packet.
func opusSpan(packet []byte) int {
	if len(packet) == 0 {
		return 0
	}
	toc := packet[0]
	var frame int // samples
	switch config := toc >> 3; {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		frame = [...]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		frame = [...]int{480, 960}[config&1]
	default: // CELT: 2.5, 5, 10, 20 ms
		frame = 120 << (config & 3)
	}
	frames := 1
	switch toc & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int(packet[1] & 0x3f)
	}
	if span := frame * frames; span <= 5760 {
		return span
	}
	return 0
}
