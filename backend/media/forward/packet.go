package forward

import (
	"encoding/binary"
	"errors"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
)

// packet is an RTP packet. All its parts are checked to lie inside its buffer.
type packet struct {
	ssrc        uint32
	timestamp   uint32
	sequence    uint16
	payloadType uint8
	marker      bool

	hasLevel     bool
	level        uint8 // -dBov, 0 to 127: 127 is silence
	hasTransport bool
	transport    uint16 // transport-wide sequence number

	// What the sender says about the packet's stream. The slices share the buffer.
	mid         []byte // of the media section (RFC 9143)
	rid         []byte // of the layer (RFC 8852)
	repairedRID []byte // of the layer that this is a retransmission of

	payload []byte // without padding; shares the buffer
	vp8     vp8.Descriptor
	arrival uint64 // set by cache.put
	begins  bool   // the packet of sound before it was not forwarded
	before  uint16 // how many before it are to be forwarded with it
}

var (
	errShort   = errors.New("packet is truncated")
	errVersion = errors.New("packet is not RTP version 2")
	errPadding = errors.New("packet has impossible padding")
)

// parse reads an RTP packet (RFC 3550 section 5.1) and the header extensions that the forwarder uses. A malformed
// extension ends the reading of extensions, but not of the packet. p.payload shares b.
func (p *packet) parse(b []byte) error {
	if len(b) < 12 {
		return errShort
	}
	if b[0]>>6 != 2 {
		return errVersion
	}
	*p = packet{
		marker:      b[1]&0x80 != 0,
		payloadType: b[1] & 0x7f,
		sequence:    binary.BigEndian.Uint16(b[2:]),
		timestamp:   binary.BigEndian.Uint32(b[4:]),
		ssrc:        binary.BigEndian.Uint32(b[8:]),
	}
	start := 12 + 4*int(b[0]&0x0f)
	if len(b) < start {
		return errShort
	}
	if b[0]&0x10 != 0 {
		if len(b) < start+4 {
			return errShort
		}
		profile := binary.BigEndian.Uint16(b[start:])
		end := start + 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
		if len(b) < end {
			return errShort
		}
		p.parseExtensions(profile, b[start+4:end])
		start = end
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		n := int(b[end-1])
		if n == 0 || end-n < start {
			return errPadding
		}
		end -= n
	}
	p.payload = b[start:end:end]
	return nil
}

func (p *packet) parseExtensions(profile uint16, b []byte) {
	switch {
	case profile == 0xbede: // one-byte headers, RFC 8285 section 4.2
		for len(b) > 0 {
			if b[0] == 0 { // padding
				b = b[1:]
				continue
			}
			id, n := b[0]>>4, int(b[0]&0x0f)+1
			if id == 15 || len(b) < 1+n {
				return
			}
			p.extension(id, b[1:1+n])
			b = b[1+n:]
		}
	case profile>>4 == 0x100: // two-byte headers, section 4.3
		for len(b) > 0 {
			if b[0] == 0 {
				b = b[1:]
				continue
			}
			if len(b) < 2 || len(b) < 2+int(b[1]) {
				return
			}
			n := int(b[1])
			p.extension(b[0], b[2:2+n])
			b = b[2+n:]
		}
	}
}

func (p *packet) extension(id uint8, b []byte) {
	switch {
	case id == codec.AudioLevelID && len(b) == 1:
		p.hasLevel, p.level = true, b[0]&0x7f
	case id == codec.TransportSequenceID && len(b) == 2:
		p.hasTransport, p.transport = true, binary.BigEndian.Uint16(b)
	case id == codec.MidID:
		p.mid = b
	case id == codec.RIDID:
		p.rid = b
	case id == codec.RepairedRIDID:
		p.repairedRID = b
	}
}

// unwrapRetransmission turns an RTX packet (RFC 4588 section 4) into the packet of video stream ssrc that it repeats.
// ok is false for an RTX packet that repeats none (padding, probing).
func (p *packet) unwrapRetransmission(ssrc uint32) (ok bool) {
	if len(p.payload) < 3 {
		return false
	}
	p.sequence = binary.BigEndian.Uint16(p.payload)
	p.payload = p.payload[2:]
	p.ssrc, p.payloadType = ssrc, codec.VideoPayloadType
	return true
}
