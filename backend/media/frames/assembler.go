package frames

import (
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/porch-call/porch/backend/media/codec"
)

const (
	// assemblerWindow is how many packets may wait for a missing one. A keyframe of 720p has about 60 packets.
	assemblerWindow = 512
	// minPatience and maxPatience bound how long a missing packet may take, because of reordering or retransmission,
	// before it counts as lost.
	minPatience = 150 * time.Millisecond
	maxPatience = 600 * time.Millisecond
	// keyframeRepeat is the shortest time between two requests for a keyframe.
	keyframeRepeat = 200 * time.Millisecond
	// maxFrameSize bounds the memory that a sender can make us use for one frame.
	maxFrameSize = 2 << 20
)

// Assembler assembles the RTP packets of one sender's video into whole VP8 frames (RFC 7741), in order and without
// gaps. After a loss it waits as long as a retransmission should take. Then it asks for a keyframe and continues
// there.
//
// It is pure and not safe for concurrent use.
type Assembler struct {
	packets [assemblerWindow]videoPacket // by sequence number modulo the window
	unwrap  Unwrapper
	clock   Unwrapper

	begun   bool
	next    int64 // sequence number of the first unused packet
	highest int64

	patience time.Duration // how long to wait for a missing packet, see Wait; 0 for minPatience

	broken    bool // frames before the next keyframe can't be decoded
	holeSince time.Duration
	hole      bool
	asked     bool
	askedAt   time.Duration

	stats statistics
}

type videoPacket struct {
	filled  bool
	seq     int64
	at      int64 // unwrapped RTP time
	start   bool  // first packet of its frame
	end     bool  // last packet of its frame
	key     bool  // with start: the frame is a keyframe
	payload []byte
}

// statistics counts what happened to one sender's video.
type statistics struct {
	Frames    uint64
	Keyframes uint64
	Dropped   uint64 // packets that were malformed, late, or useless after a loss
	Losses    uint64
}

// Push takes a packet that arrived at now and appends the frames that are whole now. wantKey reports that the caller
// should ask for a keyframe.
func (a *Assembler) Push(now time.Duration, pkt *rtp.Packet, frames []Frame) (_ []Frame, wantKey bool) {
	p, ok := a.parse(pkt)
	if !ok {
		a.stats.Dropped++
		return frames, a.wantKey(now)
	}
	switch {
	case !a.begun:
		a.begun, a.broken = true, true
		a.next, a.highest = p.seq, p.seq
	case p.seq < a.next:
		a.stats.Dropped++
		return frames, a.wantKey(now)
	case p.seq >= a.next+assemblerWindow:
		a.abandon(p.seq)
	}
	a.highest = max(a.highest, p.seq)
	a.packets[p.seq%assemblerWindow] = p
	frames = a.collect(now, frames)
	return frames, a.wantKey(now)
}

// Wait sets how long to wait for missing packets. A retransmission takes a round trip, and half of another one if its
// request is late or lost. A roundTrip of 0 means unknown.
func (a *Assembler) Wait(roundTrip time.Duration) {
	a.patience = min(max(roundTrip+roundTrip/2+50*time.Millisecond, minPatience), maxPatience)
}

func (a *Assembler) parse(pkt *rtp.Packet) (videoPacket, bool) {
	p := videoPacket{
		filled: true,
		seq:    a.unwrap.Next(uint64(pkt.SequenceNumber), 16),
		at:     a.Ticks(pkt.Timestamp),
		end:    pkt.Marker,
	}
	if len(pkt.Payload) == 0 {
		// This is padding that probes for bandwidth. It has a sequence number and no payload.
		return p, true
	}
	var header codecs.VP8Packet
	payload, err := header.Unmarshal(pkt.Payload)
	if err != nil || len(payload) == 0 {
		return p, err == nil
	}
	p.start = header.S == 1 && header.PID == 0
	p.key = p.start && payload[0]&1 == 0 // RFC 6386 section 9.1
	p.payload = append([]byte(nil), payload...)
	return p, true
}

// Ticks returns an RTP time, unwrapped. A second call for the same packet changes nothing.
func (a *Assembler) Ticks(timestamp uint32) int64 { return a.clock.Next(uint64(timestamp), 32) }

// MediaTime returns a packet's RTP time in the same form as that of frames.
func (a *Assembler) MediaTime(timestamp uint32) time.Duration {
	return codec.VideoTime(a.Ticks(timestamp))
}

// collect appends all whole frames, and gives up on packets that are missing for too long.
func (a *Assembler) collect(now time.Duration, frames []Frame) []Frame {
	for {
		if a.broken {
			a.seekKey()
		}
		if f, after, ok := a.whole(a.next); ok {
			if !a.broken || f.Key {
				a.broken = false
				a.asked = a.asked && !f.Key
				a.count(f)
				frames = append(frames, f)
			}
			a.release(after)
			a.hole = false
			continue
		}
		if !a.missing() {
			a.hole = false
			return frames
		}
		if !a.hole {
			a.hole, a.holeSince = true, now
		}
		if key, ok := a.laterKey(); ok {
			// A whole keyframe after the hole makes the missing packets unnecessary.
			a.stats.Losses++
			a.release(key)
			a.hole = false
			continue
		}
		if !a.broken && a.overdue(now) {
			a.stats.Losses++
			a.broken = true
			continue
		}
		return frames
	}
}

// whole returns the frame that begins at seq, and the number after its last packet. It skips padding before the
// frame.
func (a *Assembler) whole(seq int64) (f Frame, after int64, ok bool) {
	for p := a.at(seq); p != nil && p.payload == nil; p = a.at(seq) {
		seq++
	}
	first := a.at(seq)
	if first == nil || !first.start {
		return f, 0, false
	}
	size := 0
	for s := seq; ; s++ {
		p := a.at(s)
		if p == nil || p.at != first.at || (s > seq && p.start) {
			return f, 0, false
		}
		if size += len(p.payload); size > maxFrameSize {
			return f, 0, false
		}
		if p.end {
			after = s + 1
			break
		}
	}
	f = Frame{Key: first.key, Ticks: first.at, At: codec.VideoTime(first.at), Payload: make([]byte, 0, size)}
	for s := seq; s < after; s++ {
		f.Payload = append(f.Payload, a.at(s).payload...)
	}
	return f, after, true
}

// seekKey moves to the first packet of a keyframe, if there is one.
func (a *Assembler) seekKey() {
	for s := a.next; s <= a.highest; s++ {
		if p := a.at(s); p != nil && p.key {
			a.drop(s)
			return
		}
	}
	// Keep packets that may turn out to belong to a keyframe with a hole before them. That is at most the window,
	// because abandon and release bound it.
	if a.at(a.next) != nil {
		s := a.next
		for a.at(s) != nil {
			s++
		}
		a.drop(s)
	}
}

// laterKey returns the first packet of a whole keyframe after the hole.
func (a *Assembler) laterKey() (int64, bool) {
	for s := a.next + 1; s <= a.highest; s++ {
		if p := a.at(s); p != nil && p.key {
			if _, _, ok := a.whole(s); ok {
				return s, true
			}
		}
	}
	return 0, false
}

// missing reports whether packets after the first hole have arrived.
func (a *Assembler) missing() bool {
	for s := a.next; s <= a.highest; s++ {
		if a.at(s) == nil {
			return true
		}
	}
	// No packet is missing. If there is still no frame, either it is incomplete so far, or the packet that should
	// begin one does not.
	if p := a.at(a.next); p != nil && p.payload != nil && !p.start {
		return true
	}
	return false
}

func (a *Assembler) at(seq int64) *videoPacket {
	p := &a.packets[((seq%assemblerWindow)+assemblerWindow)%assemblerWindow]
	if !p.filled || p.seq != seq {
		return nil
	}
	return p
}

// release frees all packets before seq.
func (a *Assembler) release(seq int64) {
	for s := a.next; s < seq; s++ {
		if p := a.at(s); p != nil {
			*p = videoPacket{}
		}
	}
	a.next = max(a.next, seq)
}

// drop releases packets that were not used, and counts them.
func (a *Assembler) drop(seq int64) {
	for s := a.next; s < seq; s++ {
		if a.at(s) != nil {
			a.stats.Dropped++
		}
	}
	a.release(seq)
}

// abandon gives up all packets, because seq is far ahead.
func (a *Assembler) abandon(seq int64) {
	a.stats.Losses++
	a.packets = [assemblerWindow]videoPacket{}
	a.next, a.highest = seq, seq
	a.broken, a.hole = true, false
}

func (a *Assembler) count(f Frame) {
	a.stats.Frames++
	if f.Key {
		a.stats.Keyframes++
	}
}

// wantKey reports whether to ask for a keyframe now, and notes that it was asked for.
func (a *Assembler) wantKey(now time.Duration) bool {
	if !a.broken || a.keyUnderway(now) || (a.asked && now-a.askedAt < max(keyframeRepeat, a.patience)) {
		return false
	}
	a.asked, a.askedAt = true, now
	return true
}

// keyUnderway reports whether a keyframe is arriving without a hole that counts as lost.
func (a *Assembler) keyUnderway(now time.Duration) bool {
	p := a.at(a.next)
	return p != nil && p.key && (!a.hole || !a.overdue(now))
}

// overdue reports whether the missing packets should have arrived by now.
func (a *Assembler) overdue(now time.Duration) bool {
	return now-a.holeSince >= max(a.patience, minPatience)
}
