package forward

import "time"

// Flow is what arrives in one layer of a track.
type Flow struct {
	Height int  // lines of the newest keyframe, 0 while it is unknown and for sound
	Rate   int  // bit/s on the wire, since the last look
	Active bool // packets arrived in the last second
	Thins  bool // every other picture can be left out; see [Slot.SetThin]
}

// flow measures a layer. The zero value is ready to use.
type flow struct {
	bytes  uint64 // on the wire, so far
	frames uint64 // pictures that have come whole or in part, so far
	height int
	thins  bool // there was more than one temporal layer in the stream

	mark   uint64 // bytes at the last look
	markAt time.Time
	rate   int
}

const (
	rtpHeader = 12                     // bytes, without extensions
	flowSpan  = 400 * time.Millisecond // the shortest time in which a rate is measured
	flowEnd   = time.Second            // without a packet
)

// measure returns the rate since the last look.
func (f *flow) measure(now time.Time) int {
	passed := now.Sub(f.markAt)
	if f.markAt.IsZero() || passed > 10*time.Second {
		f.mark, f.markAt = f.bytes, now
		return f.rate
	}
	if passed >= flowSpan {
		f.rate = int(float64(f.bytes-f.mark) * 8 / passed.Seconds())
		f.mark, f.markAt = f.bytes, now
	}
	return f.rate
}

// Flows appends what arrives in the layers of the track, the lowest first. One goroutine may call it.
func (t *Track) Flows(dst []Flow, now time.Time) []Flow {
	for _, l := range *t.layers.Load() {
		l.mu.Lock()
		dst = append(dst, Flow{
			Height: l.flow.height, Rate: l.flow.measure(now),
			Active: l.flowing(now), Thins: l.flow.thins,
		})
		l.mu.Unlock()
	}
	return dst
}
