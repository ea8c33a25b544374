package share

import "time"

// How publishers are asked.
const (
	// rest is how long a layer goes on that is not taken any more, because it costs keyframes to stop and to begin.
	// soleRest is the same beside the one layer of a track with one taker, which then has the whole line.
	rest     = 3 * time.Second
	soleRest = time.Second
	// asks is the least time between two raises of a layer's rate.
	asks = 500 * time.Millisecond
	// step is the least factor by which a rate is raised, and smallStep the same after smallStepAfter.
	step           = 1.1
	smallStep      = 1.02
	smallStepAfter = 3 * time.Second
	// higher is how many times the rate of a larger height there must be before it is asked for.
	higher = 1.25
)

// ask sets what publishers are asked for, and what receivers get. A rate falls at once. It rises in steps, so that
// publishers are not asked more than twice a second.
func (a *Allocator) ask(in *Input) {
	tracks := len(in.Tracks)
	a.plan.Asks = resize(a.plan.Asks, tracks)
	a.plan.choices = resize(a.plan.choices, len(a.pairs))
	a.plan.tracks = tracks
	for t := range in.Tracks {
		tallest := 0
		for r := range in.Receivers {
			if p := &a.pairs[r*tracks+t]; p.now >= 0 {
				tallest = max(tallest, p.height)
			}
		}
		sole := false
		for _, s := range a.streamsOf(t) {
			sole = sole || s.sole
		}
		single := in.Tracks[t].Count == 1 && in.Tracks[t].ID.Kind == Camera
		for l := range MaxLayers {
			s := &a.streams[t*MaxLayers+l]
			if !s.seen {
				a.plan.Asks[t][l] = Ask{}
				continue
			}
			if !sole && a.stands(in, t, l) {
				s.takenAt = a.now
			}
			s.ask(a.now, sole)
			if s.takers > 0 && single {
				s.resize(tallest, a.now)
			}
			k := Ask{On: s.on, MaxBitrate: encoded(s.asked), Height: in.Tracks[t].Layers[l].Height}
			if single {
				k.Height = s.height
			}
			if s.slow {
				k.FrameRate = slowFrames
			}
			a.plan.Asks[t][l] = k
		}
	}
	for i := range a.pairs {
		p := &a.pairs[i]
		c := Choice{Layer: int(p.now), Reason: p.reason}
		if p.now >= 0 {
			s := &a.streams[i%tracks*MaxLayers+int(p.now)]
			c.Rate = s.asked
			if s.fixed > 0 {
				c.Rate = int(s.fixed)
			}
			c.Rate, c.Thin = int(float64(c.Rate)*p.part), p.thin
		}
		a.plan.choices[i] = c
	}
}

// stands reports whether a layer stands in for a higher one that is taken and does not come yet.
func (a *Allocator) stands(in *Input, track, layer int) bool {
	for l := layer + 1; l < in.Tracks[track].Count && l < MaxLayers; l++ {
		s := &a.streams[track*MaxLayers+l]
		if in.Tracks[track].Layers[l].Active {
			return false
		}
		if s.takers > 0 {
			return in.Tracks[track].Layers[layer].Active
		}
	}
	return false
}

// ask updates what the publisher of s is asked for. sole says that the track has one taker, of another layer or of s.
func (s *stream) ask(now time.Duration, sole bool) {
	if s.takers == 0 {
		if rested := now - s.takenAt; s.on && (rested >= rest || sole && rested >= soleRest) {
			s.on, s.lowered = false, now
		}
		return
	}
	s.on, s.takenAt = true, now
	if s.fixed > 0 && s.asked > 0 { // it was asked already
		return
	}
	rate, since := int(s.rate), now-s.askedAt
	more := float64(rate) / float64(max(s.asked, 1))
	switch {
	case rate < s.asked:
		s.lowered = now
	case s.asked == 0:
	case more >= step && since >= asks:
	case more >= smallStep && since >= smallStepAfter:
	default:
		return
	}
	s.asked, s.askedAt = rate, now
	switch {
	case rate < slowFramesRate:
		s.slow = true
	case float64(rate) >= higher*slowFramesRate:
		s.slow = false
	}
}

// resize sets the height of a track with one layer, whose highest tile has this many lines. A height that is too much
// for the rate falls at once. It rises when there is clearly enough for the next one, because every change of it is a
// keyframe.
func (s *stream) resize(tallest int, now time.Duration) {
	fits := fitting(tallest)
	best := qualities[min(fits, affordable(float64(s.asked)))].height
	sure := qualities[min(fits, affordable(float64(s.asked)/higher))].height
	switch {
	case best < s.height, s.height == 0:
		s.height = best
	case sure > s.height && now-s.heightAt >= settle:
		s.height = sure
	default:
		return
	}
	s.heightAt = now
}
