package forward

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/clocks"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// ErrNotSent is returned by a slot's writer if certainly nothing was encrypted, so that the packet's number may be
// used again.
var ErrNotSent = errors.New("not sent")

// Slot forwards one layer of one track at a time to one receiver, as one unbroken stream.
type Slot struct {
	Kind     signalling.Kind
	Mid      string       // of the media section; "" for the native engine's slots
	admitted *atomic.Bool // says whether the receiver is admitted
	counters *Counters

	// starved is set when the receiver needs a keyframe before it may have one. Until then nothing is sent, because
	// the receiver could not show it.
	starved atomic.Bool

	layer atomic.Pointer[layer] // the layer that is forwarded, nil for none; set with mu held. See selector.go

	mu     sync.Mutex
	closed bool
	track  *Track                // that is assigned, nil for none
	target int                   // index of the layer that is wanted
	sought time.Time             // when a keyframe of it was last asked for
	paused bool                  // nothing is forwarded, because the receiver does not look
	writer interceptor.RTPWriter // nil until negotiated
	ready  bool                  // the receiver is connected
	wanted bool                  // the receiver's description accepts the stream
	fresh  bool                  // it begins with what comes, and not with what is in the cache
	out    rewriter

	header    rtp.Header
	number    [2]byte // the value of the transport-wide number in header
	hasNumber bool
	extension [3]byte // the value of abs-send-time in header
	hasTime   bool
	rtxHeader rtp.Header
	hasRTX    bool
	redType   uint8 // payload type of redundant sound, 0 if the receiver takes none
	overhead  int   // bytes on the wire beside the payload, in both streams

	interval   uint32       // counts the interruptions after which nothing may leave that waited before
	departures *departures  // of the receiver; nil for the native engine's slots
	pacing     *pacing      // likewise
	redundant  *atomic.Bool // likewise; sound is to carry the packet before
	numbers    []numbered   // of the stream's last packets, if it is repeated in itself; nil before the first

	sentAt          time.Time
	hasKeyframe     bool
	keyframe        uint32    // timestamp of the newest keyframe, in the layer
	replayed        uint64    // arrival number of the last packet that the replay sent
	resumedAt       time.Time // when a pause last ended with a replay
	packets, octets uint32    // for sender reports
	budget          *resends
	resent          []resent // nil before the first retransmission
	wishes          wishes
	scratch         []byte
	scratchPacket   packet
	long            []byte // scratch space of vp8.Lengthen
	red             []byte // scratch space of writeSound
}

// NewSlot returns a slot with a budget for retransmissions of its own; see [Outbound.NewSlot].
func NewSlot(kind signalling.Kind, admitted *atomic.Bool, counters *Counters) *Slot {
	s := &Slot{Kind: kind, admitted: admitted, counters: counters, budget: new(resends), wanted: true, target: highest}
	s.wishes.reset()
	s.out.clockRate = codec.AudioClockRate
	if kind == signalling.KindVideo {
		s.out.clockRate = codec.VideoClockRate
	}
	return s
}

// Numbers are what a receiver's description says of a slot's stream.
type Numbers struct {
	SSRC        uint32
	PayloadType uint8

	// RTXPayloadType is 0 if there is no retransmission stream (RFC 4588). A retransmission then uses the original's
	// sequence number, so it must not differ from the original in any bit: two different packets would use one nonce.
	RTXSSRC        uint32
	RTXPayloadType uint8

	// Ids of header extensions, 0 for those that the receiver does not take.
	TransportID   uint8 // transport-wide-cc-01
	AbsSendTimeID uint8 // used if there is no TransportID, because receivers then estimate by it
}

// Bind gives the slot its negotiated numbers.
func (s *Slot) Bind(n Numbers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hasRTX = n.RTXPayloadType != 0
	s.header = rtp.Header{Version: 2, PayloadType: n.PayloadType, SSRC: n.SSRC}
	switch {
	case n.TransportID != 0 && s.departures != nil:
		s.hasNumber = s.header.SetExtension(n.TransportID, s.number[:]) == nil
	case n.AbsSendTimeID != 0 && s.hasRTX:
		s.hasTime = s.header.SetExtension(n.AbsSendTimeID, s.extension[:]) == nil
	}
	s.overhead = s.header.MarshalSize() + wireOverhead
	s.rtxHeader = s.header
	s.rtxHeader.PayloadType, s.rtxHeader.SSRC = n.RTXPayloadType, n.RTXSSRC
}

// SetWriter sets the writer to the receiver.
func (s *Slot) SetWriter(w interceptor.RTPWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = w
}

// SetFresh makes the slot begin with what arrives from now on: pictures with a new keyframe, which it asks for, and sound
// without what was before a word. It is called before Open, for a receiver that may have nothing of before.
func (s *Slot) SetFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = true
}

// SetWanted says whether the receiver takes what the slot sends. One answer may refuse it and the next one accept it.
func (s *Slot) SetWanted(wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = wanted
	if !wanted {
		s.ready = false
		s.cut()
	}
}

// Open says that the receiver is connected. Nothing is written before.
func (s *Slot) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil || s.ready || !s.wanted {
		return
	}
	s.ready = true
	s.start(time.Now())
}

// Assign makes the slot forward t, or nothing if t is nil.
func (s *Slot) Assign(t *Track) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.track, s.target = t, highest
	s.aim()
	s.cut()
	s.starved.Store(false)
	s.wishes.reset()
	s.start(time.Now())
}

// interrupt ends the stretch. Audio goes on with the next packet, and video with the next keyframe.
func (s *Slot) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut()
}

// cut ends the stretch, and what waits of it does not leave any more. The caller holds s.mu.
func (s *Slot) cut() {
	s.out.end()
	s.interval++
}

// Close ends the slot. It forwards nothing any more.
func (s *Slot) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.aim()
}

// start begins video with the newest keyframe if it is recent enough, and asks for a keyframe otherwise. Audio begins
// with its next packet.
func (s *Slot) start(now time.Time) {
	l := s.layer.Load()
	if s.Kind != signalling.KindVideo || l == nil || !s.ready || s.closed {
		return
	}
	if s.fresh || !s.replay(now) {
		l.requestKeyframe(now)
	}
}

// replay sends the packets in the layer's cache, from its newest keyframe on. It reports whether there were any.
func (s *Slot) replay(now time.Time) bool {
	l := s.layer.Load()
	if l.track.silent.Load() {
		return false
	}
	r, ok := l.replayable(now, oldestKeyframe)
	if !ok || s.hasNumber && !s.pacing.replays(r.bytes) {
		return false
	}
	return s.play(l, r, s.elapsed(now), now)
}

// play sends what a layer's cache holds, elapsed after what was sent last.
func (s *Slot) play(l *layer, r replay, elapsed time.Duration, now time.Time) (ok bool) {
	p := &s.scratchPacket
	for n := r.first; n <= r.last; n++ {
		if s.scratch, ok = l.copyExtended(n, p, s.scratch); !ok {
			if n == r.first {
				return false // overwritten in the meantime
			}
			continue // lost; the receiver will ask for it
		}
		if n == r.first {
			s.out.beginReplay(p, r.frames, elapsed)
		}
		s.send(p, now)
		if !s.out.running {
			return true // there was no room; the next keyframe goes on
		}
	}
	s.replayed = r.arrival
	return true
}

func (s *Slot) elapsed(now time.Time) time.Duration {
	if s.sentAt.IsZero() {
		return 0
	}
	return now.Sub(s.sentAt)
}

// forward takes a packet of a layer. restart says that the packet begins a new stream. forward overwrites the numbers
// inside the payload.
func (s *Slot) forward(l *layer, p *packet, restart bool, now time.Time) {
	if s.layer.Load() != l && !p.vp8.Keyframe {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready || s.closed {
		return
	}
	if from := s.layer.Load(); from != l {
		if s.follows(from, l, now) {
			s.move(from, l, now)
		}
		return
	}
	if restart {
		s.cut()
		s.replayed = 0
	}
	if s.starved.Load() {
		s.out.end()
		if p.vp8.Keyframe {
			s.starved.Store(false)
			s.wishes.granted()
		}
	}
	switch {
	case s.Kind == signalling.KindAudio && (p.begins || !s.out.running):
		s.speak(l, p, now)
	case s.out.running:
		if p.arrival <= s.replayed {
			return
		}
		s.send(p, now)
	case p.vp8.Keyframe:
		s.replay(now)
	}
}

// SetThin says that half of the pictures have to be enough for the receiver, if the sender makes them so that the others
// can be left out.
func (s *Slot) SetThin(thin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.thin.On = thin
}

// send rewrites p and writes it, unless it is left out.
func (s *Slot) send(p *packet, now time.Time) {
	narrow := p.vp8.Temporal > 0 && p.vp8.Start && s.hasNumber && s.pacing.crowded()
	if s.out.leaveOut(p, narrow) {
		return
	}
	size := s.overhead + len(p.payload)
	wait, keyframe := false, p.vp8.Keyframe || s.hasKeyframe && p.timestamp == s.keyframe
	switch {
	case !s.hasNumber:
	case s.Kind == signalling.KindAudio:
		s.pacing.pass(now, size)
	case s.hasRTX: // otherwise a packet that waits and its retransmission might differ under one nonce
		switch s.pacing.ask(now, size, keyframe) {
		case waits:
			wait = true
		case refused:
			if !s.out.leaveOut(p, true) { // others depend on it
				s.starve(now)
			}
			return
		}
	}
	if p.vp8.Keyframe {
		s.hasKeyframe, s.keyframe = true, p.timestamp
	}
	out, ok := s.out.rewrite(p)
	if !ok {
		if !s.out.running {
			s.layer.Load().requestKeyframe(now) // no packet could be sent for long
		}
		return
	}
	if wait {
		s.pacing.hold(now, size, keyframe, held{s, s.layer.Load(), s.interval, p.sequence, out})
		s.out.sent(p, out)
		s.sentAt = now
		return
	}
	s.header.Marker = p.marker
	if number := s.nextNumber(); s.Kind == signalling.KindAudio {
		ok = s.writeSound(p, out, number, now)
	} else if ok = s.write(&s.header, p, out, nil, number, now); ok && s.hasNumber && !s.hasRTX {
		s.remember(out.sequence, numbered{out.sequence, number, true, false})
	}
	if !ok {
		return
	}
	s.out.sent(p, out)
	s.sentAt = now
	s.packets++
	s.octets += uint32(len(p.payload))
}

// leave writes a packet that has waited, unless the slot forwards something else by now.
func (s *Slot) leave(h held, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready || s.closed || s.layer.Load() == nil || s.track != h.layer.track || s.interval != h.interval ||
		h.layer.track.silent.Load() {
		return
	}
	p := &s.scratchPacket
	var ok bool
	if s.scratch, ok = h.layer.copySequence(h.sequence, p, s.scratch); !ok {
		return
	}
	s.header.Marker = p.marker
	if s.write(&s.header, p, h.out, nil, s.nextNumber(), now) {
		s.packets++
		s.octets += uint32(len(p.payload))
	}
}

// starve ends the stretch and waits for a keyframe, because the receiver's line has no room for what comes before. What
// waits still leaves. The caller holds s.mu.
func (s *Slot) starve(now time.Time) {
	s.out.end()
	s.starved.Store(true)
	if l := s.layer.Load(); l != nil {
		s.wishKeyframe(l, now)
	}
}

// dropped says that packets which waited were dropped.
func (s *Slot) dropped(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starve(now)
}

// nextNumber returns the transport-wide number of the next packet.
func (s *Slot) nextNumber() uint16 {
	if !s.hasNumber {
		return 0
	}
	return s.departures.next()
}

// numbered is how a packet was sent.
type numbered struct {
	sequence, number uint16 // of the stream, and transport-wide
	sent             bool
	redundant        bool // it carried the packet before
}

// remember keeps for a packet's retransmission how it was sent.
func (s *Slot) remember(sequence uint16, n numbered) {
	if s.numbers == nil {
		s.numbers = make([]numbered, resendMemory)
	}
	s.numbers[int(sequence)%len(s.numbers)] = n
}

// remembered returns how a packet was sent, of a stream that is repeated in itself.
func (s *Slot) remembered(sequence uint16) (n numbered, ok bool) {
	if !s.hasNumber {
		return numbered{}, true
	}
	if s.numbers == nil {
		return numbered{}, false
	}
	n = s.numbers[int(sequence)%len(s.numbers)]
	return n, n.sent && n.sequence == sequence
}

// write writes p with the numbers of out, after prefix. It is the only place where media leaves, and it sends nothing
// to a receiver that is not admitted. It returns false if the numbers may be used again; see [ErrNotSent].
func (s *Slot) write(h *rtp.Header, p *packet, out rewritten, prefix []byte, number uint16, now time.Time) bool {
	if !s.admitted.Load() {
		s.counters.unadmittedMedia.Add(1)
		return false
	}
	payload := p.payload
	if d := p.vp8; d.HasPicture || d.HasTL0 {
		if d.HasPicture && !d.LongPicture {
			s.long, d = vp8.Lengthen(s.long, payload, d)
			payload = s.long
		}
		vp8.Write(payload, d, out.picture, out.tl0)
	}
	if prefix != nil {
		payload = append(prefix, payload...)
	} else {
		h.SequenceNumber = out.sequence
	}
	h.Timestamp = out.timestamp
	if s.hasNumber {
		s.number[0], s.number[1] = byte(number>>8), byte(number)
	}
	if s.hasTime {
		t := clocks.AbsSendTime(now)
		s.extension[0], s.extension[1], s.extension[2] = byte(t>>16), byte(t>>8), byte(t)
	}
	_, err := s.writer.Write(h, payload, nil)
	if err == nil {
		s.counters.forwarded(len(payload))
		if s.hasNumber {
			s.departures.left(number, s.overhead+len(payload), now)
		}
		if prefix == nil {
			s.budget.sent.Add(uint64(len(payload)))
		}
	}
	return !errors.Is(err, ErrNotSent)
}

// resend answers a NACK for output sequence numbers with packets from the layer's cache, within the receiver's
// budget.
func (s *Slot) resend(sequences []uint16) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.layer.Load()
	if l == nil || !s.ready || s.closed || l.overrun() {
		return
	}
	wait := s.budget.wait()
	oldest := s.out.ticks(max(resendAge, wait+wait/2))
	for _, n := range sequences {
		in, ok := s.out.source(n)
		if !ok {
			continue
		}
		p := &s.scratchPacket
		if s.scratch, ok = l.copySequence(in, p, s.scratch); !ok {
			continue
		}
		out := s.out.again(p)
		if s.out.lastStamp-out.timestamp > oldest && int32(s.out.lastStamp-out.timestamp) > 0 {
			continue
		}
		was, ok := numbered{}, true
		if !s.hasRTX {
			was, ok = s.remembered(n)
		}
		if ok && was.redundant {
			s.red, ok = l.appendRED(s.red[:0], p, s.header.PayloadType)
		}
		if !ok || !s.hasRTX && p.vp8.HasPicture && !p.vp8.LongPicture {
			continue // its output id may be another by now, and a retransmission must equal the original in every bit
		}
		if s.resent == nil {
			s.resent = make([]resent, resendMemory)
		}
		if !again(s.resent, n, wait, now) {
			continue
		}
		if !s.budget.take(len(p.payload), now) {
			return
		}
		s.counters.retransmitted.Add(1)
		if !s.hasRTX {
			s.header.Marker = p.marker
			s.writeAs(p, out, was.number, was.redundant, now)
			continue
		}
		if s.hasNumber {
			s.pacing.pass(now, s.overhead+len(p.payload))
		}
		s.rtxHeader.Marker = p.marker
		s.rtxHeader.SequenceNumber++
		if !s.write(&s.rtxHeader, p, out, []byte{byte(n >> 8), byte(n)}, s.nextNumber(), now) {
			s.rtxHeader.SequenceNumber--
		}
	}
}

// pad sends a packet of nothing but padding in the stream of retransmissions, for a probe. ok is false if there is no
// such stream, or no packet can be sent.
func (s *Slot) pad(now time.Time) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasRTX || !s.hasNumber || !s.ready || s.closed || !s.admitted.Load() || !s.out.begun {
		return false
	}
	number := s.nextNumber()
	s.number[0], s.number[1] = byte(number>>8), byte(number)
	h := s.rtxHeader
	h.SequenceNumber++
	h.Marker, h.Padding, h.Timestamp = false, true, s.out.lastStamp
	_, err := s.writer.Write(&h, padding, nil)
	if !errors.Is(err, ErrNotSent) {
		s.rtxHeader.SequenceNumber++
	}
	if err != nil {
		return false
	}
	s.departures.left(number, s.overhead+len(padding), now)
	return true
}

// padding is the payload of a packet of padding (RFC 3550 section 5.1), whose last byte is the number of its bytes.
var padding = append(make([]byte, 254), 255)

// requestKeyframe takes a keyframe request from the receiver.
func (s *Slot) requestKeyframe() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch l := s.layer.Load(); {
	case l == nil || !s.ready || s.closed || !s.admitted.Load():
	case !s.out.running && !s.starved.Load(): // after a join or an unmute, where it does not count as a wish
		l.requestKeyframe(now)
	default:
		s.wishKeyframe(l, now)
	}
}

// wishKeyframe passes on a wish for a keyframe of l, at once or when the receiver may have one. The caller need not
// hold s.mu.
func (s *Slot) wishKeyframe(l *layer, now time.Time) {
	at, ok := s.wishes.wish(now)
	switch {
	case !ok:
	case at.After(now):
		s.starved.Store(true)
		l.requestKeyframeAt(at)
	default:
		l.requestKeyframe(now)
	}
}

// TimestampAt returns the RTP timestamp of the slot's stream that belongs to now. ok is false while it does not run.
func (s *Slot) TimestampAt(now time.Time) (timestamp uint32, ok bool) {
	r, ok := s.senderReport(now)
	if !ok {
		return 0, false
	}
	return r.RTPTime, true
}

// senderReport returns the slot's sender report (RFC 3550 section 6.4.1) for now. Its RTP timestamp is the layer's
// timestamp on our clock, rewritten as the packets are.
func (s *Slot) senderReport(now time.Time) (*rtcp.SenderReport, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.layer.Load()
	if l == nil || !s.ready || s.closed || !s.out.running || !s.admitted.Load() {
		return nil, false
	}
	timestamp, ok := l.timestampAt(now)
	if !ok {
		return nil, false
	}
	return &rtcp.SenderReport{
		SSRC:        s.header.SSRC,
		NTPTime:     clocks.ToNTP(now),
		RTPTime:     timestamp + s.out.timestamp,
		PacketCount: s.packets,
		OctetCount:  s.octets,
	}, true
}
