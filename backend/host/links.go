package host

import (
	"context"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
)

// CreateLink makes a link, stores it and announces it. When it returns, guests on
// this computer and its network can knock. Guests who come through a public relay
// can knock as soon as the app is connected to it. Fault: TooManyLinks.
func (h *Host) CreateLink(ctx context.Context) (hoststate.LinkView, error) {
	var v hoststate.LinkView
	err := h.do(ctx, func() error {
		relay, err := h.ways.ForNew()
		if err != nil {
			return err
		}
		l, err := h.book.Create(relay)
		if err != nil {
			return err
		}
		o := h.addLink(l)
		if err := o.ways.Announce(); err != nil {
			return err
		}
		v = draw(h).link(l, o)
		return nil
	})
	return v, err
}

// RenameLink names a link. "" removes the name. Guests who open the link from now
// on see the new name. Faults: LinkNotFound, LinkNameInvalid.
func (h *Host) RenameLink(ctx context.Context, linkID, name string) error {
	return h.do(ctx, func() error {
		_, err := h.book.Rename(sealed.LinkID(linkID), name)
		h.touch()
		return err
	})
}

// Note returns the note of a link that has ended, which its relay keeps for
// whoever holds the whole link. ok is false for links that have not ended, or that
// this book does not know.
func Note(book *links.Book, id sealed.LinkID) (note [sealed.NoteSize]byte, ok bool) {
	l, err := book.Get(id)
	if err != nil || !l.State.Ended() {
		return note, false
	}
	note, err = sealed.SealNote(l.Secret, l.ID, string(l.State))
	return note, err == nil
}
