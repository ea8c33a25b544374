package capture

// maxPayload is the largest RTP payload, in bytes. It leaves room for headers, SRTP and a TURN channel within 1,280,
// the smallest MTU of IPv6, and a margin.
const maxPayload = 1180

const vp8Descriptor = 4 // bytes: X, I, 15-bit picture id

// vp8Packetiser cuts VP8 frames into RTP payloads (RFC 7741 section 4.2). Each has a 15-bit picture id, which a
// forwarder needs for rewriting.
//
// It replaces pion/rtp's VP8Payloader, which writes no id for picture 0 and 7 bits for the next 127, again after
// every wrap.
type vp8Packetiser struct {
	picture uint16
	buffer  []byte
	out     [][]byte
}

// payloads cuts a frame into payloads of nearly equal size. They are valid until the next call.
func (p *vp8Packetiser) payloads(frame []byte) [][]byte {
	p.out = p.out[:0]
	if len(frame) == 0 {
		return p.out
	}
	const room = maxPayload - vp8Descriptor
	count := (len(frame) + room - 1) / room
	if need := len(frame) + count*vp8Descriptor; cap(p.buffer) < need {
		p.buffer = make([]byte, need)
	}
	rest := p.buffer[:0]
	for i := range count {
		part := frame[len(frame)*i/count : len(frame)*(i+1)/count]
		first := byte(0x80) // X
		if i == 0 {
			first |= 0x10 // S: the frame's first partition begins here
		}
		start := len(rest)
		rest = append(rest, first, 0x80 /* I */, 0x80 /* M */ |byte(p.picture>>8), byte(p.picture))
		rest = append(rest, part...)
		p.out = append(p.out, rest[start:len(rest):len(rest)])
	}
	p.picture = (p.picture + 1) & 0x7fff
	return p.out
}
