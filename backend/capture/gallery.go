package capture

import (
	"sync"
	"time"

	"github.com/pion/rtp"
)

// pictureIdle is how long a participant may send no video before what is kept
// for them is freed.
const pictureIdle = 30 * time.Second

// gallery puts the others' video together to frames, and asks for keyframes.
type gallery struct {
	sink Sink

	mu       sync.Mutex
	pictures map[string]*remotePicture
}

// remotePicture is one participant's video.
type remotePicture struct {
	mu        sync.Mutex // keeps frames in order
	ssrc      uint32
	assembler *vp8Assembler
	frames    []videoFrame // scratch
	seen      time.Duration
}

func newGallery(sink Sink) *gallery {
	return &gallery{sink: sink, pictures: make(map[string]*remotePicture)}
}

// receive takes a participant's packet.
func (g *gallery) receive(participant string, pkt *rtp.Packet) {
	now := time.Since(epoch)
	p := g.picture(participant, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = now
	if p.assembler == nil || p.ssrc != pkt.SSRC {
		p.ssrc, p.assembler = pkt.SSRC, &vp8Assembler{}
	}
	var wantKey bool
	p.frames, wantKey = p.assembler.push(now, pkt, p.frames[:0])
	for i, f := range p.frames {
		g.sink.Frame(Frame{Participant: participant, Key: f.key, Timestamp: f.at, Payload: f.payload})
		p.frames[i] = videoFrame{}
	}
	if wantKey {
		g.sink.RequestKeyframe(participant)
	}
}

// picture finds or makes a participant's entry, and frees those of people who
// have gone.
func (g *gallery) picture(participant string, now time.Duration) *remotePicture {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.pictures[participant]; ok {
		return p
	}
	for who, p := range g.pictures {
		if p.mu.TryLock() { // one that is in use is not idle
			if now-p.seen > pictureIdle {
				delete(g.pictures, who)
			}
			p.mu.Unlock()
		}
	}
	p := &remotePicture{seen: now}
	g.pictures[participant] = p
	return p
}
