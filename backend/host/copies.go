package host

import (
	"context"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// LinkCommands are what the host can do with one link. Each waits as the methods
// of [Host] do. Fault of all: LinkNotFound.
type LinkCommands struct {
	host *Host
	id   sealed.LinkID
}

// Link returns the commands of a link. It does not check that there is one.
func (h *Host) Link(linkID string) LinkCommands { return LinkCommands{h, sealed.LinkID(linkID)} }

// change runs do on the loop, shows what has changed, and tells guests who wait if
// their address no longer opens the link.
func (c LinkCommands) change(ctx context.Context, do func(*links.Book) error) error {
	h := c.host
	return h.do(ctx, func() error {
		err := do(h.book)
		h.forgetParts()
		if o := h.openLinks[c.id]; o != nil {
			o.ways.SecretsChanged()
			o.turnAway()
		}
		return err
	})
}

// NewCopy gives the link a further address for somebody, and returns the copy's
// id. Faults: LinkSpent, LinkRemoved, LinkNameInvalid, CopiesFull.
func (c LinkCommands) NewCopy(ctx context.Context, name string, once bool) (copyID string, err error) {
	err = c.change(ctx, func(b *links.Book) error {
		made, err := b.NewCopy(c.id, name, once)
		copyID = made.ID
		return err
	})
	return copyID, err
}

// RemoveCopy takes a copy away. Guests who wait by it are told and are out; those
// in the call stay.
func (c LinkCommands) RemoveCopy(ctx context.Context, copyID string) error {
	return c.change(ctx, func(b *links.Book) error { return b.RemoveCopy(c.id, copyID) })
}

// turnAway tells guests who are not in the call if the address by which they came
// no longer opens the link. They are out.
func (o *openLink) turnAway() {
	for s := range o.sessions {
		if s.returning || o.hasSeat(s) {
			continue
		}
		if over := s.shut(); over != nil {
			s.over(*over)
			if t := s.ticket.Load(); t != nil {
				o.lobby.Leave(t)
			}
		}
	}
}

func (o *openLink) hasSeat(s *guestSession) bool {
	for st := range o.seats {
		if st.session == s {
			return true
		}
	}
	return false
}

// through returns by which address the guest comes. known is false if it never was
// one of this link, or was forgotten. Any goroutine may call it.
func (s *guestSession) through() (c links.Copy, known bool) {
	l, err := s.host.book.Get(s.link.id)
	if err != nil {
		return links.Copy{}, false
	}
	return l.Through(s.secret)
}

// opens reports whether the address by which the guest comes opens the link. It need
// not for a guest who was in the call.
func (s *guestSession) opens() bool {
	c, known := s.through()
	return s.wasIn.Load() || known && c.Opens(s.device)
}

// shut returns what guests are told whose address no longer opens the link, nil if
// it does. The loop calls it.
func (s *guestSession) shut() *signalling.Ended {
	if s.opens() {
		return nil
	}
	c, _ := s.through()
	over := signalling.Ended{Reason: signalling.EndRemoved, Cause: signalling.CauseCopyRemoved, Host: s.host.me.Name}
	switch c.End {
	case links.CopyMoved:
		over.Cause = signalling.CauseNewAddress
	case links.CopyUsed:
		over.Reason, over.Cause = signalling.EndSpent, signalling.CauseCopyUsed
	}
	return &over
}

// turnedAway reports whether the guest's address no longer opens the link, and then
// tells the guest.
func (s *guestSession) turnedAway(ctx context.Context) bool {
	if s.opens() {
		return false
	}
	if err := s.host.loop.Do(ctx, func() {
		if over := s.shut(); over != nil {
			s.over(*over)
		}
	}); err != nil {
		s.end(signalling.EndShutdown)
	}
	return true
}

// over is end with more to say.
func (s *guestSession) over(e signalling.Ended) {
	_ = s.out.Send(e) // fails only if the path is lost, which also ends the session
	s.frames.Close(signalling.CloseDone)
}

// useCopy notes that a guest is let in by a copy for one person. It writes to the
// disk before the guest is in, because the copy must not let in another person
// after a crash. It returns whether there is such a copy.
func (s *guestSession) useCopy() (once bool, err error) {
	c, _ := s.through()
	if !c.Once {
		return false, nil
	}
	err = s.host.book.UseCopy(s.link.id, c.ID, s.device)
	if fault.CodeOf(err) == fault.LinkSpent { // another guest was first, who is told by shut
		err = nil
	}
	return true, err
}

// known returns what the host's records say of a guest who knocks.
func (s *guestSession) known(name string) links.Known {
	book, link := s.host.book, s.link.id
	known := book.Known(s.device, name)
	if c, _ := s.through(); c.ID != "" {
		known.Copy, known.Browser = c.Name, book.Browser(link, c.ID, s.device)
	}
	return known
}

// recordBrowser records by which copy a guest has knocked. It runs on its own
// goroutine, because the bell does not wait for the disk.
func (s *guestSession) recordBrowser() {
	c, _ := s.through()
	if c.ID == "" {
		return
	}
	h := s.host
	changed, err := h.book.RecordBrowser(s.link.id, c.ID, s.device)
	if err != nil {
		h.log.Error("record browser", "code", fault.CodeOf(err))
	}
	if changed {
		h.loop.Post("browsers", h.forgetParts)
	}
}
