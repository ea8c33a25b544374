package call

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/signalling"
)

// slot forwards one source at a time to one receiver, as one unbroken stream.
type slot struct {
	kind     signalling.Kind
	mid      string       // of the media section; "" in the native engine's slots
	admitted *atomic.Bool // the receiver's
	counters *counters

	mu     sync.Mutex
	closed bool
	source *source
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
	resent          int    // retransmissions in the current window
	resentFrom      time.Time
	scratch         []byte
	scratchPacket   packet
	long            []byte // scratch of lengthenVP8
}

// Limits of retransmissions per slot, against receivers who ask for more than
// they lost: the host's uplink is scarce.
const (
	resendWindow = 100 * time.Millisecond
	maxResend    = 64 // per window
)

func newSlot(kind signalling.Kind, admitted *atomic.Bool, counters *counters) *slot {
	s := &slot{kind: kind, admitted: admitted, counters: counters, wanted: true}
	s.out.clockRate = audioClockRate
	if kind == signalling.KindVideo {
		s.out.clockRate = videoClockRate
	}
	return s
}

// bind gives the slot its negotiated numbers. timeID is the id of abs-send-time,
// 0 without it; rtxType is 0 without retransmission streams. Without them repeats go out under the number of the
// original, so nothing in them may change: they would use one nonce for two packets.
func (s *slot) bind(ssrc uint32, payloadType uint8, rtxSSRC uint32, rtxType, timeID uint8) {
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

// setWriter gives the slot its way to the receiver.
func (s *slot) setWriter(w interceptor.RTPWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = w
}

// setWanted says whether the receiver takes what the slot sends: an answer may refuse it, and the next one not.
func (s *slot) setWanted(wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = wanted
	if !wanted {
		s.ready = false
		s.out.end()
	}
}

// open says that the receiver is connected. Only from then on is anything
// written.
func (s *slot) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil || s.ready || !s.wanted {
		return
	}
	s.ready = true
	s.start(time.Now())
}

// assign makes the slot forward src, or nothing.
func (s *slot) assign(src *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = src
	s.out.end()
	s.start(time.Now())
}

// interrupt ends what is forwarded; it goes on with the next packet, video with
// the next keyframe.
func (s *slot) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.end()
}

// close ends the slot for good.
func (s *slot) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.source = nil
}

// start begins video with the newest keyframe if there is a recent one,
// otherwise it asks for one. Audio begins by itself.
func (s *slot) start(now time.Time) {
	if s.kind != signalling.KindVideo || s.source == nil || !s.ready || s.closed {
		return
	}
	if !s.replay(now) {
		s.source.requestKeyframe(now)
	}
}

// replay sends what the source has cached from its newest keyframe on.
func (s *slot) replay(now time.Time) bool {
	if s.source.silent.Load() {
		return false
	}
	r, ok := s.source.replayable(now)
	if !ok {
		return false
	}
	p := &s.scratchPacket
	for n := r.first; n <= r.last; n++ {
		if s.scratch, ok = s.source.copyExtended(n, p, s.scratch); !ok {
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

func (s *slot) elapsed(now time.Time) time.Duration {
	if s.sentAt.IsZero() {
		return 0
	}
	return now.Sub(s.sentAt)
}

// forward takes a packet of src. restart says that it begins a new stream. The
// numbers inside its payload are overwritten.
func (s *slot) forward(src *source, p *packet, restart bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != src || !s.ready || s.closed {
		return
	}
	if restart {
		s.out.end()
		s.replayed = 0
	}
	switch {
	case s.out.running:
		if p.arrival <= s.replayed {
			return
		}
		s.send(p, now)
	case s.kind == signalling.KindAudio:
		s.out.begin(p, s.elapsed(now))
		s.replayed = 0
		s.send(p, now)
	case p.vp8.keyframe:
		s.replay(now)
	}
}

// send rewrites p and writes it.
func (s *slot) send(p *packet, now time.Time) {
	out, ok := s.out.rewrite(p)
	if !ok {
		if !s.out.running {
			s.source.requestKeyframe(now) // nothing could be sent for long
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
// returns false when certainly nothing was encrypted: the numbers are free.
func (s *slot) write(h *rtp.Header, p *packet, out rewritten, prefix []byte, now time.Time) bool {
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
	}
	return !errors.Is(err, errNoLink) && !errors.Is(err, errTooLong)
}

// resend answers a NACK for output sequence numbers from the source's cache.
func (s *slot) resend(sequences []uint16) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil || !s.ready || s.closed {
		return
	}
	if now.Sub(s.resentFrom) > resendWindow {
		s.resent, s.resentFrom = 0, now
	}
	for _, n := range sequences {
		in, ok := s.out.source(n)
		if !ok {
			continue
		}
		if s.resent >= maxResend {
			return
		}
		p := &s.scratchPacket
		if s.scratch, ok = s.source.copySequence(in, p, s.scratch); !ok {
			continue
		}
		s.resent++
		s.counters.retransmitted.Add(1)
		out := s.out.again(p)
		if !s.hasRTX {
			if p.vp8.hasPicture && !p.vp8.longPicture {
				continue // its id may have grown differently by now: a repeat must be the same to the bit
			}
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

// requestKeyframe passes the receiver's wish on.
func (s *slot) requestKeyframe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != nil && s.ready && !s.closed && s.admitted.Load() {
		s.source.requestKeyframe(time.Now())
	}
}

// senderReport returns the slot's sender report (RFC 3550 section 6.4.1) for
// now: the source's timestamps on our clock, with our rewriting.
func (s *slot) senderReport(now time.Time) (*rtcp.SenderReport, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil || !s.ready || s.closed || !s.out.running || !s.admitted.Load() {
		return nil, false
	}
	timestamp, ok := s.source.timestampAt(now)
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
