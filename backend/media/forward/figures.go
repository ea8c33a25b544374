package forward

import "time"

// Figures are what is known of the media that arrives of one participant, or leaves for one, since its streams began.
type Figures struct {
	Bytes   uint64 // on the wire, of what arrives
	Packets uint64 // that should have arrived
	Lost    uint64 // of Packets
	// Of the largest layer in which pictures arrive now; 0 for what leaves.
	Height int // lines
	Frames uint64
}

// Plus returns the sum of two figures. The picture is the larger one's.
func (f Figures) Plus(g Figures) Figures {
	f.Bytes, f.Packets, f.Lost = f.Bytes+g.Bytes, f.Packets+g.Packets, f.Lost+g.Lost
	if f.Frames == 0 || g.Height > f.Height {
		f.Height, f.Frames = g.Height, g.Frames
	}
	return f
}

// Figures returns what has arrived in all layers.
func (t *Track) Figures(now time.Time) (sum Figures) {
	for _, l := range *t.layers.Load() {
		l.mu.Lock()
		f := Figures{Bytes: l.flow.bytes}
		if l.hasSSRC && now.Sub(l.packetAt) < flowEnd {
			f.Height, f.Frames = l.flow.height, l.flow.frames
		}
		f.Packets, f.Lost = l.reception.Counts()
		l.mu.Unlock()
		sum = sum.Plus(f)
	}
	return sum
}

// Figures returns what has left in all slots, and what the receiver reports of it.
func (o *Outbound) Figures() (sum Figures) {
	for _, s := range o.All() {
		s.mu.Lock()
		sum.Packets += uint64(s.packets)
		s.mu.Unlock()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.lost {
		sum.Lost += uint64(n)
	}
	return sum
}

// noteLost notes how many packets of a slot's stream its receiver reports as lost, which is negative if packets came
// twice (RFC 3550 section 6.4.1).
func (o *Outbound) noteLost(ssrc, total uint32) {
	if total >= 1<<23 {
		total = 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost[ssrc] = total
}
