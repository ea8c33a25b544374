package player

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/lab/stamp"
)

const (
	meanOf      = 30 // intervals between pictures that a freeze is judged by
	maxPending  = 300
	freezeExtra = 150 * time.Millisecond
)

// Pictures is what is seen of one sender. It is not safe for concurrent use. Its exported fields are the log.
type Pictures struct {
	Shown []Shown
	Sizes []Size

	pending map[uint32]*frame // that are not decoded
	decoded uint32            // newest that was
	any     bool
}

type frame struct {
	m       stamp.Stamp
	got     []bool
	missing int
	key     bool
	size    [2]int
	bytes   int
}

// Shown is a picture that could be decoded.
type Shown struct {
	At   time.Duration `json:"at"`
	Age  time.Duration `json:"age"` // since it was sent
	Key  bool          `json:"key,omitempty"`
	Size int           `json:"size"` // bytes
}

// Size is the size of pictures from a time on.
type Size struct {
	At            time.Duration `json:"at"`
	Width, Height int
}

// Packet takes a packet that arrived at now; key says that its frame is a keyframe, of this size. It reports whether
// pictures were decoded by it.
func (p *Pictures) Packet(now time.Duration, m stamp.Stamp, key bool, width, height, bytes int) bool {
	if p.any && m.Frame <= p.decoded {
		return false
	}
	f := p.pending[m.Frame]
	if f == nil {
		if p.pending == nil {
			p.pending = make(map[uint32]*frame)
		}
		f = &frame{m: m, got: make([]bool, m.Count), missing: int(m.Count)}
		p.pending[m.Frame] = f
		p.forget()
	}
	if int(m.Index) >= len(f.got) || f.got[m.Index] {
		return false
	}
	f.got[m.Index] = true
	f.missing--
	f.bytes += bytes
	f.m.At = min(f.m.At, m.At)
	if key {
		f.key, f.size = true, [2]int{width, height}
	}
	return p.decode(now, f)
}

// forget drops the oldest frame when there are too many.
func (p *Pictures) forget() {
	if len(p.pending) <= maxPending {
		return
	}
	oldest := uint32(1<<32 - 1)
	for n := range p.pending {
		oldest = min(oldest, n)
	}
	delete(p.pending, oldest)
}

// decode decodes a frame, if it can be, and those that waited for it.
func (p *Pictures) decode(now time.Duration, f *frame) (any bool) {
	for f != nil && p.decodable(f) {
		p.show(now, f)
		any, f = true, nil
		for _, next := range p.pending {
			if p.decodable(next) && (f == nil || next.m.Frame < f.m.Frame) {
				f = next
			}
		}
	}
	return any
}

func (p *Pictures) decodable(f *frame) bool {
	return f.missing == 0 && (f.key || p.any && f.m.Needs == p.decoded)
}

func (p *Pictures) show(now time.Duration, f *frame) {
	p.decoded, p.any = f.m.Frame, true
	p.Shown = append(p.Shown, Shown{now, now - f.m.At, f.key, f.bytes})
	if f.key {
		if n := len(p.Sizes); n == 0 || p.Sizes[n-1].Width != f.size[0] || p.Sizes[n-1].Height != f.size[1] {
			p.Sizes = append(p.Sizes, Size{now, f.size[0], f.size[1]})
		}
	}
	for n := range p.pending {
		if n <= f.m.Frame {
			delete(p.pending, n)
		}
	}
}

// Last returns when a picture was decoded last; ok is false if none was.
func (p *Pictures) Last() (at time.Duration, ok bool) {
	if len(p.Shown) == 0 {
		return 0, false
	}
	return p.Shown[len(p.Shown)-1].At, true
}

// Watched is a sum over pictures.
type Watched struct {
	Frames    int             `json:"frames"`
	Keyframes int             `json:"keyframes"`
	Bytes     int             `json:"bytes"`
	Freezes   []Span          `json:"freezes"`
	Ages      []time.Duration `json:"-"` // the shortest first
	Height    int             `json:"height"`
	Switches  int             `json:"switches"` // of size
}

// FreezeTime returns the length of all freezes.
func (w *Watched) FreezeTime() (sum time.Duration) {
	for _, f := range w.Freezes {
		sum += f.For
	}
	return sum
}

// Between returns what was seen from one time to another. A freeze is an interval between pictures that is longer than
// three times the mean of the last 30, and than the mean and 150 ms, as in freezeCount of webrtc-stats. Before the first
// picture, after the last, and if none came, everything is a freeze.
func (p *Pictures) Between(from, to time.Duration) (w Watched) {
	for _, s := range p.Sizes {
		if s.At >= to {
			break
		}
		if s.At >= from && w.Height != 0 && w.Height != s.Height {
			w.Switches++
		}
		w.Height = s.Height
	}
	var recent []time.Duration
	last, any := from, false
	interval := func(at time.Duration) {
		mean := 33 * time.Millisecond
		if len(recent) > 0 {
			sum := time.Duration(0)
			for _, r := range recent {
				sum += r
			}
			mean = sum / time.Duration(len(recent))
		}
		long := at - last
		if long > max(3*mean, mean+freezeExtra) && at > from && last < to {
			begin, end := max(last, from), min(at, to)
			w.Freezes = append(w.Freezes, Span{begin, end - begin})
		}
		if any {
			recent = append(recent, long)
			if len(recent) > meanOf {
				recent = recent[1:]
			}
		}
	}
	for _, s := range p.Shown {
		if s.At >= to {
			break
		}
		if any || s.At >= from {
			interval(s.At)
		}
		last, any = s.At, true
		if s.At < from {
			continue
		}
		w.Frames++
		w.Bytes += s.Size
		w.Ages = append(w.Ages, s.Age)
		if s.Key {
			w.Keyframes++
		}
	}
	interval(to)
	slices.Sort(w.Ages)
	return w
}

// First returns when the first picture was shown after a time; ok is false if none was.
func (p *Pictures) First(after time.Duration) (at time.Duration, ok bool) {
	for _, s := range p.Shown {
		if s.At > after {
			return s.At, true
		}
	}
	return 0, false
}
