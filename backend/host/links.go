package host

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
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

// found is an address that this host gives out, and the link that it opens.
type found struct {
	link    hoststate.LinkView
	copyID  string // of the copy whose address it is; "" for the link's own
	address hoststate.AddressView
}

// find checks that url is an address that this host gives out for a link, so that
// the window can't pass another URL to the system's programs. linkID may be "".
func (h *Host) find(linkID, url string) (found, error) {
	for _, l := range h.Snapshot().Links {
		if linkID != "" && l.ID != linkID {
			continue
		}
		for _, c := range append([]hoststate.CopyView{{Addresses: l.Addresses}}, l.Copies...) {
			for _, a := range c.Addresses {
				if a.URL == url {
					return found{l, c.ID, a}, nil
				}
			}
		}
	}
	return found{}, fault.New(fault.LinkNotFound, nil)
}

// handOut is find for an address that leaves this computer, and notes that.
func (h *Host) handOut(linkID, url string) (found, error) {
	f, err := h.find(linkID, url)
	if err == nil {
		h.ways.HandedOut(f.link.ID, f.address)
	}
	return f, err
}

// Invitation returns the text that goes with an address, the address included.
// Fault: LinkNotFound.
func (c LinkCommands) Invitation(url string) (string, error) {
	f, err := c.host.find(string(c.id), url)
	if err != nil {
		return "", err
	}
	_, text := c.host.invitation(f.link, url)
	return text, nil
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
	subject, body := h.invitation(l.link, url)
	return handover.Mail(ctx, subject, body)
}

// MessageLink opens the system's messages program with the address. Faults:
// LinkNotFound, OpenerUnavailable.
func (h *Host) MessageLink(ctx context.Context, linkID, url string) error {
	l, err := h.handOut(linkID, url)
	if err != nil {
		return err
	}
	_, body := h.invitation(l.link, url)
	return handover.Messages(ctx, body)
}

// invitation returns the text that goes with an address.
func (h *Host) invitation(l hoststate.LinkView, url string) (subject, body string) {
	text := cmp.Or(h.Snapshot().Settings.ShareText, h.speech().Invitation, "Join me on Porch, in any browser.")
	if !strings.Contains(text, "{url}") {
		text += "\n{url}"
	}
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
// name. Without a start, the call begins at the next full hour on the host's clock.
// Faults: LinkNotFound, MessageInvalid.
func (h *Host) Calendar(_ context.Context, linkID, url string, wish hoststate.CalendarWish) (name string, ics []byte, err error) {
	repeat := handover.Repeat(wish.Repeat)
	if !repeat.Valid() || wish.Minutes < 0 || wish.Minutes > maxCallMinutes {
		return "", nil, fault.Newf(fault.MessageInvalid, "a call of %d minutes, or that repeats in a way that is not known", wish.Minutes)
	}
	f, err := h.handOut(linkID, url)
	if err != nil {
		return "", nil, err
	}
	now := h.now()
	start := time.UnixMilli(wish.Start)
	if wish.Start == 0 {
		start = handover.FullHour(now.Local())
	}
	// A copy is a call of its own in calendars.
	uid := f.link.ID + "@porch"
	if f.copyID != "" {
		uid = f.link.ID + "." + f.copyID + "@porch"
	}
	zone, _ := handover.Zone(wish.Zone) // nil for one that is not known
	title := h.title(f.link)
	return handover.FileName(title, ".ics"), handover.Calendar(handover.Event{
		UID:     uid,
		Name:    title,
		Address: url,
		Start:   start,
		Length:  time.Duration(wish.Minutes) * time.Minute,
		Repeat:  repeat,
		Zone:    zone,
		Begun:   time.UnixMilli(f.link.CreatedAt),
		Made:    now,
	}), nil
}

// maxCallMinutes is the longest call in a calendar.
const maxCallMinutes = 7 * 24 * 60

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
