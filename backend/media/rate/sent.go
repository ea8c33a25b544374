package rate

import "time"

// sentSize is how many packets are remembered: 13 s at 300 packets a second. It is a power of two.
const sentSize = 4096

// fate is what is known of a packet that was sent.
type fate uint8

const (
	unknown fate = iota
	lost         // not received so far, says the feedback
	arrived
)

// sentPacket is one packet that was sent.
type sentPacket struct {
	at     time.Duration // since the estimator's epoch
	number uint32        // the extended number, modulo 2^32
	size   uint16        // bytes
	probe  uint8         // the probe that it is part of; 0 for none
	fate   fate
	again  bool // it left twice under its number, so what arrived may be either
}

// sent is a ring of the packets that were sent, by transport-wide sequence number. The zero value is ready to use.
type sent struct {
	ring  []sentPacket
	begun bool
	last  int64 // the newest extended number
	first int64 // older packets are not looked at: they took another path
}

// push remembers a packet of size bytes. Of one that left before, as sound does that is asked for again, nothing can be
// learned any more (as P. Karn and C. Partridge found for TCP, RFC 6298 section 3).
func (s *sent) push(at time.Duration, number uint16, size int, probe uint8) {
	extended := int64(number)
	if s.begun {
		extended = s.last + int64(int16(number-uint16(s.last)))
	} else {
		s.ring = make([]sentPacket, sentSize)
		s.begun, s.first = true, extended
	}
	if p := s.at(extended); p.at > 0 && p.number == uint32(extended) {
		p.again = true
		return
	}
	s.last = max(s.last, extended)
	*s.at(extended) = sentPacket{at: at, number: uint32(extended), size: uint16(min(max(size, 0), 1<<16-1)), probe: probe}
}

// at returns the place of a number.
func (s *sent) at(extended int64) *sentPacket { return &s.ring[extended&(sentSize-1)] }

// extend returns the newest extended number, not newer than the newest sent packet, that ends in number.
func (s *sent) extend(number uint16) int64 { return s.last - int64(uint16(s.last)-number) }

// find returns the packet with an extended number. It is nil if none was sent, if it is forgotten, or if it took another
// path.
func (s *sent) find(extended int64) *sentPacket {
	if !s.begun || extended > s.last || extended < s.first || s.last-extended >= sentSize {
		return nil
	}
	if p := s.at(extended); p.number == uint32(extended) {
		return p
	}
	return nil
}

// forget leaves out of find all packets sent so far.
func (s *sent) forget() { s.first = s.last + 1 }
