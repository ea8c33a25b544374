package share

import "time"

// stream is a layer of a track.
type stream struct {
	seen bool // the fields of state are set
	sole bool // its track has one taker, and of its layers this one is of use

	// What the publisher was asked for.
	on       bool
	missing  time.Duration // since when it is asked for and does not come, 0 while that is not so
	takenAt  time.Duration // when somebody last took the layer
	asked    int           // bit/s on the wire
	askedAt  time.Duration
	lowered  time.Duration // when asked last fell, or the layer was put off
	height   int           // lines, of a track with one layer
	heightAt time.Duration
	slow     bool // fewer frames

	absentUntil time.Duration // it was asked for and did not come

	// fixed is the rate of a stream whose publisher does not do what it is asked, 0 if it does.
	fixed      float64
	fixedUntil time.Duration

	// What the decision under way knows.
	usable    bool
	thins     bool
	lines     int     // height, never 0
	min, max  float64 // bit/s
	gain      float64 // of the step up to it, for a weight of 1
	reference float64 // bit/s; see company
	need      float64 // bit/s that a taker must have
	takers    int
	weight    float64 // the largest of the takers
	limit     float64 // bit/s, the largest of the takers
	rate      float64 // bit/s
	settled   bool    // rate is set
}

const (
	// coming is how long a layer that was asked for may take to come. Pages begin small, and senders look first whether
	// their line carries it.
	coming = 8 * time.Second
	// absence is how long a layer that was asked for and did not come is not counted on. Chromium's camera of 360
	// lines has no third layer, though it is on.
	absence = 30 * time.Second
	// obedience is the time in which a publisher must do what it is asked.
	obedience = 2 * time.Second
	// defiance is how many times its rate, and defianceRate how much more, a publisher must send to count as one that
	// does not listen; defied is how long that is remembered.
	defiance     = 1.3
	defianceRate = 30_000
	defied       = time.Minute
)

// follow keeps the state of receivers and tracks that are still there when the lists change.
func (a *Allocator) follow(in *Input) {
	receivers, tracks := len(in.Receivers), len(in.Tracks)
	lines := receivers + len(in.Ways) + 1
	if a.same(in) && len(a.lines) == lines {
		return
	}
	a.oldPairs, a.pairs = a.pairs, resize(a.oldPairs, receivers*tracks)
	a.oldStreams, a.streams = a.streams, resize(a.oldStreams, tracks*MaxLayers)
	a.oldLines, a.lines = a.lines, resize(a.oldLines, lines)
	clear(a.pairs)
	clear(a.streams)
	for i := range a.pairs {
		a.pairs[i] = pair{layer: -1, changed: longAgo}
	}
	for i := range a.lines {
		a.lines[i] = line{until: longAgo, upgraded: longAgo}
		if i < receivers {
			a.lines[i].begun = a.now + beginning
			a.lines[i].recovers = a.lines[i].begun
		}
	}
	for t := range in.Tracks {
		if old := index(a.tracks, in.Tracks[t].ID); old >= 0 {
			copy(a.streams[t*MaxLayers:][:MaxLayers], a.oldStreams[old*MaxLayers:])
		}
	}
	for r := range in.Receivers {
		old := index(a.receivers, in.Receivers[r].ID)
		if old < 0 {
			continue
		}
		a.lines[r] = a.oldLines[old]
		for t := range in.Tracks {
			if track := index(a.tracks, in.Tracks[t].ID); track >= 0 {
				a.pairs[r*tracks+t] = a.oldPairs[old*len(a.tracks)+track]
			}
		}
	}
	if ways := len(in.Ways) + 1; len(a.oldLines) == len(a.receivers)+ways {
		copy(a.lines[receivers:], a.oldLines[len(a.receivers):])
	}
	a.receivers, a.tracks = a.receivers[:0], a.tracks[:0]
	for _, r := range in.Receivers {
		a.receivers = append(a.receivers, r.ID)
	}
	for _, t := range in.Tracks {
		a.tracks = append(a.tracks, t.ID)
	}
}

func (a *Allocator) same(in *Input) bool {
	if len(a.receivers) != len(in.Receivers) || len(a.tracks) != len(in.Tracks) {
		return false
	}
	for i, id := range a.receivers {
		if in.Receivers[i].ID != id {
			return false
		}
	}
	for i, id := range a.tracks {
		if in.Tracks[i].ID != id {
			return false
		}
	}
	return true
}

// resize returns a slice of n elements of any content, if possible in the memory of s.
func resize[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}

func index[E comparable](s []E, e E) int {
	for i := range s {
		if s[i] == e {
			return i
		}
	}
	return -1
}

// streamsOf returns the layers of a track.
func (a *Allocator) streamsOf(track int) []stream {
	return a.streams[track*MaxLayers:][:MaxLayers]
}

// measureAll looks at what the publishers send.
func (a *Allocator) measureAll(in *Input) {
	for t := range in.Tracks {
		track := &in.Tracks[t]
		streams := a.streamsOf(t)
		count := min(max(track.Count, 0), MaxLayers)
		sends := false
		for _, l := range track.Layers[:count] {
			sends = sends || l.Active
		}
		below := -1
		for l := range streams {
			s := &streams[l]
			if l >= count {
				*s = stream{}
				continue
			}
			s.measure(track, l, a.now)
			s.usable = !track.Silent && s.there(track.Layers[l].Active, sends && count > 1, a.now)
			if track.Silent {
				s.missing = 0
			}
			if s.usable {
				if below >= 0 {
					s.gain = pixels(streams[below].lines, s.lines)
				}
				below = l
			}
		}
	}
}

// firstLayer is the layer that publishers of several begin with, before they are asked.
const firstLayer = 1

// measure sets the rates of a layer.
func (s *stream) measure(track *Track, layer int, now time.Duration) {
	l := track.Layers[layer]
	if !s.seen {
		*s = stream{seen: true, on: track.Count == 1 || layer == firstLayer, takenAt: now, lowered: now, heightAt: longAgo, absentUntil: longAgo}
	}
	s.sole, s.thins = false, l.Thins
	s.lines = l.Height
	if s.lines <= 0 {
		s.lines = [MaxLayers]int{180, 360, 720}[layer]
		if track.Count == 1 {
			s.lines = 720
		}
	}
	deserved := float64(qualities[fitting(s.lines)].rate)
	s.max = deserved
	if l.Max > 0 {
		s.max = float64(min(l.Max, Unlimited))
	}
	s.min = min(s.max, worthy*deserved)
	switch {
	case l.Min > 0:
		s.min = min(s.max, float64(l.Min))
	case layer == 0 && track.ID.Kind == Screen:
		s.min = min(s.max, lowestScreenRate)
	case layer == 0:
		s.min = min(s.max, lowestRate)
	case layer == 1:
		s.min = min(s.max, 0.4*deserved)
	}
	s.judge(l, now)
	if s.fixed > 0 {
		s.min, s.max = s.fixed, s.fixed
	}
}

// judge notices publishers that don't do what they are asked. What they send is then what they cost.
func (s *stream) judge(l Layer, now time.Duration) {
	rate, asked, wait := float64(min(l.Rate, Unlimited)), float64(s.asked), obedience
	if !s.on {
		asked, wait = 0, coming // it may go on in place of one that is to come
	}
	settled := now-s.lowered >= wait && (s.asked > 0 || !s.on)
	switch {
	case l.Active && settled && rate > defiance*asked+defianceRate:
		s.fixedUntil = now + defied
		if s.fixed == 0 || rate > s.fixed {
			s.fixed = rate
		} else {
			s.fixed += (rate - s.fixed) / 10
		}
	case now >= s.fixedUntil, s.on && l.Active && settled && rate <= 1.1*asked:
		s.fixed = 0
	}
}

// there reports whether a layer can be counted on. others says that other layers of its track arrive: without them it
// is the publisher who is absent, and not the layer.
func (s *stream) there(active, others bool, now time.Duration) bool {
	switch {
	case active:
		s.absentUntil, s.missing = longAgo, 0
	case now < s.absentUntil:
		return false
	case !others || !s.on || s.takers == 0:
		s.missing = 0
	case s.missing == 0:
		s.missing = now
	case now-s.missing >= coming:
		s.absentUntil, s.missing = now+absence, 0
		return false
	}
	return true
}
