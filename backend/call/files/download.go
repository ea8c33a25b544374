package files

import (
	"context"
	"io"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// reader is a participant who receives a file. The desk's mu guards what has no comment of its own.
type reader struct {
	o   *offer // immutable, as who and try are
	who string
	try uint8

	pipe    *pipe         // nil until there is one, and always for what the host's app saves itself
	own     bool          // it is saved here
	wake    chan struct{} // buffered 1; full means already woken
	done    chan struct{} // closed with why
	why     Why
	running bool // its goroutine is there
	sent    int64
	read    int64 // of them, by the receiver
	marks   []mark
	window  Window
	moved   time.Time // when it has read something last
}

func (r *reader) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stir wakes the reader's goroutine.
func (r *reader) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// heard takes the receiver's word on how much it has read. The caller holds mu.
func (d *Desk) heard(r *reader, read int64) {
	if read <= r.read || read > r.sent {
		return
	}
	now := time.Now()
	r.marks = passed(r.marks, read, &r.window, now, d.o.Line(r.who))
	r.read, r.moved = read, now
	r.stir()
}

// toPipe sends bytes to the receiver.
func (r *reader) toPipe(b []byte, offset int64) error {
	return r.pipe.Send(frame{kind: kindPart, try: r.try, id: r.o.id, offset: uint32(offset), content: b}.write())
}

// run gives a reader all bytes by put, which need not take them at once. It ends with the reader.
func (d *Desk) run(r *reader, put func(b []byte, offset int64) error) {
	d.mu.Lock()
	r.running = true
	r.o.users++
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		r.running = false
		d.release(r.o, 1)
		d.gone(r)
	}()
	buffer := make([]byte, MaxPart)
	for {
		n, hold, over := d.next(r)
		switch {
		case over:
			return
		case hold > 0:
			select {
			case <-time.After(hold):
			case <-r.done:
				return
			}
			continue
		case n == 0:
			select {
			case <-r.wake:
			case <-r.done:
				return
			}
			continue
		}
		if d.out.WaitN(d.ctx, n) != nil {
			return
		}
		if !d.pass(r, buffer[:n], put) {
			return
		}
	}
}

// next returns how many bytes the reader may be given now, or after how long to look again. over means that it has all, or
// has ended.
func (d *Desk) next(r *reader) (n int, hold time.Duration, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.ended() {
		return 0, 0, true
	}
	if r.read == r.o.size {
		close(r.done) // why is 0: all is well
		return 0, 0, true
	}
	part := r.window.Part()
	if r.own {
		part = MaxPart
	} else if int64(r.window.Size())-(r.sent-r.read) < int64(part) {
		return 0, 0, false
	}
	return int(min(r.o.got-r.sent, int64(part))), r.window.Hold(time.Now()), false
}

// pass gives the reader the next bytes, which are in the spool.
func (d *Desk) pass(r *reader, b []byte, put func([]byte, int64) error) bool {
	d.mu.Lock()
	s, offset := r.o.spool, r.sent
	if s == nil || r.ended() {
		d.mu.Unlock()
		return false
	}
	now := time.Now()
	if r.sent == r.read { // it has waited for the sender
		r.moved = now
	}
	r.sent += int64(len(b)) // before it is sent, as the answer may be quick
	r.marks = append(r.marks, mark{offset, r.sent, now})
	d.mu.Unlock()
	err := s.get(b, offset)
	if err == nil {
		err = put(b, offset)
	} else {
		d.o.Logger.Warn("files", "err", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.end(r, WhyRoom)
		return false
	}
	if r.own {
		r.read, r.marks = r.sent, nil
	}
	return true
}

// Save writes a file to w, as a participant who needs no way for it: the host, whose app this is. told hears how many
// bytes there are, after each part. It returns when all is written. Faults: those of [Desk.Take]; FileStopped,
// FileRefused; and the error of w. lacking is called with those who have no way yet.
func (d *Desk) Save(ctx context.Context, id uint32, who string, w io.Writer, lacking func(string), told func(int64)) error {
	d.mu.Lock()
	o, r, err := d.reader(id, who, 0)
	if err != nil || r == nil {
		d.mu.Unlock()
		return err
	}
	r.own = true
	absent := o.got < o.size && d.pipes[o.owner] == nil
	d.ask(o, time.Now())
	d.workers.Add(1)
	d.mu.Unlock()
	defer d.workers.Done()
	if absent {
		lacking(o.owner)
	}
	stop := context.AfterFunc(ctx, func() { d.Drop(id, who) })
	defer stop()
	var failed error
	d.run(r, func(b []byte, offset int64) error {
		if _, failed = w.Write(b); failed == nil {
			told(offset + int64(len(b)))
		}
		return failed
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case failed != nil:
		return failed
	case !r.ended() || r.read < o.size && r.why == 0:
		return fault.New(fault.FileStopped, nil)
	case r.why == WhyRefused:
		return fault.New(fault.FileRefused, nil)
	case r.why != 0:
		return fault.New(fault.FileStopped, nil)
	}
	return nil
}
