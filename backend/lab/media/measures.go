package media

import (
	"math"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/lab/link"
)

// slowest returns the smallest frame rate.
func (r *Run) slowest(pairs []pair, from, to time.Duration) float64 {
	least := math.Inf(1)
	for _, p := range pairs {
		least = min(least, r.fps(p, from, to))
	}
	return least
}

// calmAfter returns how long after from, in s, a queue is short for good; NaN if not before to.
func (r *Run) calmAfter(s *link.Seen, from, to, limit time.Duration) float64 {
	if s == nil {
		return math.NaN()
	}
	// The queue grows only after a moment: it is looked at from then on.
	at, ok := s.QueueBelow(from+200*time.Millisecond, limit)
	if !ok || at >= to {
		return math.NaN()
	}
	return max(0, (at - from - 200*time.Millisecond).Seconds())
}

// backAfter returns how long after from, in s, the rate over 2 s is a share of what it was in the 10 s before it fell.
func (r *Run) backAfter(pairs []pair, fell, from, to time.Duration, share float64) float64 {
	const over = 2 * time.Second
	before := r.rate(pairs, fell-10*time.Second, fell)
	for at := from; at+over <= to; at += 500 * time.Millisecond {
		if r.rate(pairs, at, at+over) >= share*before {
			return (at + over - from).Seconds()
		}
	}
	return math.NaN()
}

// switches returns the most changes of size of one picture.
func (r *Run) switches(pairs []pair, from, to time.Duration) (most int) {
	for _, p := range pairs {
		w := r.watched(p, from, to)
		most = max(most, w.Switches)
	}
	return most
}

// fairness returns Jain's index of what guests received of pictures.
func (r *Run) fairness(from, to time.Duration) float64 {
	sum, squares, n := 0.0, 0.0, 0.0
	for by := range r.People {
		if by > 0 {
			x := r.rate(of(r.pairs(), func(p pair) bool { return p.by == by }), from, to)
			sum, squares, n = sum+x, squares+x*x, n+1
		}
	}
	if squares == 0 {
		return math.NaN()
	}
	return sum * sum / (n * squares)
}

// overhead returns how many bytes a guest's line was given for each of media that was to go over it.
func (r *Run) overhead(n int, from, to time.Duration) float64 {
	const headers = 20 + 8 + 12 + 16 + 12 // IP, UDP, RTP, the tag of AES-GCM, extensions and descriptor
	bytes := 0.0
	for whom, p := range r.People {
		if whom == n {
			continue
		}
		for _, f := range p.Sent.Frames {
			if f.At >= r.Start+from && f.At < r.Start+to {
				packets := math.Ceil(float64(f.Bytes) / 1114)
				bytes += float64(f.Bytes) + packets*(headers+32)
			}
		}
		bytes += 50 * (to - from).Seconds() * (85 + headers)
	}
	return float64(r.Lines[n].Down.Between(from, to).InBytes) / bytes
}

// firstPicture returns how long after a guest was let in it saw somebody first, in ms.
func (r *Run) firstPicture(n int) float64 { return r.pictureAfter(n, r.People[n].Joined) }

// pictureAfter returns how long after a time since the epoch a guest saw somebody first, in ms.
func (r *Run) pictureAfter(n int, since time.Duration) float64 {
	first := time.Duration(math.MaxInt64)
	for _, s := range r.People[n].Pictures {
		if at, ok := s.First(since); ok {
			first = min(first, at)
		}
	}
	if first == math.MaxInt64 {
		return math.NaN()
	}
	return inMS(first - since)
}

// before returns a figure of before the work; 0 if there is none.
func before(key string) float64 {
	t, err := newTable(0, "")
	if err != nil {
		return 0
	}
	return float64(t.Before.Values[key])
}

// streams returns how many senders' sound came to a guest in the same 100 ms, at most.
func (r *Run) streams(from, to time.Duration) float64 {
	const slot = 100 * time.Millisecond
	most := 0
	for _, p := range r.People {
		senders := make(map[time.Duration]map[uint16]bool)
		for who, s := range p.Sound {
			for _, d := range s.Took {
				at := d.Sent + d.Took - r.Start
				if at < from || at >= to {
					continue
				}
				if senders[at/slot] == nil {
					senders[at/slot] = make(map[uint16]bool)
				}
				senders[at/slot][who] = true
				most = max(most, len(senders[at/slot]))
			}
		}
	}
	return float64(most)
}

// words returns how many beginnings of words there were for somebody to hear, and how many of them were heard whole, in
// percent.
func (r *Run) words(from, to time.Duration) (begun, whole float64) {
	all, heard := 0, 0
	for _, p := range r.pairs() {
		s := r.People[p.by].Sound[uint16(p.whom)]
		if s == nil {
			continue
		}
		n, w := s.Words(r.People[p.whom].Sent.Onsets, r.Start+from, r.Start+to)
		all, heard = all+n, heard+w
	}
	return float64(all), percent(heard, all)
}

// estimate returns how far the host's estimate of a guest is from the truth, in percent: the median of its seconds.
func (r *Run) estimate(n int, truth float64, from, to time.Duration) float64 {
	var off []float64
	for i, e := range r.Estimates {
		at := time.Duration(i+1) * time.Second
		if rate, ok := e[r.People[n].ID]; ok && at >= from && at < to {
			off = append(off, 100*(float64(rate)-truth)/truth)
		}
	}
	if len(off) == 0 {
		return math.NaN()
	}
	slices.Sort(off)
	return off[len(off)/2]
}

// protocolShare returns the part of what a line carried that was of a protocol of IP, in percent.
func protocolShare(s *link.Seen, proto uint8, from, to time.Duration) float64 {
	part, whole := int64(0), int64(0)
	for _, f := range s.Flows() {
		c := f.Between(from, to)
		whole += c.OutBytes
		if f.Proto == proto {
			part += c.OutBytes
		}
	}
	return percent(int(part), int(whole))
}

// soundBack returns how long after a time, in s, all pairs hear again; NaN if one does not.
func (r *Run) soundBack(pairs []pair, since time.Duration) float64 {
	latest := 0.0
	for _, p := range pairs {
		s := r.People[p.by].Sound[uint16(p.whom)]
		if s == nil {
			return math.NaN()
		}
		back := math.NaN()
		for _, d := range s.Took {
			if at := d.Sent + d.Took - r.Start; at > since {
				back = (at - since).Seconds()
				break
			}
		}
		latest = max(latest, back) // NaN if one is
	}
	return latest
}
