package files

import (
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// offer is a file that a participant offers. The desk's mu guards what has no comment of its own.
type offer struct {
	id    uint32 // immutable, as owner, name and size are
	owner string
	name  string
	size  int64

	over    bool
	readers map[string]*reader // by participant

	reserved bool // there is room for spool
	spool    *spool
	users    int   // goroutines that use spool
	got      int64 // bytes in spool, all from the beginning
	first    []byte
	granted  int64 // up to which byte the sender may send
	asked    bool  // the sender knows that, on its present way
	up       Window
	grants   []mark
	held     bool      // askAgain will be called
	moved    time.Time // when bytes came last, or began to be wanted
}

// mark is when some bytes were asked for, or sent.
type mark struct {
	from, to int64
	at       time.Time
}

// passed drops the marks up to an offset, and tells a window how long the last of them took.
func passed(marks []mark, to int64, w *Window, now time.Time, line Line) []mark {
	n, bytes := 0, int64(0)
	for n < len(marks) && marks[n].to <= to {
		bytes += marks[n].to - marks[n].from
		n++
	}
	if n > 0 {
		w.Took(now, int(bytes), now.Sub(marks[n-1].at), line)
	}
	return marks[n:]
}

// ask asks the sender of a file for as much as may be on its way. The caller holds mu.
func (d *Desk) ask(o *offer, now time.Time) {
	p := d.pipes[o.owner]
	if p == nil || o.over || len(o.readers) == 0 || o.got == o.size {
		return
	}
	if wait := o.up.Hold(now); wait > 0 && o.asked {
		if !o.held {
			o.held = true
			time.AfterFunc(wait, func() { d.askAgain(o) })
		}
		return
	}
	to := min(o.got+int64(o.up.Size()), o.size)
	// Half a window is worth a frame.
	if o.asked && (to <= o.granted || to < o.size && o.granted-o.got > int64(o.up.Size())/2) {
		return
	}
	to = max(to, o.granted)
	from := o.granted
	if !o.asked {
		from = o.got
	}
	o.asked, o.granted = true, to
	o.grants = append(o.grants, mark{from, to, now})
	_ = p.Send(frame{kind: kindWant, id: o.id, offset: uint32(from), to: uint32(to)}.write()) // the way may be gone
}

// askAgain asks after a time in which the line was full.
func (d *Desk) askAgain(o *offer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o.held = false
	if !d.closed {
		d.ask(o, time.Now())
	}
}

// Handle takes a frame that a participant has sent on its way. A fault is the participant's: its way is to be closed.
func (d *Desk) Handle(who string, p Pipe, b []byte) error {
	f, err := read(b)
	if err != nil {
		return err
	}
	d.mu.Lock()
	way := d.pipes[who]
	if way == nil || way.Pipe != p {
		d.mu.Unlock()
		return nil // it comes from a way that was given up
	}
	if !way.frames.Allow() {
		d.mu.Unlock()
		return fault.New(fault.TooFast, nil)
	}
	o := d.offers[f.id]
	if o == nil { // over meanwhile
		d.mu.Unlock()
		return nil
	}
	if f.kind == kindPart && o.owner == who {
		d.mu.Unlock()
		return d.part(o, way, f)
	}
	defer d.mu.Unlock()
	r := o.readers[who]
	switch {
	case f.kind == kindStop && o.owner == who: // its bytes can't be read any more
		for _, r := range o.readers {
			d.end(r, WhyStopped)
		}
	case (f.kind == kindStop || f.kind == kindGot) && r != nil && r.try != f.try: // about one that was given up
	case f.kind == kindStop && r != nil:
		d.end(r, WhyCancelled)
	case f.kind == kindGot && r != nil:
		d.heard(r, int64(f.offset))
	case f.kind == kindWant || f.kind == kindPart:
		return fault.Newf(fault.MessageUnexpected, "files: frame %d", f.kind)
	}
	return nil
}

// part takes bytes of a file.
func (d *Desk) part(o *offer, way *pipe, f frame) error {
	if err := d.up.WaitN(d.ctx, len(f.content)); err != nil {
		return nil // the call is over
	}
	d.mu.Lock()
	end := int64(f.offset) + int64(len(f.content))
	if o.over || d.pipes[o.owner] != way {
		d.mu.Unlock()
		return nil
	}
	if int64(f.offset) != o.got || end > o.granted {
		d.refuse(o)
		return fault.New(fault.FileRefused, nil)
	}
	if o.first = append(o.first, f.content[:min(len(f.content), sniffed-len(o.first))]...); len(o.first) == sniffed || end == o.size {
		if !fits(o.name, o.first) {
			d.refuse(o) // people give files wrong names without meaning harm, so the way stays
			return nil
		}
	}
	o.users++
	s := o.spool
	d.mu.Unlock()

	s, err := d.store(s, f)

	now := time.Now()
	d.mu.Lock()
	if o.spool == nil {
		o.spool = s
	}
	if err != nil {
		d.o.Logger.Warn("files", "err", err)
		d.endOffer(o, WhyRoom)
		d.release(o, 1)
		d.mu.Unlock()
		d.o.Over(o.id, WhyRoom)
		return nil
	}
	defer d.mu.Unlock()
	o.grants = passed(o.grants, end, &o.up, now, Line{Near: d.o.Line(o.owner).Near}) // the rest is about the other direction
	o.got, o.moved = end, now
	for _, r := range o.readers {
		r.stir()
	}
	d.ask(o, now)
	d.release(o, 1)
	return nil
}

// refuse ends an offer that is not what it was said to be. The caller holds mu, which is released.
func (d *Desk) refuse(o *offer) {
	d.endOffer(o, WhyRefused)
	d.mu.Unlock()
	d.o.Over(o.id, WhyRefused)
}

// reserve keeps room for a file on disk. Files that nobody receives now make room; their senders still have them. The
// caller holds mu.
func (d *Desk) reserve(o *offer) bool {
	if o.reserved {
		return true
	}
	for _, other := range d.offers {
		if d.spooled+o.size <= spoolQuota {
			break
		}
		// What was asked for has come, so that it can be asked for again.
		if other.users == 0 && len(other.readers) == 0 && other.granted == other.got {
			d.discard(other)
		}
	}
	if d.spooled+o.size > spoolQuota {
		return false
	}
	o.reserved = true
	d.spooled += o.size
	return true
}

// store writes a part to disk. s is nil for the first one.
func (d *Desk) store(s *spool, f frame) (*spool, error) {
	if s == nil {
		var err error
		if s, err = newSpool(d.o.Dir); err != nil {
			return nil, err
		}
	}
	return s, s.put(f.content, int64(f.offset))
}
