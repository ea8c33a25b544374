package ways

import (
	"context"
	"net/netip"
	"net/url"
	"strings"

	"github.com/porch-call/porch/backend/door"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// Doors open the direct doors of links: [door.Doors].
type Doors interface {
	Open(ctx context.Context, link sealed.LinkKeys, secrets []sealed.Secret, i door.Identity, accept func(switchboard.Frames)) (shut func(), err error)
	Admit(link sealed.LinkID, secrets []sealed.Secret) error
	Entries() []door.Entry
}

// Book keeps which links have a door: [links.Book].
type Book interface {
	Get(sealed.LinkID) (links.Link, error)
	SetDoor(id sealed.LinkID, identity []byte) (links.Link, error)
	HandOutDoor(id sealed.LinkID, at string) (links.Link, error)
}

// ParsePage reads the address of a static page: https, or http on this computer. It returns false for all else. The
// result ends where the link's fragment begins.
func ParsePage(text string) (page string, ok bool) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isThisComputer(u.Hostname())) {
		return "", false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), true
}

func isThisComputer(name string) bool {
	a, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && a.IsLoopback()
}

// offersDoors reports whether links can have a door: only with a page to which they lead.
func (w *Ways) offersDoors() bool { return w.parts.Doors != nil && w.parts.Page != "" }

// SetDoor opens or closes the direct door of a link. A door that is opened again has another address. Guests who came
// through one that is closed are cut off. Faults: LinkNotFound, LinkSpent, LinkRemoved, DoorUnavailable.
func (w *Ways) SetDoor(ctx context.Context, linkID string, on bool) error {
	return w.parts.Do(ctx, func() error {
		if !w.offersDoors() {
			return fault.New(fault.DoorUnavailable, nil)
		}
		id := sealed.LinkID(linkID)
		var identity []byte
		if on {
			i, err := door.NewIdentity()
			if err != nil {
				return err
			}
			identity = i.Bytes()
		}
		kept, err := w.parts.Book.Get(id)
		if err != nil {
			return err
		}
		if on == (kept.Door != nil) && !kept.State.Ended() {
			return nil
		}
		if _, err := w.parts.Book.SetDoor(id, identity); err != nil {
			return err
		}
		for l := range w.links {
			if l.keys.ID() == id {
				l.door = identity
				l.renewDoor()
			}
		}
		w.parts.Forget()
		return nil
	})
}

// renewDoor opens the link's door if it has one and the host lets guests in from anywhere, and closes it if not.
func (l *Link) renewDoor() {
	l.shut()
	l.shut = func() {}
	w := l.ways
	if l.door == nil || !w.offersDoors() || w.choice.who() != WhoAnywhere {
		return
	}
	kept, err := w.parts.Book.Get(l.keys.ID())
	if err == nil {
		var i door.Identity
		var shut func()
		accept := func(f switchboard.Frames) { l.accept(f, nil) }
		if i, err = door.ParseIdentity(l.door); err == nil {
			shut, err = w.parts.Doors.Open(w.parts.Context, l.keys, kept.Secrets(), i, accept)
		}
		if err == nil {
			l.shut = shut
			return
		}
	}
	w.parts.Logger.Error("open a link's door", "code", fault.CodeOf(err))
}

// SecretsChanged says that the link has other secrets. Guests who came through its door stay.
func (l *Link) SecretsChanged() {
	w := l.ways
	if l.door == nil || !w.offersDoors() {
		return
	}
	id := l.keys.ID()
	kept, err := w.parts.Book.Get(id)
	if err == nil {
		err = w.parts.Doors.Admit(id, kept.Secrets())
	}
	if err != nil {
		w.parts.Logger.Error("give a link's door other secrets", "code", fault.CodeOf(err))
	}
}

// DoorsChanged says that the ways to the doors may have changed. Any goroutine may call it.
func (w *Ways) DoorsChanged() { w.parts.Loop.Post("doors", w.parts.Forget) }

// doorAddress returns the address of a link's door, "" if it has none or no way to it is known.
func (w *Ways) doorAddress(l links.Link) string {
	if l.Door == nil || !w.offersDoors() || w.choice.who() != WhoAnywhere {
		return ""
	}
	i, err := door.ParseIdentity(l.Door)
	if err != nil {
		return ""
	}
	next := w.choice.Own.Origin
	if w.relays.of(l.Relay) != nil {
		next = l.Relay
	}
	return door.Address(w.parts.Page, l.ID, l.Secret, i, w.parts.Doors.Entries(), next)
}

// doorAddresses returns the address of a link's door, if there is one, as a list.
func (w *Ways) doorAddresses(l links.Link) (v []hoststate.AddressView) {
	if at := w.doorAddress(l); at != "" {
		v = append(v, hoststate.AddressView{URL: at, Reach: string(relay.ReachAnywhere), Door: true})
	}
	return v
}

// doorLeads returns to which addresses doors lead now.
func (w *Ways) doorLeads() string {
	var at []string
	for _, e := range w.parts.Doors.Entries() {
		if e.UDP { // TCP is for the few whose networks block UDP
			at = append(at, e.At.String())
		}
	}
	return strings.Join(at, " ")
}

// DoorOf returns the state of a link's door: "" for none, "closed" if links open nearby only, "open", "stale" if the address that was handed out last no
// longer leads here, or "nowhere" if no way to it is known.
func (w *Ways) DoorOf(l links.Link) string {
	if l.Door == nil || !w.offersDoors() {
		return ""
	}
	if w.choice.who() != WhoAnywhere {
		return hoststate.DoorClosed
	}
	switch leads := w.doorLeads(); {
	case leads == "":
		return hoststate.DoorNowhere
	case l.DoorAt != "" && l.DoorAt != leads:
		return hoststate.DoorStale
	default:
		return hoststate.DoorOpen
	}
}

// HandedOut says that the host has handed out an address of a link. It returns at once.
func (w *Ways) HandedOut(linkID string, address hoststate.AddressView) {
	w.noteDoor("handed out ", linkID, address, func(links.Link) bool { return true })
}

// Shown says that the window shows an address of a link as a code. That makes it the address that was handed out only if
// none was before: the window shows the new address by itself, and those who have the old one must still be told. It
// returns at once.
func (w *Ways) Shown(linkID string, address hoststate.AddressView) {
	w.noteDoor("shown ", linkID, address, func(l links.Link) bool { return l.DoorAt == "" })
}

// noteDoor notes where the address of a door leads that has left this computer, if wanted says so of the link. how is a part
// of the work's key.
func (w *Ways) noteDoor(how, linkID string, address hoststate.AddressView, wanted func(links.Link) bool) {
	if !address.Door {
		return
	}
	w.parts.Loop.Post(how+linkID, func() {
		id := sealed.LinkID(linkID)
		l, err := w.parts.Book.Get(id)
		if err == nil && wanted(l) {
			_, err = w.parts.Book.HandOutDoor(id, w.doorLeads())
		}
		if err != nil {
			w.parts.Logger.Error("note that a door's address was handed out", "code", fault.CodeOf(err))
		}
		w.parts.Touch()
	})
}
