package playout

import (
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/frames"
)

// pictureIdle is how long a participant may send no video before its decoding state is freed.
const pictureIdle = 30 * time.Second

// gallery assembles the participants' video into frames, holds them back until their sound is heard, and asks
// for keyframes.
type gallery struct {
	sink Sink
	held func(participant string) time.Duration // returns how long the participant's sound is held back
	now  func() time.Duration

	mu       sync.Mutex
	pictures map[string]*remotePicture
	closed   bool
}

// remotePicture is one participant's video.
type remotePicture struct {
	sink        Sink
	now         func() time.Duration
	participant string

	mu        sync.Mutex // keeps frames in order
	ssrc      uint32
	assembler *frames.Assembler
	frames    []frames.Frame // scratch space
	sync      lipSync
	timer     *time.Timer // runs while pictures wait
	seen      time.Duration
	closed    bool
}

func newGallery(sink Sink, held func(participant string) time.Duration, now func() time.Duration) *gallery {
	return &gallery{sink: sink, held: held, now: now, pictures: make(map[string]*remotePicture)}
}

// receive takes a participant's packet and the round trip to the participant, 0 for unknown.
func (g *gallery) receive(participant string, pkt *rtp.Packet, roundTrip time.Duration) {
	now := g.now()
	p := g.picture(participant, now)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.seen = now
	if p.assembler == nil || p.ssrc != pkt.SSRC {
		p.ssrc, p.assembler = pkt.SSRC, &frames.Assembler{}
		p.sync.restart()
	}
	p.sync.arrive(now, p.assembler.MediaTime(pkt.Timestamp))
	p.assembler.Wait(roundTrip)
	var wantKey bool
	p.frames, wantKey = p.assembler.Push(now, pkt, p.frames[:0])
	if len(p.frames) > 0 {
		hold := g.held(participant)
		for i, f := range p.frames {
			p.sync.push(now, hold, f)
			p.frames[i] = frames.Frame{}
		}
		p.show(now)
	}
	if wantKey {
		g.sink.RequestKeyframe(participant)
	}
}

// show passes on the pictures that are due, and sets the timer for the next one. The caller holds p.mu.
func (p *remotePicture) show(now time.Duration) {
	for f, ok := p.sync.pop(now); ok; f, ok = p.sync.pop(now) {
		p.sink.Show(p.participant, f)
	}
	due, ok := p.sync.next()
	switch {
	case !ok:
		return
	case p.timer == nil:
		p.timer = time.AfterFunc(due-now, p.wake)
	default:
		p.timer.Reset(due - now)
	}
}

// wake runs when the next picture is due. It may run once more without a due picture.
func (p *remotePicture) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.show(p.now())
	}
}

// close ends the participant's video. Nothing is shown after it.
func (p *remotePicture) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// close ends the gallery. Nothing is shown after it.
func (g *gallery) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, p := range g.pictures {
		p.close()
	}
	clear(g.pictures)
}

// picture returns a participant's entry and makes it if need be. It also frees the entries of idle participants. It
// returns nil after close.
func (g *gallery) picture(participant string, now time.Duration) *remotePicture {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	if p, ok := g.pictures[participant]; ok {
		return p
	}
	for who, p := range g.pictures {
		if p.mu.TryLock() { // an entry that is locked is in use, and so not idle
			if now-p.seen > pictureIdle {
				p.closed = true
				delete(g.pictures, who)
			}
			p.mu.Unlock()
		}
	}
	p := &remotePicture{sink: g.sink, now: g.now, participant: participant, seen: now}
	g.pictures[participant] = p
	return p
}
