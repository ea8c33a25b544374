package player

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/lab/stamp"
)

const (
	// FrameTime is the length of a frame of sound.
	FrameTime = 20 * time.Millisecond
	// LatestSound is how much later than the quickest of the last ten seconds a frame of sound may come.
	LatestSound = 200 * time.Millisecond
	// ShortestGap is the most silence that concealment hides; what is longer is a gap.
	ShortestGap = 60 * time.Millisecond

	quickestOf = 10 * time.Second // for which the quickest frame sets the pace
)

// Span is a stretch of time.
type Span struct {
	At  time.Duration `json:"at"`
	For time.Duration `json:"for"`
}

// End returns when the span ends.
func (s Span) End() time.Duration { return s.At + s.For }

// Sound is what is heard of one sender. It is not safe for concurrent use. Its exported fields are the log.
type Sound struct {
	Begun  bool
	First  uint32        // frame that came first
	Origin time.Duration // when frame First was sent
	State  []SoundState  // of frames from First on
	Took   []Delay       // of all that came
	pace   pace
}

// SoundState is what became of a frame.
type SoundState uint8

const (
	missing SoundState = iota
	heard
	restored
	silent // nothing was sent
)

// Delay is how long a frame took.
type Delay struct {
	Sent  time.Duration
	Took  time.Duration
	Flags uint8
}

// Packet takes a packet that arrived at now.
func (s *Sound) Packet(now time.Duration, m stamp.Stamp) {
	if !s.Begun {
		s.Begun, s.First = true, m.Frame
		s.Origin = m.At
	}
	if m.Frame < s.First || m.Frame-s.First > 1<<20 {
		return
	}
	took := now - m.At
	s.Took = append(s.Took, Delay{m.At, took, m.Flags})
	if s.pace.late(now, took) {
		return
	}
	s.set(m.Frame, heard)
	if m.Flags&stamp.Repairs != 0 && m.Frame > s.First && !s.pace.late(now, took+FrameTime) {
		s.set(m.Frame-1, restored)
	}
	for n := m.Needs + 1; n < m.Frame; n++ {
		if n >= s.First {
			s.set(n, silent)
		}
	}
}

// Again takes a frame that came once more, with a later one.
func (s *Sound) Again(now time.Duration, m stamp.Stamp) {
	if s.Begun && m.Frame >= s.First && m.Frame-s.First <= 1<<20 && !s.pace.late(now, now-m.At) {
		s.set(m.Frame, restored)
	}
}

func (s *Sound) set(frame uint32, to SoundState) {
	i := int(frame - s.First)
	for len(s.State) <= i {
		s.State = append(s.State, missing)
	}
	if s.State[i] == missing {
		s.State[i] = to
	}
}

// Heard is a sum over frames of sound.
type Heard struct {
	Due      int `json:"due"`      // frames that were to be heard
	Lost     int `json:"lost"`     // neither received in time nor restored
	Restored int `json:"restored"` // by what came with a later one
	// Silence is the longest time without a frame, in gaps or not.
	Silence time.Duration `json:"silence"`
	Gaps    []Span        `json:"gaps"` // of more than ShortestGap
}

// GapTime returns the length of all gaps.
func (h *Heard) GapTime() (sum time.Duration) {
	for _, g := range h.Gaps {
		sum += g.For
	}
	return sum
}

// Longest returns the longest gap, or 0.
func (h *Heard) Longest() (longest time.Duration) {
	for _, g := range h.Gaps {
		longest = max(longest, g.For)
	}
	return longest
}

// Between returns what was heard of what was sent from one time to another. What should have come and did not is lost,
// also if nothing came at all. If spurts is not nil, only what was sent in one of them should have come: browsers send
// next to nothing of silence, and hosts need not pass it on.
func (s *Sound) Between(from, to time.Duration, spurts []Span) (h Heard) {
	run, origin := 0, s.Origin
	if !s.Begun {
		origin = from
	}
	at := func(i int) time.Duration { return origin + time.Duration(i)*FrameTime }
	end := func(i int) {
		length := time.Duration(run) * FrameTime
		h.Silence = max(h.Silence, length)
		if length > ShortestGap {
			h.Gaps = append(h.Gaps, Span{at(i - run), length})
		}
		run = 0
	}
	i := int((from - origin + FrameTime - 1) / FrameTime)
	next := 0
	for ; at(i) < to; i++ {
		for next < len(spurts) && spurts[next].End() <= at(i)+FrameTime/2 {
			next++
		}
		if spurts != nil && (next == len(spurts) || spurts[next].At > at(i)+FrameTime/2) {
			end(i)
			continue
		}
		h.Due++
		state := missing
		if i >= 0 && i < len(s.State) {
			state = s.State[i]
		}
		if state == missing {
			h.Lost++
			run++
			continue
		}
		if state == restored {
			h.Restored++
		}
		end(i)
	}
	end(i)
	return h
}

// Delays returns the delays of frames that were sent from one time to another, the shortest first.
func (s *Sound) Delays(from, to time.Duration) (d []time.Duration) {
	for _, x := range s.Took {
		if x.Sent >= from && x.Sent < to {
			d = append(d, x.Took)
		}
	}
	slices.Sort(d)
	return d
}

// Words returns how many words began from one time to another, of those that the sender marked and that are known of,
// and of how many of these the first 40 ms were heard. A word of which nothing came is in neither.
func (s *Sound) Words(onsets []time.Duration, from, to time.Duration) (begun, whole int) {
	for _, at := range onsets {
		if at < from || at >= to {
			continue
		}
		begun++
		i := int((at - s.Origin + FrameTime/2) / FrameTime)
		if s.Begun && i >= 0 && i+1 < len(s.State) && s.State[i] != missing && s.State[i+1] != missing {
			whole++
		}
	}
	return begun, whole
}

// pace knows the quickest of late.
type pace struct {
	best []quick // of rising delay and time
}

type quick struct{ at, took time.Duration }

// late notes a frame, and reports whether it took too long.
func (p *pace) late(now, took time.Duration) bool {
	for len(p.best) > 0 && p.best[len(p.best)-1].took >= took {
		p.best = p.best[:len(p.best)-1]
	}
	p.best = append(p.best, quick{now, took})
	for p.best[0].at < now-quickestOf {
		p.best = p.best[1:]
	}
	return took > p.best[0].took+LatestSound
}
