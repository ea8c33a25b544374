package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
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

// RemoveLink removes a link for good. Guests who wait or are in the call are told,
// and are out. Fault: LinkNotFound.
func (h *Host) RemoveLink(ctx context.Context, linkID string) error {
	return h.do(ctx, func() error {
		id := sealed.LinkID(linkID)
		if _, err := h.book.Remove(id); err != nil {
			return err
		}
		h.touch()
		if o := h.openLinks[id]; o != nil {
			o.close(signalling.EndRemoved)
		}
		return nil
	})
}

// handOut notes that an address leaves this computer. It checks that url is one that this host gives out for a link, so that
// the window can't pass another URL to the system's programs.
func (h *Host) handOut(linkID, url string) (hoststate.LinkView, error) {
	for _, l := range h.Snapshot().Links {
		if linkID != "" && l.ID != linkID {
			continue
		}
		addresses := l.Addresses
		for _, c := range l.Copies {
			addresses = append(slices.Clip(addresses), c.Addresses...)
		}
		for _, a := range addresses {
			if a.URL == url {
				h.ways.HandedOut(l.ID, a)
				return l, nil
			}
		}
	}
	return hoststate.LinkView{}, fault.New(fault.LinkNotFound, nil)
}

// CopyLink puts an address of a link on the system's clipboard. Faults:
// LinkNotFound, ClipboardUnavailable.
func (h *Host) CopyLink(ctx context.Context, linkID, url string) error {
	if _, err := h.handOut(linkID, url); err != nil {
		return err
	}
	return copyText(ctx, url, h.clipboard)
}

// copyText puts text on the system's clipboard, with the system's programs, or
// else with second, which may be nil.
func copyText(ctx context.Context, text string, second func(string) error) error {
	err := handover.Copy(ctx, text)
	if err == nil || second == nil {
		return err
	}
	if failed := second(text); failed != nil {
		return errors.Join(err, failed)
	}
	return nil
}

// MailLink opens the system's mail program with the address. Faults:
// LinkNotFound, OpenerUnavailable.
func (h *Host) MailLink(ctx context.Context, linkID, url string) error {
	l, err := h.handOut(linkID, url)
	if err != nil {
		return err
	}
	subject, body := h.invitation(l, url)
	return handover.Mail(ctx, subject, body)
}

// MessageLink opens the system's messages program with the address. Faults:
// LinkNotFound, OpenerUnavailable.
func (h *Host) MessageLink(ctx context.Context, linkID, url string) error {
	l, err := h.handOut(linkID, url)
	if err != nil {
		return err
	}
	_, body := h.invitation(l, url)
	return handover.Messages(ctx, body)
}

// invitation returns the text that goes with an address.
func (h *Host) invitation(l hoststate.LinkView, url string) (subject, body string) {
	text := cmp.Or(h.speech().Invitation, "Join me on Porch, in any browser: {url}")
	return h.title(l), strings.ReplaceAll(text, "{url}", url)
}

// title returns what a link is called where its name has to be something.
func (h *Host) title(l hoststate.LinkView) string {
	return cmp.Or(l.Name, h.speech().Unnamed, "Porch call")
}

// LinkQR draws one of this host's addresses as an SVG document. Fault:
// LinkNotFound.
func (h *Host) LinkQR(_ context.Context, url string) (string, error) {
	if _, err := h.handOut("", url); err != nil {
		return "", err
	}
	return handover.QR(url)
}

// Calendar returns a calendar file with the address as its location, and a file
// name. A zero start means the next full hour on the host's clock. Fault:
// LinkNotFound.
func (h *Host) Calendar(_ context.Context, linkID, url string, start time.Time) (name string, ics []byte, err error) {
	l, err := h.handOut(linkID, url)
	if err != nil {
		return "", nil, err
	}
	now := h.now()
	if start.IsZero() {
		start = handover.FullHour(now.Local())
	}
	title := h.title(l)
	return handover.FileName(title, ".ics"), handover.Calendar(handover.Event{
		UID:     l.ID + "@porch",
		Name:    title,
		Address: url,
		Start:   start,
		Begun:   time.UnixMilli(l.CreatedAt),
		Made:    now,
	}), nil
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
