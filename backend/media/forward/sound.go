package forward

import (
	"time"

	"github.com/porch-call/porch/backend/media/red"
)

// lookback is how many packets before the first one of a word are forwarded with it. A word begins more softly than it is
// noticed: with packets of 20 ms, its first 40 ms are not cut.
const lookback = 2

// speak begins a stretch of sound with p. If those before p were not forwarded, it sends the last of them first.
func (s *Slot) speak(l *layer, p *packet, now time.Time) {
	s.replayed = 0
	begun := false
	earlier := &s.scratchPacket
	before := p.before
	if s.fresh && !s.out.begun {
		before = 0
	}
	for back := before; back > 0; back-- {
		var ok bool
		if s.scratch, ok = l.copySequence(p.sequence-back, earlier, s.scratch); !ok {
			continue // lost
		}
		if !begun {
			s.beginSound(earlier, now)
			begun = true
		}
		s.send(earlier, now)
	}
	if !begun {
		s.beginSound(p, now)
	}
	s.send(p, now)
}

func (s *Slot) beginSound(p *packet, now time.Time) {
	if s.out.running {
		s.out.skip(p, s.elapsed(now))
		return
	}
	s.out.begin(p, s.elapsed(now))
}

// largestRED is the largest payload of redundant sound, in bytes. Larger sound is sent alone.
const largestRED = 1100

// SetRED says under which payload type the receiver takes packets of sound that carry the one before as well (RFC 2198),
// 0 for none. They are sent once the receiver loses sound; see [Outbound.SetRedundant].
func (s *Slot) SetRED(payloadType uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redType = payloadType
}

// SetRedundant says whether each packet of sound carries the one before as well, to slots that take it.
func (o *Outbound) SetRedundant(redundant bool) { o.redundant.Store(redundant) }

// writeSound writes a packet of sound, alone or with the one before, and remembers which.
func (s *Slot) writeSound(p *packet, out rewritten, number uint16, now time.Time) bool {
	redundant := s.redType != 0 && s.hasNumber && s.redundant.Load() && s.out.extend(p.sequence) > s.out.first
	if redundant {
		if s.red, redundant = s.layer.Load().appendRED(s.red[:0], p, s.header.PayloadType); redundant {
			s.pacing.pass(now, len(s.red)-len(p.payload))
		}
	}
	if !s.writeAs(p, out, number, redundant, now) {
		return false
	}
	if s.hasNumber && !s.hasRTX {
		s.remember(out.sequence, numbered{out.sequence, number, true, redundant})
	}
	return true
}

// writeAs writes a packet of sound. If redundant is set, s.red is its payload.
func (s *Slot) writeAs(p *packet, out rewritten, number uint16, redundant bool, now time.Time) (sent bool) {
	if !redundant {
		return s.write(&s.header, p, out, nil, number, now)
	}
	payload, payloadType := p.payload, s.header.PayloadType
	p.payload, s.header.PayloadType = s.red, s.redType
	sent = s.write(&s.header, p, out, nil, number, now)
	p.payload, s.header.PayloadType = payload, payloadType
	return sent
}

// appendRED appends to b the payload of a packet that carries p and the one before it, which both have the payload type
// that the receiver knows Opus by. ok is false if the one before is not in the cache, or does not fit.
func (l *layer) appendRED(b []byte, p *packet, payloadType uint8) (_ []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.cache.get(p.sequence - 1)
	if q == nil || red.Size(q.payload, p.payload) > largestRED {
		return b, false
	}
	return red.Append(b, payloadType, p.timestamp-q.timestamp, q.payload, p.payload)
}
