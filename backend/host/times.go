package host

import (
	"context"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/signalling"
)

// lookEvery is how often the clock is looked at for links that end at a time. A
// timer stands still while the computer sleeps.
const lookEvery = time.Minute

// Remove removes the link for good. With a guest in the call it takes hold at once,
// else after Timing.Undo, until which Undo takes it back. It is on the disk when it
// takes hold, and not before. Removing it again changes nothing.
func (c LinkCommands) Remove(ctx context.Context) error {
	h := c.host
	return h.do(ctx, func() error {
		h.touch()
		switch o := h.openLinks[c.id]; {
		case o == nil:
			_, err := h.book.Remove(c.id)
			return err
		case len(o.seats) > 0 || h.timing.Undo < 0:
			return o.remove()
		case o.removeAt.IsZero():
			o.removeWhen(h.now().Add(h.timing.Undo))
		}
		return nil
	})
}

// Undo takes a removal back that has not taken hold. Faults: LinkRemoved, LinkSpent.
func (c LinkCommands) Undo(ctx context.Context) error {
	return c.host.doLink(ctx, string(c.id), func(o *openLink) error {
		o.removeWhen(time.Time{})
		return nil
	})
}

// removeWhen sets when the host's removal of a link takes hold, the zero time for never.
// Until then no guest takes a seat, unless the host lets one in after all.
func (o *openLink) removeWhen(at time.Time) {
	o.removeAt = at
	o.leaving.Store(!at.IsZero())
	o.host.touch()
}

// SetTimes sets when the link opens and when it is spent. Guests who wait or are in
// the call stay. Faults: LinkSpent, LinkRemoved, TimesInvalid.
func (c LinkCommands) SetTimes(ctx context.Context, t links.Times) error {
	h := c.host
	return h.do(ctx, func() error {
		l, err := h.book.SetTimes(c.id, t)
		h.touch()
		o := h.openLinks[c.id]
		if err != nil || o == nil {
			return err
		}
		for s := range o.sessions {
			if s.takes.has(signalling.TakesOpens) && !s.returning && !o.hasSeat(s) {
				_ = s.out.Send(s.welcome(l)) // a lost path shows in read
			}
		}
		return nil
	})
}

// NewAddress gives the link another address of its own. The one of before no longer
// opens it. Guests in the call and copies stay. Faults: LinkSpent, LinkRemoved.
func (c LinkCommands) NewAddress(ctx context.Context) error {
	return c.change(ctx, func(b *links.Book) error {
		_, err := b.NewAddress(c.id)
		return err
	})
}

// Keep says that the link is wanted although it is not used.
func (c LinkCommands) Keep(ctx context.Context) error {
	return c.change(ctx, func(b *links.Book) error {
		_, err := b.Keep(c.id)
		return err
	})
}

// History returns the calls of the link in which guests were, the latest first. It
// never waits.
func (c LinkCommands) History() []hoststate.CallRecordView {
	return convert(c.host.book.History(c.id), func(call links.Call) hoststate.CallRecordView {
		return hoststate.CallRecordView{
			Began: hoststate.Millis(call.Began), Ended: hoststate.Millis(call.Ended), Sent: call.Sent, Received: call.Received,
			Visits: convert(call.Visits, func(v links.Visit) hoststate.VisitView {
				return hoststate.VisitView{Name: v.Name, Came: hoststate.Millis(v.Came), Gone: hoststate.Millis(v.Gone)}
			}),
		}
	})
}

// EraseHistory forgets who was in through the link, and when. A link that has ended
// is forgotten altogether, with its door messages, which nobody could find any more.
// What is known of browsers, whatever their link, stays.
func (c LinkCommands) EraseHistory(ctx context.Context) error {
	return c.change(ctx, func(b *links.Book) error {
		if err := b.EraseHistory(c.id); err != nil {
			return err
		}
		if _, err := b.Get(c.id); fault.CodeOf(err) == fault.LinkNotFound {
			return c.host.messages.DeleteOf(string(c.id))
		}
		return nil
	})
}

// welcome returns what a guest is told whose address opens the link.
func (s *guestSession) welcome(l links.Link) signalling.Welcome {
	w := signalling.Welcome{
		Version: signalling.ProtocolVersion, LinkName: l.Name, HostName: s.host.me.Name, Pings: true, Host: s.host.identity,
		Takes: s.host.takesOutside(),
	}
	if in := l.OpensIn(s.host.now()); in > 0 {
		w.OpensAt, w.OpensIn = l.OpensAt.UnixMilli(), in.Milliseconds()
	}
	return w
}

// early reports whether the link is not open yet, or no longer takes guests, and
// then tells a guest who knocks. It does not matter to one who was in the call. ok is
// as in knock.
func (s *guestSession) early() (early, ok bool) {
	l, err := s.host.book.Get(s.link.id)
	now := s.host.now()
	switch {
	case err != nil || s.wasIn.Load():
		return false, true
	case l.Over(now):
		s.end(signalling.EndSpent)
		return true, false
	case l.OpensIn(now) == 0:
		return false, true
	case !s.takes.has(signalling.TakesOpens): // the page does not know such links, and lets its guest ask again
		s.end(signalling.EndLocked)
		return true, false
	default:
		s.tell(&fault.Error{Code: fault.LinkNotOpen, After: l.OpensIn(now)})
		return true, true
	}
}

// schedule sets the alarm for what is due next: links that end at a time, and
// removals. It runs after each change.
func (h *Host) schedule() {
	if h.alarm != nil {
		h.alarm.Stop()
		h.alarm = nil
	}
	next := h.nextDue(h.now())
	if next >= 0 && !h.over {
		h.alarm = time.AfterFunc(next, func() {
			h.loop.Post("due", func() {
				h.carryOut()
				h.touch()
			})
		})
	}
}

// nextDue returns in how long something may be due, a negative time for nothing.
func (h *Host) nextDue(now time.Time) (next time.Duration) {
	next = -1
	due := func(at time.Time) {
		if in := min(max(0, at.Sub(now)), lookEvery); !at.IsZero() && (next < 0 || in < next) {
			next = in
		}
	}
	for _, o := range h.openLinks {
		due(o.removeAt)
		if l, err := h.book.Get(o.id); err == nil && !l.EndsAt.IsZero() && (!l.Over(now) || o.isEmpty()) {
			due(latest(l.EndsAt, o.notBefore))
		}
	}
	return next
}

// carryOut does what is due.
func (h *Host) carryOut() {
	now := h.now()
	for _, o := range h.openLinks {
		if !o.removeAt.IsZero() && !now.Before(o.removeAt) {
			if err := o.remove(); err != nil { // tried again with the next change
				h.log.Error("remove link", "code", fault.CodeOf(err))
				o.removeWhen(now.Add(lookEvery))
			}
			continue
		}
		if l, err := h.book.Get(o.id); err == nil && l.Over(now) && o.isEmpty() && !now.Before(o.notBefore) {
			if _, err := h.book.End(o.id); err != nil {
				h.log.Error("end link", "code", fault.CodeOf(err))
				o.notBefore = now.Add(lookEvery)
				continue
			}
			o.close(signalling.EndSpent)
		}
	}
}

// latest returns the later of two times.
func latest(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}

// isEmpty reports whether neither a guest nor the host is in the call.
func (o *openLink) isEmpty() bool { return len(o.seats) == 0 && o.hostSeat == nil }

// remove removes a link from the book, and then for all guests.
func (o *openLink) remove() error {
	if _, err := o.host.book.Remove(o.id); err != nil {
		return err
	}
	o.close(signalling.EndRemoved)
	return nil
}

// rest ends the call of a link that stays. Guests who wait go on waiting.
func (o *openLink) rest(reason signalling.EndReason) {
	for st := range o.seats {
		o.freeSeat(st, reason)
	}
	if s := o.hostSeat; s != nil {
		o.hostSeat = nil
		s.dismiss(reason)
	}
	o.closeCall(reason)
	o.guestIn, o.hostIn = false, false
	o.host.touch()
}

// recordCall records that a call has ended. It runs on its own goroutine, before
// the call is closed.
func (o *openLink) recordCall(c *call.Call, began time.Time) {
	f, err := c.Figures()
	if err == nil {
		err = o.host.book.EndCall(o.id, began, int64(f.Sent), int64(f.Received))
	}
	if err != nil {
		o.host.log.Error("record call", "code", fault.CodeOf(err))
	}
}
