package forward

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// ErrNotSent is what a slot's writer returns when certainly nothing was encrypted, so that the packet's number is free.
var ErrNotSent = errors.New("not sent")

// Slot forwards one track at a time to one receiver, as one unbroken stream.
type Slot struct {
	Kind     signalling.Kind
	Mid      string       // of the media section; "" in the native engine's slots
	admitted *atomic.Bool // the receiver's
	counters *Counters

	// starved is set when the receiver needs a keyframe sooner than it may have one:
	// until then nothing is sent that it can't show.
	starved atomic.Bool

	layer atomic.Pointer[layer] // what it forwards; set with mu held, nil for nothing

	mu     sync.Mutex
	closed bool
	writer interceptor.RTPWriter // nil until negotiated
	ready  bool                  // and until connected
	wanted bool                  // the receiver's description takes it
	out    rewriter

	header    rtp.Header
	extension [3]byte // abs-send-time, in header
	hasTime   bool
	rtxHeader rtp.Header
	hasRTX    bool

	sentAt          time.Time
	replayed        uint64 // packets up to this arrival were sent by a replay
	packets, octets uint32 // for sender reports
	budget          *resends
	resent          []resent // nil before the first retransmission
	wishes          wishes
	scratch         []byte
	scratchPacket   packet
	long            []byte // scratch of lengthenVP8
}

func NewSlot(kind signalling.Kind, admitted *atomic.Bool, counters *Counters) *Slot {
	s := &Slot{Kind: kind, admitted: admitted, counters: counters, budget: new(resends), wanted: true}
	s.wishes.reset()
	s.out.clockRate = codec.AudioClockRate
	if kind == signalling.KindVideo {
		s.out.clockRate = codec.VideoClockRate
	}
	return s
}

// Bind gives the slot its negotiated numbers. timeID is the id of abs-send-time,
// 0 without it; rtxType is 0 without retransmission streams. Without them repeats go out under the number of the
// original, so nothing in them may change: they would use one nonce for two packets.
func (s *Slot) Bind(ssrc uint32, payloadType uint8, rtxSSRC uint32, rtxType, timeID uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = rtp.Header{Version: 2, PayloadType: payloadType, SSRC: ssrc}
	if timeID != 0 && rtxType != 0 {
		s.hasTime = s.header.SetExtension(timeID, s.extension[:]) == nil
	}
	s.hasRTX = rtxType != 0
	s.rtxHeader = s.header
	s.rtxHeader.PayloadType, s.rtxHeader.SSRC = rtxType, rtxSSRC
}

// SetWriter gives the slot its way to the receiver.
func (s *Slot) SetWriter(w interceptor.RTPWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = w
}

// SetWanted says whether the receiver takes what the slot sends: an answer may refuse it, and the next one not.
func (s *Slot) SetWanted(wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = wanted
	if !wanted {
		s.ready = false
		s.out.end()
	}
}

// Open says that the receiver is connected. Only from then on is anything
// written.
func (s *Slot) Open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil || s.ready || !s.wanted {
		return
	}
	s.ready = true
	s.start(time.Now())
}

// Assign makes the slot forward t, or nothing.
func (s *Slot) Assign(t *Track) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layer.Store(nil)
	if t != nil {
		s.layer.Store(t.first())
	}
	s.out.end()
	s.starved.Store(false)
	s.wishes.reset()
	s.start(time.Now())
}

// interrupt ends what is forwarded; it goes on with the next packet, video with
// the next keyframe.
func (s *Slot) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.end()
}

// Close ends the slot for good.
func (s *Slot) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.layer.Store(nil)
}

// start begins video with the newest keyframe if there is a recent one,
// otherwise it asks for one. Audio begins by itself.
func (s *Slot) start(now time.Time) {
	l := s.layer.Load()
	if s.Kind != signalling.KindVideo || l == nil || !s.ready || s.closed {
		return
	}
	if !s.replay(now) {
		l.requestKeyframe(now)
	}
}

// replay sends what the track has cached from its newest keyframe on.
func (s *Slot) replay(now time.Time) bool {
	l := s.layer.Load()
	if l.track.silent.Load() {
		return false
	}
	r, ok := l.replayable(now)
	if !ok {
		return false
	}
	p := &s.scratchPacket
	for n := r.first; n <= r.last; n++ {
		if s.scratch, ok = l.copyExtended(n, p, s.scratch); !ok {
			if n == r.first {
				return false // overwritten meanwhile
			}
			continue // lost: the receiver will ask for it
		}
		if n == r.first {
			s.out.beginReplay(p, r.frames, s.elapsed(now))
		}
		s.send(p, now)
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

// forward takes a packet of a layer. restart says that it begins a new stream. The
// numbers inside its payload are overwritten.
func (s *Slot) forward(l *layer, p *packet, restart bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layer.Load() != l || !s.ready || s.closed {
		return
	}
	if restart {
		s.out.end()
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
	case s.out.running:
		if p.arrival <= s.replayed {
			return
		}
		s.send(p, now)
	case s.Kind == signalling.KindAudio:
		s.out.begin(p, s.elapsed(now))
		s.replayed = 0
		s.send(p, now)
	case p.vp8.Keyframe:
		s.replay(now)
	}
}

// send rewrites p and writes it.
func (s *Slot) send(p *packet, now time.Time) {
	out, ok := s.out.rewrite(p)
	if !ok {
		if !s.out.running {
			s.layer.Load().requestKeyframe(now) // nothing could be sent for long
		}
		return
	}
	s.header.Marker = p.marker
	if !s.write(&s.header, p, out, nil, now) {
		return
	}
	s.out.sent(p, out)
	s.sentAt = now
	s.packets++
	s.octets += uint32(len(p.payload))
}

// write writes p with the numbers of out, after prefix. It is the one place
// where media leaves, and nothing leaves to somebody who is not admitted. It
// returns false when the numbers are free; see errNotSent.
func (s *Slot) write(h *rtp.Header, p *packet, out rewritten, prefix []byte, now time.Time) bool {
	if !s.admitted.Load() {
		s.counters.unadmittedMedia.Add(1)
		return false
	}
	payload := p.payload
	if d := p.vp8; d.hasPicture || d.hasTL0 {
		if d.hasPicture && !d.longPicture {
			s.long, d = lengthenVP8(s.long, payload, d)
			payload = s.long
		}
		writeVP8(payload, d, out.picture, out.tl0)
	}
	if prefix != nil {
		payload = append(prefix, payload...)
	} else {
		h.SequenceNumber = out.sequence
	}
	h.Timestamp = out.timestamp
	if s.hasTime {
		t := absSendTime(now)
		s.extension[0], s.extension[1], s.extension[2] = byte(t>>16), byte(t>>8), byte(t)
	}
	_, err := s.writer.Write(h, payload, nil)
	if err == nil {
		s.counters.forwarded(len(payload))
		if prefix == nil {
			s.budget.sent.Add(uint64(len(payload)))
		}
	}
	return !errors.Is(err, ErrNotSent)
}

// resend answers a NACK for output sequence numbers from the track's cache, as
// far as the receiver's budget goes.
func (s *Slot) resend(sequences []uint16) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.layer.Load()
	if l == nil || !s.ready || s.closed {
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
		if !s.hasRTX && p.vp8.hasPicture && !p.vp8.longPicture {
			continue // its id may have grown differently by now: a repeat must be the same to the bit
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
			s.write(&s.header, p, out, nil, now)
			continue
		}
		s.rtxHeader.Marker = p.marker
		s.rtxHeader.SequenceNumber++
		if !s.write(&s.rtxHeader, p, out, []byte{byte(n >> 8), byte(n)}, now) {
			s.rtxHeader.SequenceNumber--
		}
	}
}

// requestKeyframe takes the receiver's wish.
func (s *Slot) requestKeyframe() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch l := s.layer.Load(); {
	case l == nil || !s.ready || s.closed || !s.admitted.Load():
	case !s.out.running && !s.starved.Load(): // a join or an unmute: one is on its way
		l.requestKeyframe(now)
	default:
		s.wishKeyframe(l, now)
	}
}

// wishKeyframe passes a wish for a keyframe of l on, at once or when the
// receiver may have one. The caller need not hold the lock.
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

// senderReport returns the slot's sender report (RFC 3550 section 6.4.1) for
// now: the track's timestamps on our clock, with our rewriting.
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
		NTPTime:     toNTP(now),
		RTPTime:     timestamp + s.out.timestamp,
		PacketCount: s.packets,
		OctetCount:  s.octets,
	}, true
}
