package share

import "math"

// fill gives the rest of the budgets to the encoders, as rate.
//
// All rates rise together, in proportion to the weights of their pictures, until a line is full. The layers that it
// carries stay where they are then, and the others go on. So a layer has what the poorest of its takers can have.
func (a *Allocator) fill(in *Input) {
	a.count(in)
	for i := range a.lines {
		l := &a.lines[i]
		l.left, l.settled = max(0, l.budget-l.used), false
		l.level = a.rise(in, i)
	}
	for {
		next, second := -1, math.Inf(1)
		for i := range a.lines {
			switch l := &a.lines[i]; {
			case l.settled:
			case next < 0:
				next = i
			case l.level < a.lines[next].level:
				next, second = i, a.lines[next].level
			default:
				second = min(second, l.level)
			}
		}
		if next < 0 {
			return
		}
		// Levels are from before other lines were settled, and can only have risen.
		l := &a.lines[next]
		if l.level = a.rise(in, next); l.level <= second {
			a.stop(in, next)
			l.settled = true
		}
	}
}

// count sets the takers of every layer.
func (a *Allocator) count(in *Input) {
	a.taken = resize(a.taken, len(a.streams)*(len(in.Ways)+1))
	clear(a.taken)
	for i := range a.streams {
		s := &a.streams[i]
		s.takers, s.weight, s.limit, s.rate, s.settled = 0, 0, s.need, 0, false
	}
	tracks := len(in.Tracks)
	for r := range in.Receivers {
		taken := a.takenOn(in, a.wayOf(in, r))
		for t := range tracks {
			p := &a.pairs[r*tracks+t]
			if p.now < 0 {
				continue
			}
			i := t*MaxLayers + int(p.now)
			s := &a.streams[i]
			s.takers++
			s.weight = max(s.weight, weights[p.class])
			s.limit = max(s.limit, min(s.max, p.limit))
			taken[i] += p.part
		}
	}
}

// takenOn returns the numbers of takers on the way that is this line, by stream.
func (a *Allocator) takenOn(in *Input, line int) []float64 {
	return a.taken[(line-len(in.Receivers))*len(a.streams):][:len(a.streams)]
}

// carried calls f with each layer that a line carries and that may still rise, and with how often it is carried.
func (a *Allocator) carried(in *Input, line int, f func(stream int, copies float64)) {
	if line >= len(in.Receivers) {
		for i, n := range a.takenOn(in, line) {
			if n > 0 && !a.streams[i].settled {
				f(i, n)
			}
		}
		return
	}
	tracks := len(in.Tracks)
	for t := range tracks {
		p := &a.pairs[line*tracks+t]
		if i := t*MaxLayers + int(p.now); p.now >= 0 && !a.streams[i].settled {
			f(i, p.part)
		}
	}
}

// rise returns how far a weight of 1 can rise on a line.
func (a *Allocator) rise(in *Input, line int) float64 {
	a.drops = a.drops[:0]
	a.carried(in, line, func(i int, copies float64) {
		s := &a.streams[i]
		a.drops = append(a.drops, drop{copies * s.weight, copies * (s.limit - s.need)})
	})
	return level(a.lines[line].left, a.drops)
}

// stop sets the rates of all layers that a line carries, at its level.
func (a *Allocator) stop(in *Input, line int) {
	each := a.lines[line].level
	a.carried(in, line, func(i int, _ float64) {
		s := &a.streams[i]
		more := min(s.limit-s.need, each*s.weight)
		s.rate, s.settled = s.need+more, true
		track, layer := i/MaxLayers, int8(i%MaxLayers)
		for r := range in.Receivers {
			if p := &a.pairs[r*len(in.Tracks)+track]; p.now == layer {
				a.lines[r].left -= more * p.part
			}
		}
		for w := range len(in.Ways) + 1 {
			way := len(in.Receivers) + w
			a.lines[way].left -= more * a.takenOn(in, way)[i]
		}
	})
}
