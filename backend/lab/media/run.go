package media

import (
	"math"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/lab/link"
	"github.com/porch-call/porch/backend/lab/person"
	"github.com/porch-call/porch/backend/lab/player"
)

// Run is what was seen of one call. Times of its methods are since the beginning.
type Run struct {
	Scenario         *Scenario
	Start            time.Duration          // since the epoch
	People           map[int]*person.Report // guests from 1; 0 is the host's window
	Up, Down         *link.Seen             // of the host's line; nil without limits
	Lines            map[int]Seen2          // of guests
	Estimates        []map[string]uint64    // of the host, each second
	Dropped, Carried int64                  // by the token bucket
	CPU              float64                // of the host, in cores
	Began, Memory    float64                // of the host, at the beginning and at the end, MB
}

// Seen2 is what was seen of a guest's line: from the guest, and to it.
type Seen2 struct{ Up, Down *link.Seen }

// pair is who hears or sees whom.
type pair struct{ by, whom int }

// pairs returns all pairs among those who were there from the beginning.
func (r *Run) pairs() (all []pair) {
	for by := range r.People {
		for whom := range r.People {
			if by != whom && !r.late(by) && !r.late(whom) {
				all = append(all, pair{by, whom})
			}
		}
	}
	slices.SortFunc(all, func(a, b pair) int { return (a.by-b.by)*1000 + a.whom - b.whom })
	return all
}

func (r *Run) late(n int) bool { return n > 0 && r.Scenario.Guests[n-1].Comes > 0 }

// of returns the pairs of which ok is true.
func of(all []pair, ok func(pair) bool) []pair {
	return slices.DeleteFunc(slices.Clone(all), func(p pair) bool { return !ok(p) })
}

// remote are pairs in which somebody listens who is not the host's window.
func (r *Run) remote() []pair { return of(r.pairs(), func(p pair) bool { return p.by != 0 }) }

// heard returns what was heard of what was said from one time to another.
func (r *Run) heard(p pair, from, to time.Duration) player.Heard {
	if !r.speaks(p.whom) {
		return player.Heard{}
	}
	s := r.People[p.by].Sound[uint16(p.whom)]
	if s == nil {
		s = new(player.Sound)
	}
	spurts := append([]player.Span{}, r.People[p.whom].Sent.Spurts...) // not nil: a report has none of nobody's
	return s.Between(r.Start+from, r.Start+to, spurts)
}

func (r *Run) guest(n int) Guest {
	if n == 0 {
		return *r.Scenario.Window
	}
	return r.Scenario.Guests[n-1]
}

func (r *Run) speaks(n int) bool { return r.guest(n).Talk != person.TalkMuted }
func (r *Run) films(n int) bool  { return !r.guest(n).Camera.Off }

// watched returns what was seen from one time to another.
func (r *Run) watched(p pair, from, to time.Duration) player.Watched {
	s := r.People[p.by].Pictures[uint16(p.whom)]
	if s == nil {
		s = new(player.Pictures)
	}
	return s.Between(r.Start+from, r.Start+to)
}

// Sums over pairs.

// lostSound returns the share of sound that was lost, in percent.
func (r *Run) lostSound(pairs []pair, from, to time.Duration) float64 {
	due, lost := 0, 0
	for _, p := range pairs {
		h := r.heard(p, from, to)
		due, lost = due+h.Due, lost+h.Lost
	}
	return percent(lost, due)
}

// gapShare returns the share of time that was in gaps of sound, in percent.
func (r *Run) gapShare(pairs []pair, from, to time.Duration) float64 {
	sum, all := time.Duration(0), time.Duration(0)
	for _, p := range pairs {
		if r.speaks(p.whom) {
			h := r.heard(p, from, to)
			sum, all = sum+h.GapTime(), all+time.Duration(h.Due)*player.FrameTime
		}
	}
	return percent(int(sum), int(all))
}

// gaps returns how many gaps there were.
func (r *Run) gaps(pairs []pair, from, to time.Duration) (n int) {
	for _, p := range pairs {
		h := r.heard(p, from, to)
		n += len(h.Gaps)
	}
	return n
}

// silence returns the longest time without sound of somebody, in ms.
func (r *Run) silence(pairs []pair, from, to time.Duration) float64 {
	longest := time.Duration(0)
	for _, p := range pairs {
		h := r.heard(p, from, to)
		longest = max(longest, h.Silence)
	}
	return inMS(longest)
}

// freezeShare returns the share of time that pictures were frozen, in percent.
func (r *Run) freezeShare(pairs []pair, from, to time.Duration) float64 {
	sum, all := time.Duration(0), time.Duration(0)
	for _, p := range pairs {
		if r.films(p.whom) {
			w := r.watched(p, from, to)
			sum, all = sum+w.FreezeTime(), all+to-from
		}
	}
	return percent(int(sum), int(all))
}

// freeze returns the longest freeze, in ms.
func (r *Run) freeze(pairs []pair, from, to time.Duration) float64 {
	longest := time.Duration(0)
	for _, p := range pairs {
		if !r.films(p.whom) {
			continue
		}
		w := r.watched(p, from, to)
		for _, f := range w.Freezes {
			longest = max(longest, f.For)
		}
	}
	return inMS(longest)
}

// lostPictures returns the share of pictures that were sent and not shown, in percent.
func (r *Run) lostPictures(pairs []pair, from, to time.Duration) float64 {
	sent, shown := 0, 0
	for _, p := range pairs {
		if !r.films(p.whom) {
			continue
		}
		for _, f := range r.People[p.whom].Sent.Frames {
			if f.At >= r.Start+from && f.At < r.Start+to {
				sent++
			}
		}
		w := r.watched(p, from, to)
		shown += w.Frames
	}
	return max(0, percent(sent-shown, sent))
}

// rate returns the bits of pictures a second that were shown, of all pairs, in kbit/s.
func (r *Run) rate(pairs []pair, from, to time.Duration) float64 {
	bytes := 0
	for _, p := range pairs {
		w := r.watched(p, from, to)
		bytes += w.Bytes
	}
	return float64(bytes) * 8 / 1000 / (to - from).Seconds()
}

// fps returns the frame rate.
func (r *Run) fps(p pair, from, to time.Duration) float64 {
	w := r.watched(p, from, to)
	return float64(w.Frames) / (to - from).Seconds()
}

// fewest returns, of the guests, the smallest number of pictures with at least fps frames a second.
func (r *Run) fewest(fps float64, from, to time.Duration) float64 {
	least := math.MaxInt
	for by := range r.People {
		if by == 0 || r.late(by) {
			continue
		}
		n := 0
		for _, p := range of(r.pairs(), func(p pair) bool { return p.by == by }) {
			if r.fps(p, from, to) >= fps {
				n++
			}
		}
		least = min(least, n)
	}
	return float64(least)
}

// lines returns the smallest height at which somebody is seen at the end of a time; 0 if not seen.
func (r *Run) lines(pairs []pair, from, to time.Duration) float64 {
	least := math.MaxInt
	for _, p := range pairs {
		w := r.watched(p, from, to)
		if w.Frames == 0 {
			return 0
		}
		least = min(least, w.Height)
	}
	return float64(least)
}

// keyframes returns the most keyframes that somebody coded.
func (r *Run) keyframes(from, to time.Duration) (most int) {
	for _, p := range r.People {
		most = max(most, keysOf(p, r.Start+from, r.Start+to))
	}
	return most
}

func keysOf(p *person.Report, from, to time.Duration) (n int) {
	for _, f := range p.Sent.Frames {
		if f.Key && f.At >= from && f.At < to {
			n++
		}
	}
	return n
}

// soundDelay returns a quantile of the delay of sound in ms.
func (r *Run) soundDelay(pairs []pair, from, to time.Duration, q float64) float64 {
	var all []time.Duration
	for _, p := range pairs {
		if s := r.People[p.by].Sound[uint16(p.whom)]; s != nil {
			all = append(all, s.Delays(r.Start+from, r.Start+to)...)
		}
	}
	return quantile(all, q)
}

func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return inMS(all[int(q*float64(len(all)-1)+0.5)])
}

// queue returns a quantile of a line's queue in ms.
func queue(s *link.Seen, from, to time.Duration, q float64) float64 {
	if s == nil {
		return math.NaN()
	}
	return inMS(s.Queue(from, to, q))
}

// used returns how much of a line's rate it carried, in percent.
func used(s *link.Seen, rate int, from, to time.Duration) float64 {
	if s == nil {
		return math.NaN()
	}
	return 100 * float64(s.Between(from, to).OutBytes) * 8 / (to - from).Seconds() / float64(rate)
}

// asked returns how many times what it carried a line was asked for, in packets.
func asked(s *link.Seen, from, to time.Duration) float64 {
	if s == nil {
		return math.NaN()
	}
	c := s.Between(from, to)
	return float64(c.Offered) / float64(max(c.Carried, 1))
}

func percent(part, whole int) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return 100 * float64(part) / float64(whole)
}

func inMS(d time.Duration) float64 { return math.Round(float64(d)/1e5) / 10 }

// lineLog is what the lines saw, for JSON. Lines without limits are null.
func (r *Run) lineLog() any {
	guests := make(map[int]any)
	for n, l := range r.Lines {
		if l.Up != nil {
			guests[n] = map[string]*link.Seen{"up": l.Up, "down": l.Down}
		}
	}
	return map[string]any{"row": r.Scenario.Row, "up": r.Up, "down": r.Down, "guests": guests, "hostCPU": r.CPU, "hostMemoryMB": r.Memory}
}
