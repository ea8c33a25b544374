// Package sharing passes addresses of links on: by clipboard, mail, messages, QR
// code and calendar. It passes on only what the host's window shows as an address,
// and asks for nothing else of the host.
package sharing

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/hoststate"
)

// Parts are what Sharing needs of its host. Only Clipboard may be nil.
type Parts struct {
	Snapshot  func() hoststate.State // what the window shows
	HandedOut func(linkID string, address hoststate.AddressView)
	Shown     func(linkID string, address hoststate.AddressView) // as a code, which somebody may scan or nobody
	Speech    func() hoststate.Speech
	Clipboard func(text string) error // a second way to the clipboard
	Now       func() time.Time
}

// Sharing passes addresses on. Its methods may be called from any goroutine.
type Sharing struct{ parts Parts }

// New returns a Sharing with these parts.
func New(parts Parts) *Sharing { return &Sharing{parts} }

// found is an address that this host gives out, and the link that it opens.
type found struct {
	link    hoststate.LinkView
	copyID  string // of the copy whose address it is; "" for the link's own
	address hoststate.AddressView
}

// find checks that url is an address that this host gives out for a link, so that
// the window can't pass another URL to the system's programs. linkID may be "".
func (s *Sharing) find(linkID, url string) (found, error) {
	for _, l := range s.parts.Snapshot().Links {
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
func (s *Sharing) handOut(linkID, url string) (found, error) {
	f, err := s.find(linkID, url)
	if err == nil {
		s.parts.HandedOut(f.link.ID, f.address)
	}
	return f, err
}

// Invitation returns the text that goes with an address, the address included.
// Fault: LinkNotFound.
func (s *Sharing) Invitation(linkID, url string) (string, error) {
	f, err := s.find(linkID, url)
	if err != nil {
		return "", err
	}
	_, text := s.invitation(f.link, url)
	return text, nil
}

// Copy puts an address of a link on the system's clipboard. Faults:
// LinkNotFound, ClipboardUnavailable.
func (s *Sharing) Copy(ctx context.Context, linkID, url string) error {
	if _, err := s.handOut(linkID, url); err != nil {
		return err
	}
	return s.CopyText(ctx, url)
}

// CopyText puts text on the system's clipboard, with the system's programs, or else
// in the second way. Fault: ClipboardUnavailable.
func (s *Sharing) CopyText(ctx context.Context, text string) error {
	err := handover.Copy(ctx, text)
	if err == nil || s.parts.Clipboard == nil {
		return err
	}
	if failed := s.parts.Clipboard(text); failed != nil {
		return errors.Join(err, failed)
	}
	return nil
}

// Mail opens the system's mail program with the address. Faults:
// LinkNotFound, OpenerUnavailable.
func (s *Sharing) Mail(ctx context.Context, linkID, url string) error {
	l, err := s.handOut(linkID, url)
	if err != nil {
		return err
	}
	subject, body := s.invitation(l.link, url)
	return handover.Mail(ctx, subject, body)
}

// Message opens the system's messages program with the address. Faults:
// LinkNotFound, OpenerUnavailable.
func (s *Sharing) Message(ctx context.Context, linkID, url string) error {
	l, err := s.handOut(linkID, url)
	if err != nil {
		return err
	}
	_, body := s.invitation(l.link, url)
	return handover.Messages(ctx, body)
}

// invitation returns the text that goes with an address.
func (s *Sharing) invitation(l hoststate.LinkView, url string) (subject, body string) {
	text := cmp.Or(s.parts.Snapshot().Settings.ShareText, s.parts.Speech().Invitation, "Join me on Porch, in any browser.")
	if !strings.Contains(text, "{url}") {
		text += "\n{url}"
	}
	return s.title(l), strings.ReplaceAll(text, "{url}", url)
}

// title returns what a link is called where its name has to be something.
func (s *Sharing) title(l hoststate.LinkView) string {
	return cmp.Or(l.Name, s.parts.Speech().Unnamed, "Porch call")
}

// QR draws one of this host's addresses as an SVG document. Fault:
// LinkNotFound.
func (s *Sharing) QR(_ context.Context, url string) (string, error) {
	f, err := s.find("", url)
	if err != nil {
		return "", err
	}
	s.parts.Shown(f.link.ID, f.address)
	return handover.QR(url)
}

// Calendar returns a calendar file with the address as its location, and a file
// name. Without a start, the call begins at the next full hour on the host's clock.
// Faults: LinkNotFound, MessageInvalid.
func (s *Sharing) Calendar(_ context.Context, linkID, url string, wish hoststate.CalendarWish) (name string, ics []byte, err error) {
	repeat := handover.Repeat(wish.Repeat)
	if !repeat.Valid() || wish.Minutes < 0 || wish.Minutes > maxCallMinutes {
		return "", nil, fault.Newf(fault.MessageInvalid, "a call of %d minutes, or that repeats in a way that is not known", wish.Minutes)
	}
	f, err := s.handOut(linkID, url)
	if err != nil {
		return "", nil, err
	}
	now := s.parts.Now()
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
	title := s.title(f.link)
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
