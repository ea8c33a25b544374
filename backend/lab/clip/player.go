package clip

import "time"

const (
	// keyEvery is the shortest time between keyframes that are asked for, as in libwebrtc.
	keyEvery = 300 * time.Millisecond
	// upAfter is how long a rate must be there before pictures get larger.
	upAfter = 2 * time.Second
	// slowest is the rate below which there are fewer frames, bit/s.
	slowest = 60_000
)

// Player plays clips as an encoder would code: at the rate that it is told, with a keyframe when one is asked for. It
// takes the time as an argument and is not safe for concurrent use.
type Player struct {
	shelf   Shelf
	rate    int // bit/s
	height  int // largest
	current *Clip
	frame   int // of the clip, next
	wanted  bool
	keyAt   time.Duration
	keyed   bool
	larger  time.Duration // since when the rate is enough for a larger size
	rising  bool
	saved   int // share of a frame that was left out, in thousandths
}

// NewPlayer returns a player of pictures of at most a height.
func NewPlayer(s Shelf, rate, height int) *Player {
	return &Player{shelf: s, rate: rate, height: height, wanted: true}
}

// SetRate changes the rate (bit/s).
func (p *Player) SetRate(rate int) { p.rate = rate }

// SetHeight changes the largest height.
func (p *Player) SetHeight(height int) { p.height = height }

// Rate returns the rate (bit/s).
func (p *Player) Rate() int { return p.rate }

// WantKeyframe asks for a keyframe.
func (p *Player) WantKeyframe() { p.wanted = true }

// Frame is what an encoder made of one picture.
type Frame struct {
	Data          []byte
	Key           bool
	Width, Height int
}

// Next returns the next frame; ok is false if the encoder leaves this one out.
func (p *Player) Next(now time.Duration) (f Frame, ok bool) {
	p.choose(now)
	c := p.current
	if c == nil || p.rate <= 0 {
		return f, false
	}
	if p.rate < slowest {
		p.saved += 1000 * p.rate / slowest
		if p.saved < 1000 {
			return f, false
		}
		p.saved -= 1000
	}
	n := p.frame
	p.frame = (p.frame + 1) % len(c.Frames)
	if !p.keyed || p.wanted && now-p.keyAt >= keyEvery {
		p.wanted, p.keyed, p.keyAt = false, true, now
		return Frame{c.Keys[n/FPS%len(c.Keys)], true, c.Width, c.Height}, true
	}
	if n == 0 { // the keyframe of the first run: the clip goes on without it
		n = 1
	}
	data := c.Frames[n]
	if data == nil {
		return f, false
	}
	return Frame{data[:p.cut(len(data))], false, c.Width, c.Height}, true
}

// cut returns how much of a frame is sent, so that the rate is the one that was asked for: between two rates that were
// coded, an encoder's frames are as much smaller.
func (p *Player) cut(size int) int {
	rate := max(p.rate, slowest)
	if rate >= p.current.Rate {
		return size
	}
	return max(size*rate/p.current.Rate, min(size, 20))
}

// choose chooses the clip.
func (p *Player) choose(now time.Duration) {
	next := p.shelf.For(p.rate, p.height)
	if next == nil || next == p.current {
		p.rising = false
		return
	}
	if p.current != nil && next.Height > p.current.Height && p.current.Height < p.height {
		if !p.rising {
			p.rising, p.larger = true, now
		}
		if now-p.larger < upAfter {
			p.current = p.shelf.For(p.rate, p.current.Height)
			return
		}
	}
	p.rising = false
	if p.current == nil || next.Height != p.current.Height {
		p.keyed, p.frame = false, 0
	}
	p.current = next
	p.frame %= len(next.Frames)
}
