package windowsocket

import "slices"

// Flow control of pictures; see the package's documentation.
const (
	// TakenEvery is after how many frames of a source the window must send taken.
	TakenEvery = 4
	// MaxOutstanding is how many frames of a source may be queued here or not yet taken by the window.
	MaxOutstanding = 24
)

// maxQueued is how many bytes of pictures may be queued here, for all sources.
const maxQueued = 16 << 20

// pictures decides which frames a window gets. It is pure; Conn's mutex guards it. A source's frames are sent in
// order, and the first one after a dropped frame is a keyframe.
type pictures struct {
	queue   []picture // in order of arrival
	bytes   int
	sources []*pictureSource // by index
	byName  map[string]*pictureSource
}

type picture struct {
	source *pictureSource
	frame  []byte // a binary message
}

type pictureSource struct {
	index  uint16
	broken bool   // frames are dropped up to the next keyframe
	queued uint64 // frames in the queue
	sent   uint64 // frames given to the window since the socket opened
	taken  uint64 // of those, frames that the window has handled
}

func (s *pictureSource) outstanding() uint64 { return s.queued + s.sent - s.taken }

// maxSources is how many sources an index can distinguish.
const maxSources = 1 << 16

// sourceOf returns the source of a participant, or nil if all indexes are used. isNew means that the window must
// first be told the index.
func (p *pictures) sourceOf(participant string) (s *pictureSource, isNew bool) {
	if s = p.byName[participant]; s != nil {
		return s, false
	}
	if len(p.sources) == maxSources {
		return nil, false
	}
	s = &pictureSource{index: uint16(len(p.sources)), broken: true}
	p.sources = append(p.sources, s)
	if p.byName == nil {
		p.byName = make(map[string]*pictureSource)
	}
	p.byName[participant] = s
	return s, true
}

// push queues a frame or drops it. Its error is ErrKeyframeWanted or ErrBehind.
func (p *pictures) push(s *pictureSource, f VideoFrame) error {
	if f.Keyframe && s.queued > 0 && s.outstanding() >= MaxOutstanding {
		p.drop(s) // a keyframe replaces all frames that wait before it
	}
	full := s.outstanding() >= MaxOutstanding || p.bytes+len(f.Payload) > maxQueued
	switch {
	case full:
		p.drop(s)
		s.broken = true
		return ErrBehind
	case s.broken && !f.Keyframe:
		if s.outstanding() > MaxOutstanding/2 {
			return ErrBehind
		}
		return ErrKeyframeWanted
	}
	s.broken = false
	frame := encodeFrame(s.index, f)
	p.queue = append(p.queue, picture{s, frame})
	p.bytes += len(frame)
	s.queued++
	return nil
}

// drop removes a source's frames from the queue.
func (p *pictures) drop(s *pictureSource) {
	if s.queued == 0 {
		return
	}
	p.queue = slices.DeleteFunc(p.queue, func(q picture) bool {
		if q.source == s {
			p.bytes -= len(q.frame)
		}
		return q.source == s
	})
	s.queued = 0
}

// pop takes the next frame to send.
func (p *pictures) pop() ([]byte, bool) {
	if len(p.queue) == 0 {
		return nil, false
	}
	next := p.queue[0]
	p.queue[0] = picture{}
	p.queue = p.queue[1:]
	p.bytes -= len(next.frame)
	next.source.queued--
	next.source.sent++
	if len(p.queue) == 0 {
		p.queue = nil
	}
	return next.frame, true
}

// take notes how many frames of an index the window has handled. It returns false for an impossible number.
func (p *pictures) take(index uint16, frames uint64) bool {
	if int(index) >= len(p.sources) {
		return false
	}
	s := p.sources[index]
	if frames < s.taken || frames > s.sent {
		return false
	}
	s.taken = frames
	return true
}
