// Package thin leaves the highest temporal layer of a picture out (RFC 7741 section 4.2), and numbers what remains without
// a hole. It does no I/O.
//
// Pictures of the temporal layer 0 depend on each other only, and those of a higher one on lower ones and on earlier ones
// of their own. So on a short line the highest can be left out, which halves the pictures a second, and none stands still.
package thin

import "github.com/porch-call/porch/backend/media/vp8"

// keptRuns is how many runs of packets that were left out are remembered: 4 s of them at 30 pictures a second.
const keptRuns = 64

// Thinner leaves packets of a stretch out, and remembers where. It is not safe for concurrent use.
type Thinner struct {
	On bool // the highest temporal layer is to be left out

	top   uint8 // the highest that has come in this stretch
	takes uint8 // the highest that is forwarded

	runs      []run // the newest of those in which packets were left out, in order
	forgotten int64 // the end of the last one that is not in runs

	picture    uint16 // of the last packet that was left out
	hasPicture bool
}

// run is a run of packets that were left out.
type run struct {
	first, end int64  // extended input sequence numbers; the end is not part of it
	sequence   int64  // output minus input before it
	picture    uint16 // the same of picture ids
}

// Begin begins a stretch.
func (t *Thinner) Begin() {
	t.top, t.takes = 0, t.limit()
	t.runs, t.forgotten, t.hasPicture = t.runs[:0], 0, false
}

// limit returns the highest temporal layer that is to be forwarded.
func (t *Thinner) limit() uint8 {
	if !t.On {
		return 3 // there is no higher one
	}
	return max(t.top, 1) - 1
}

// Takes reports whether a packet with this descriptor is forwarded. It is asked about each packet in order. A layer is left
// out from the beginning of a picture on, and comes back with a picture that depends on nothing that was left out. narrow
// says that there is no room for what no other picture depends on.
func (t *Thinner) Takes(d *vp8.Descriptor, narrow bool) bool {
	t.top = max(t.top, d.Temporal)
	limit := t.limit()
	switch {
	case !d.Start:
	case d.Keyframe, t.takes > limit:
		t.takes = limit
	case d.Sync && d.Temporal == t.takes+1 && d.Temporal <= limit:
		t.takes++
	}
	if narrow && d.Temporal > 0 {
		t.takes = min(t.takes, d.Temporal-1)
	}
	return t.TakesLate(d)
}

// TakesLate reports whether a packet that comes after later ones is forwarded, unless it was left out.
func (t *Thinner) TakesLate(d *vp8.Descriptor) bool { return d.Temporal <= t.takes }

// Omit notes that a packet is left out, of which in is the extended input number. sequence and picture are output minus input
// before it. It reports whether it is the first of its picture.
func (t *Thinner) Omit(d *vp8.Descriptor, in, sequence int64, picture uint16) (another bool) {
	switch n := len(t.runs); {
	case n > 0 && t.runs[n-1].end == in:
		t.runs[n-1].end++
	case n == keptRuns:
		t.forgotten = t.runs[0].end
		copy(t.runs, t.runs[1:])
		t.runs[n-1] = run{in, in + 1, sequence, picture}
	default:
		t.runs = append(t.runs, run{in, in + 1, sequence, picture})
	}
	another = d.HasPicture && (!t.hasPicture || t.picture != d.Picture)
	t.picture, t.hasPicture = d.Picture, d.HasPicture
	return another
}

// Offsets returns output minus input of a packet and of its picture id. sequence and picture are those of the newest
// packet. ok is false for a packet that was left out, or is too old to tell.
func (t *Thinner) Offsets(in, sequence int64, picture uint16) (_ int64, _ uint16, ok bool) {
	for i := len(t.runs) - 1; i >= 0; i-- {
		r := &t.runs[i]
		if in >= r.first {
			return sequence, picture, in >= r.end
		}
		sequence, picture = r.sequence, r.picture
	}
	return sequence, picture, len(t.runs) < keptRuns || in >= t.forgotten
}

// Source returns the extended input number of the packet with an output number. sequence is output minus input of the
// newest packet. ok is false if it is too old to tell.
func (t *Thinner) Source(o, sequence int64) (in int64, ok bool) {
	for i := len(t.runs) - 1; i >= 0; i-- {
		r := &t.runs[i]
		if in = o - sequence; in >= r.end {
			return in, true
		}
		sequence = r.sequence
	}
	in = o - sequence
	return in, len(t.runs) < keptRuns || in >= t.forgotten
}
