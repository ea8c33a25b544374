package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
)

// What a host keeps of those at the door, written and killed beside its links: familiar browsers with the host's standing
// decisions, refusals, locks, and door messages.

// meetUntilKilled records browsers as fast as a door may have guests. The n-th browser is met as often as it is said.
func meetUntilKilled(s *Store, book *links.Book, say func(what string, id sealed.LinkID, value any, err error)) {
	b, err := acquaintances.Open(s, time.Now)
	if err != nil {
		say("acquaintances", "", "", err)
	}
	l, err := book.Create("")
	say("link", l.ID, "open", err)
	link, run := string(l.ID), time.Now().UnixNano()
	for i := 0; ; i++ {
		id := sealed.LinkID(acquaintances.Browser(fmt.Append(nil, run, i)))
		browser := string(id)
		for n := range 2 {
			say("met", id, n+1, b.Met(browser, "Ann"))
		}
		say("always", id, "on", b.Always(browser, ""))
		if i%2 == 0 {
			say("stopping", id, "on", nil)
			say("stopped", id, "on", b.Stop(browser, ""))
		}
		say("declined", id, link, b.Decline(link, browser))
		say("declined", id, link, b.Decline(link, browser))
		say("locked", id, link, b.SetLocked(link, true))
		time.Sleep(4 * time.Millisecond) // so that the book does not forget the first ones for want of room
	}
}

// leaveUntilKilled leaves door messages, keeps some and deletes some.
func leaveUntilKilled(dir string, say func(what string, id sealed.LinkID, value any, err error)) {
	b, err := doormessages.Open(filepath.Join(dir, "doormessages"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		say("doormessages", "", "", err)
	}
	remove := func(id sealed.LinkID) {
		say("deleting", id, "on", nil)
		say("deleted", id, "on", b.Delete(string(id)))
	}
	for i := 0; ; i++ {
		if all := b.List(); len(all) > 20 {
			remove(sealed.LinkID(all[0].ID))
		}
		content := bytes.Repeat([]byte{byte(i)}, 100+i%3*20_000)
		w, err := b.Begin(doormessages.Message{Link: strconv.Itoa(i), Kind: doormessages.Note, Size: int64(len(content))})
		if err == nil {
			if _, err = w.Write(content); err == nil {
				err = w.End()
			}
		}
		if err != nil {
			say("message", "", "", err)
		}
		id := sealed.LinkID(b.List()[len(b.List())-1].ID)
		say("message", id, len(content), nil)
		switch i % 3 {
		case 0:
			say("keep", id, "on", b.Keep(string(id), true))
		default:
			remove(id)
		}
	}
}

// compareBrowser returns what of a browser was shown and is not kept.
func compareBrowser(b *acquaintances.Book, browser string, of map[string][]string) error {
	facts := b.Facts(browser, "Ann", "")
	declined := 0
	if links := of["declined"]; len(links) > 0 {
		declined = b.Declined(links[0], browser)
	}
	if facts.Times < len(of["met"]) {
		return fmt.Errorf("met %d times, shown %d", facts.Times, len(of["met"]))
	}
	switch {
	case len(of["stopped"]) > 0 && facts.Always:
		return fmt.Errorf("is let in, and that was taken back")
	case len(of["stopping"]) == 0 && len(of["always"]) > 0 && !facts.Always:
		return fmt.Errorf("is not always let in")
	case declined < len(of["declined"]):
		return fmt.Errorf("declined %d times, shown %d", declined, len(of["declined"]))
	case len(of["locked"]) > 0 && !b.Locked(of["locked"][0]):
		return fmt.Errorf("its link is not locked")
	}
	return nil
}

// compareMessage returns what of a door message was shown and is not kept, or can't be read.
func compareMessage(b *doormessages.Box, id string, of map[string][]string) error {
	i := slices.IndexFunc(b.List(), func(m doormessages.Message) bool { return m.ID == id })
	switch {
	case i < 0 && len(of["deleting"]) == 0:
		return fmt.Errorf("is gone")
	case i < 0:
		return nil
	case len(of["deleted"]) > 0:
		return fmt.Errorf("is back")
	case len(of["keep"]) > 0 && !b.List()[i].Kept:
		return fmt.Errorf("is not kept")
	}
	size := int64(0)
	for {
		part, err := b.Read(id, size)
		if err != nil {
			return err
		}
		if len(part) == 0 {
			break
		}
		size += int64(len(part))
	}
	if len(of["message"]) == 0 { // it was killed before it could say how long it is
		return nil
	}
	if want := of["message"][0]; strconv.FormatInt(size, 10) != want {
		return fmt.Errorf("%d of %s bytes", size, want)
	}
	return nil
}
