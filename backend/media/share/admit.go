package share

import (
	"math"
	"slices"
	"time"
)

// wayOf returns the index of the line that is a receiver's way. A way that is not there carries nothing.
func (a *Allocator) wayOf(in *Input, receiver int) int {
	w := in.Receivers[receiver].Way
	if w < 0 || w >= len(in.Ways) {
		w = len(in.Ways)
	}
	return len(in.Receivers) + w
}

// want notes what every receiver wants of every track.
func (a *Allocator) want(in *Input) {
	complete := len(in.Wants) >= len(a.pairs)
	for r := range in.Receivers {
		for t := range in.Tracks {
			p := &a.pairs[r*len(in.Tracks)+t]
			p.now, p.top, p.class, p.limit, p.level, p.height = -1, -1, Unseen, 0, 0, 0
			if !complete || in.Tracks[t].ID.Of == in.Receivers[r].ID {
				p.reason = NotSeen
				continue
			}
			w := in.Wants[r*len(in.Tracks)+t]
			if w.Class == Unseen || w.Class > Shared {
				p.reason = NotSeen
				continue
			}
			a.aim(p, w, t, in.Tracks[t].ID.Kind)
		}
	}
}

// single leaves the tracks with one taker the layer that this one can use.
func (a *Allocator) single(in *Input) {
	for t := range in.Tracks {
		taker, takers := 0, 0
		for r := range in.Receivers {
			if a.pairs[r*len(in.Tracks)+t].class != Unseen {
				taker = r*len(in.Tracks) + t
				takers++
			}
		}
		if takers != 1 || in.Tracks[t].Count < 2 {
			continue
		}
		p, streams := &a.pairs[taker], a.streamsOf(t)
		for l := range streams {
			streams[l].usable = streams[l].usable && l == int(p.top)
		}
		s := &streams[p.top]
		s.sole = true
		if s.fixed == 0 && in.Tracks[t].Layers[p.top].Min == 0 {
			s.min = min(s.min, lowestRate)
		}
		a.aim(p, in.Wants[taker], t, in.Tracks[t].ID.Kind)
	}
}

// aim chooses the highest layer that p can use.
func (a *Allocator) aim(p *pair, w Want, track int, kind Kind) {
	p.height = min(max(int(w.Height), 1), maxHeight)
	streams := a.streamsOf(track)
	for l := range streams {
		if !streams[l].usable {
			continue
		}
		p.top = int8(l)
		if float64(streams[l].lines) >= layerFills*float64(p.height) {
			break
		}
	}
	if p.top < 0 {
		p.reason = NotSent
		return
	}
	top := &streams[p.top]
	p.class = w.Class
	p.limit = top.max
	if kind != Screen {
		p.limit = min(top.max, max(top.min, float64(qualities[fitting(p.height)].rate)))
	}
}

// budgets sets what lines have for pictures.
func (a *Allocator) budgets(in *Input) {
	n := len(in.Receivers)
	for i := range a.lines {
		a.lines[i].budget = 0
	}
	for w, way := range in.Ways {
		a.lines[n+w].budget = float64(min(max(way.Capacity, 0), Unlimited))
	}
	for r, receiver := range in.Receivers {
		sound := float64(min(max(receiver.Sound, 0), Unlimited))
		a.lines[r].budget = max(0, useful*(float64(min(max(receiver.Capacity, 0), Unlimited))-sound))
		a.lines[a.wayOf(in, r)].budget -= sound
	}
	for w := range in.Ways {
		a.lines[n+w].budget = max(0, useful*a.lines[n+w].budget)
	}
	a.lines[len(a.lines)-1].budget = 0
	for i := range a.lines {
		l := &a.lines[i]
		l.short, l.used = l.used > l.budget, 0
		switch {
		case l.turned == 0:
			l.low, l.lowBefore, l.turned = l.budget, l.budget, a.now
		case a.now-l.turned >= trust:
			l.low, l.lowBefore, l.turned = l.budget, l.low, a.now
		default:
			l.low = min(l.low, l.budget)
		}
	}
	for r, receiver := range in.Receivers {
		a.lines[r].forgive(receiver.Excused, a.now)
	}
	for w, way := range in.Ways {
		a.lines[n+w].forgive(way.Excused, a.now)
	}
}

// forgive forgets the downgrades of a line if they were for a capacity that was a mistake. A receiver that says so again and
// again has to wait.
func (l *line) forgive(excused uint32, now time.Duration) {
	l.forgave = max(l.forgave, now)
	forgiven := excused > l.excused && l.forgave+forgiveEvery <= now+forgiveAtOnce*forgiveEvery
	l.excused = excused
	if forgiven {
		l.forgave += forgiveEvery
		l.until, l.upgraded, l.recovers = 0, longAgo, now+recovery
	}
	if now < l.recovers {
		l.low, l.lowBefore = l.budget, l.budget
	}
}

// drop is what takes of a budget: up to room, in proportion to weight.
type drop struct{ weight, room float64 }

// level returns how much of a budget a weight of 1 gets if all drops get their proportion, none gets more than its room,
// and all is given away. It is infinite if the budget is enough for all. It changes the order of drops.
func level(budget float64, drops []drop) float64 {
	weight := 0.0
	for _, d := range drops {
		weight += d.weight
	}
	for len(drops) > 0 {
		each := max(0, budget) / weight
		n := len(drops)
		for i := 0; i < len(drops); {
			if d := drops[i]; d.room <= each*d.weight {
				budget -= d.room
				drops[i] = drops[len(drops)-1]
				drops = drops[:len(drops)-1]
				continue
			}
			i++
		}
		if len(drops) == n {
			return each
		}
		weight = 0
		for _, d := range drops {
			weight += d.weight
		}
	}
	return math.Inf(1)
}

// share sets what receivers could have of each picture if they shared their budgets between all that they want.
func (a *Allocator) share(in *Input) {
	tracks := len(in.Tracks)
	for r := range in.Receivers {
		a.drops = a.drops[:0]
		row := a.pairs[r*tracks:][:tracks]
		for i := range row {
			if row[i].class != Unseen {
				a.drops = append(a.drops, drop{weights[row[i].class], row[i].limit})
			}
		}
		each := level(a.lines[r].budget, a.drops)
		for i := range row {
			if row[i].class != Unseen {
				row[i].level = min(row[i].limit, each*weights[row[i].class])
			}
		}
	}
	for w := range len(in.Ways) + 1 {
		way := len(in.Receivers) + w
		a.drops = a.drops[:0]
		for r := range in.Receivers {
			if a.wayOf(in, r) != way {
				continue
			}
			for i := range tracks {
				if p := &a.pairs[r*tracks+i]; p.class != Unseen {
					a.drops = append(a.drops, drop{weights[p.class], p.level})
				}
			}
		}
		a.lines[way].level = level(a.lines[way].budget, a.drops)
	}
	for r := range in.Receivers {
		each := a.lines[a.wayOf(in, r)].level
		for i := range tracks {
			if p := &a.pairs[r*tracks+i]; p.class != Unseen {
				p.level = min(p.level, each*weights[p.class])
			}
		}
	}
}

// references sets what a taker must have of each layer; see company.
func (a *Allocator) references(in *Input) {
	tracks := len(in.Tracks)
	for t := range in.Tracks {
		lowest := true
		for l := range MaxLayers {
			s := &a.streams[t*MaxLayers+l]
			if !s.usable {
				continue
			}
			a.levels = a.levels[:0]
			for r := range in.Receivers {
				p := &a.pairs[r*tracks+t]
				if p.class != Unseen && int(p.top) >= l && (lowest || p.level >= s.min) {
					a.levels = append(a.levels, min(p.level, s.max))
				}
			}
			s.need, s.reference = s.min, 0
			if len(a.levels) > 0 {
				slices.Sort(a.levels)
				s.reference = a.levels[len(a.levels)/2]
				fair := company * s.reference
				if lowest {
					fair = min(fair, fairRate)
				}
				s.need = max(s.min, fair)
			}
			lowest = false
		}
	}
}

// rank sets order: the pairs by class, then in turns between the receivers. In a receiver's class, pictures that are
// shown come before others, and larger tiles before smaller ones.
func (a *Allocator) rank(in *Input) {
	tracks := len(in.Tracks)
	a.order = a.order[:0]
	for r := range in.Receivers {
		a.row = a.row[:0]
		for t := range tracks {
			p := &a.pairs[r*tracks+t]
			if p.class == Unseen {
				continue
			}
			key := uint64(Shared-p.class)<<32 | uint64(len(qualities)-fitting(p.height))<<16 | uint64(t)
			if !p.held(0) {
				key |= 1 << 24
			}
			a.row = append(a.row, key)
		}
		slices.Sort(a.row)
		for i, key := range a.row {
			// class, turn, receiver, track
			a.order = append(a.order, key>>32<<48|uint64(i)<<32|uint64(r)<<16|key&0xffff)
		}
	}
	slices.Sort(a.order)
}

// at returns the indices of receiver and track in a key of order.
func at(key uint64) (receiver, track int) { return int(key >> 16 & 0xffff), int(key & 0xffff) }

// admit gives receivers the lowest layers: first half of the pictures, where that can be had, and then all.
func (a *Allocator) admit(in *Input) {
	a.rank(in)
	for r := range in.Receivers {
		a.hold(in, r)
	}
	for _, key := range a.order {
		if l, s := a.lowest(key); s.thins {
			a.raise(in, key, l, thinPart*s.need, thinPart)
		} else {
			a.raise(in, key, l, s.need, 1)
		}
	}
	for _, key := range a.order {
		r, t := at(key)
		if l, s := a.lowest(key); s.thins && a.pairs[r*len(in.Tracks)+t].now >= 0 {
			a.raise(in, key, l, (1-thinPart)*s.need, 1)
		}
	}
}

// lowest returns the lowest layer that is usable, of the track of a key of order.
func (a *Allocator) lowest(key uint64) (layer int, s *stream) {
	_, t := at(key)
	for !a.streams[t*MaxLayers+layer].usable {
		layer++
	}
	return layer, &a.streams[t*MaxLayers+layer]
}

// hold notes the layers that receiver r has.
func (a *Allocator) hold(in *Input, r int) {
	own := &a.lines[r]
	for c := range own.highest {
		own.highest[c] = -1
	}
	for _, p := range a.pairs[r*len(in.Tracks):][:len(in.Tracks)] {
		if p.class != Unseen && p.held(0) {
			own.highest[p.class] = max(own.highest[p.class], p.layer)
		}
	}
	for c := 1; c < len(own.highest); c++ {
		own.highest[c] = max(own.highest[c], own.highest[c-1])
	}
}

// raise gives the pair of a key of order a layer for this much more, if the lines have it. What the pair had before it
// keeps as long as it fits. What is more must find more free than it costs, and wait. A picture that was not looked at
// before does not wait, and one of a higher class does not wait for a line that carries as much for a lower class. part is
// how much of the layer's rate it gets.
func (a *Allocator) raise(in *Input, key uint64, layer int, cost, part float64) {
	r, t := at(key)
	p, s := &a.pairs[r*len(in.Tracks)+t], &a.streams[t*MaxLayers+layer]
	own, way := &a.lines[r], &a.lines[a.wayOf(in, r)]
	// Whoever has as much as the other takers is not on the edge: its cost falls when its line does.
	spare := cost * spareFactor
	if p.level >= s.reference {
		spare = cost + min(cost, s.min)*(spareFactor-1)
	}
	fits, half := own.fits(cost) && way.fits(cost), int(p.now) == layer // half of the pictures were given already
	switch {
	case p.held(layer) && (!half || !p.thin), p.now < 0 && (p.held(0) || !p.wanted), half && !p.wanted:
	case !p.wanted:
		fits = own.spares(spare) && way.spares(spare)
	default:
		fits = own.spares(spare) && way.spares(spare)
		swap := int(own.highest[p.class-1]) >= layer
		if a.now >= own.recovers && a.now-p.changed < settle || !swap && a.now < max(own.until, way.until) {
			return
		}
	}
	if !fits {
		if p.now < 0 {
			p.reason = HostLine
			if !own.spares(spare) {
				p.reason = OwnLine
			}
		}
		return
	}
	own.used += cost
	way.used += cost
	p.now, p.part = int8(layer), part
}

// pixels returns what a picture gains with more lines: the logarithm of the ratio of its pixels.
func pixels(from, to int) float64 { return 2 * max(0.1, math.Log2(float64(to)/float64(from))) }

// upgrade gives receivers higher layers, in the order of gain for cost.
func (a *Allocator) upgrade(in *Input) {
	tracks := len(in.Tracks)
	a.steps = a.steps[:0]
	for i, key := range a.order {
		r, t := at(key)
		p := &a.pairs[r*tracks+t]
		if p.now < 0 || p.part < 1 {
			continue
		}
		streams, below, least := a.streamsOf(t), p.now, math.Inf(1)
		for l := below + 1; l <= p.top; l++ {
			if !streams[l].usable {
				continue
			}
			// A step never comes before the one below it.
			least = min(least, weights[p.class]*streams[l].gain/a.cost(t, below, l))
			a.steps = append(a.steps, uint64(^math.Float32bits(float32(least)))<<32|uint64(i)<<2|uint64(l))
			below = l
		}
	}
	slices.Sort(a.steps)
	for _, step := range a.steps {
		r, t := at(a.order[step&math.MaxUint32>>2])
		p, l := &a.pairs[r*tracks+t], int8(step&3)
		below := l - 1
		for below > 0 && !a.streams[t*MaxLayers+int(below)].usable {
			below--
		}
		if p.now == below {
			a.raise(in, a.order[step&math.MaxUint32>>2], int(l), a.cost(t, below, l), 1)
		}
	}
}

// cost returns what a receiver must have in addition for a step, in bit/s.
func (a *Allocator) cost(track int, from, to int8) float64 {
	return max(1, a.streams[track*MaxLayers+int(to)].need-a.streams[track*MaxLayers+int(from)].need)
}

// remember compares the decision with the last one.
func (a *Allocator) remember(in *Input) {
	tracks := len(in.Tracks)
	for r := range in.Receivers {
		own, way := &a.lines[r], &a.lines[a.wayOf(in, r)]
		for t := range tracks {
			p := &a.pairs[r*tracks+t]
			wanted, thin := p.class != Unseen, p.now >= 0 && p.part < 1
			same := p.now == p.layer && thin == p.thin
			switch {
			case !wanted || !p.wanted || same:
			case p.now > p.layer, p.now == p.layer && p.thin:
				own.upgraded, way.upgraded = a.now, a.now
			default:
				own.cut = own.cut || own.short
				way.cut = way.cut || way.short
			}
			if !same {
				p.changed = a.now
			}
			p.layer, p.wanted, p.thin = p.now, wanted, thin
			if p.now >= 0 {
				p.reason = Shown
			}
		}
	}
	for i := range a.lines {
		a.lines[i].beware(a)
	}
}

// beware sets the wait after a downgrade.
func (l *line) beware(a *Allocator) {
	if !l.cut {
		return
	}
	l.cut = false
	if a.now < l.begun {
		return
	}
	switch {
	case a.now < l.until: // the same shortage
		l.until = max(l.until, a.now+caution)
		return
	case a.now-l.upgraded > retry:
		l.wait = caution
	case l.wait >= failedOnce:
		l.wait = failedAgain
	default:
		l.wait = failedOnce
	}
	l.until = a.now + l.wait
}
