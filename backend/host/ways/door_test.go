package ways

import (
	"context"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/door"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// noDoors notes which doors are open.
type noDoors struct {
	open    []sealed.LinkID
	secrets []sealed.Secret
	entries []door.Entry
}

func (d *noDoors) Open(_ context.Context, k sealed.LinkKeys, s []sealed.Secret, _ door.Identity, _ func(switchboard.Frames)) (func(), error) {
	d.open, d.secrets = append(d.open, k.ID()), s
	return func() { d.open = slices.DeleteFunc(d.open, func(id sealed.LinkID) bool { return id == k.ID() }) }, nil
}

func (d *noDoors) Admit(_ sealed.LinkID, s []sealed.Secret) error {
	d.secrets = s
	return nil
}

func (d *noDoors) Entries() []door.Entry { return d.entries }

func TestDoorOfALink(t *testing.T) {
	p := open(t, nil)
	book, err := links.Open(p.store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	doors := &noDoors{}
	p.parts.Book = book
	kept, err := book.Create("")
	if err != nil {
		t.Fatal(err)
	}
	id := string(kept.ID)
	if err := p.SetDoor(t.Context(), id, true); fault.CodeOf(err) != fault.DoorUnavailable || p.view().Doors {
		t.Errorf("without a page: %v", err)
	}
	p.parts.Doors, p.parts.Page = doors, "https://page.example/"
	in := func(f func()) { _ = p.parts.Loop.Do(t.Context(), f) }
	var l *Link
	in(func() {
		l = p.Link(kept, func(switchboard.Frames, *turncredentials.Credentials) {})
		err = l.Announce()
	})
	if err != nil {
		t.Fatal(err)
	}
	state := func() (door string, first hoststate.AddressView, isOpen bool) {
		in(func() {
			now, _ := book.Get(kept.ID)
			door, first, isOpen = p.DoorOf(now), p.AddressesOf(now, p.inside.Addresses())[0], len(doors.open) == 1
		})
		return door, first, isOpen
	}
	// after waits until what was posted before has run.
	after := func() {
		done := make(chan struct{})
		p.parts.Loop.Post("test", func() { close(done) })
		<-done
	}
	check := func(what, want string, wantAddress, wantOpen bool) hoststate.AddressView {
		t.Helper()
		got, first, isOpen := state()
		if got != want || first.Door != wantAddress || isOpen != wantOpen {
			t.Errorf("%s: %q, address %v, open %v", what, got, first.Door, isOpen)
		}
		return first
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check("at first", "", false, false)
	must(p.SetDoor(t.Context(), id, true))
	check("no way", hoststate.DoorNowhere, false, true)
	doors.entries = []door.Entry{{At: netip.MustParseAddrPort("44.128.0.20:20000"), UDP: true}}
	first := check("a way", hoststate.DoorOpen, true, true)
	if !strings.HasPrefix(first.URL, "https://page.example/#d1."+id+".") || first.Reach != "anywhere" {
		t.Error("another address")
	}
	p.Shown(id, first)
	after()
	check("shown", hoststate.DoorOpen, true, true)
	doors.entries = []door.Entry{{At: netip.MustParseAddrPort("44.128.0.19:20000"), UDP: true}}
	first = check("moved after it was shown", hoststate.DoorStale, true, true)
	p.HandedOut(id, first)
	after()
	check("handed out", hoststate.DoorOpen, true, true)
	doors.entries = []door.Entry{{At: netip.MustParseAddrPort("44.128.0.21:20000"), UDP: true}}
	again := check("moved", hoststate.DoorStale, true, true)
	p.Shown(id, again)
	after()
	check("the new one is shown", hoststate.DoorStale, true, true)
	p.HandedOut(id, again)
	after()
	check("copied again", hoststate.DoorOpen, true, true)
	in(func() { p.choice.Own.Origin = "https://own.example:8443" })
	named := check("with another way", hoststate.DoorOpen, true, true)
	if next := "." + base64.RawURLEncoding.EncodeToString([]byte("own.example:8443")); named.URL != again.URL+next {
		t.Errorf("%s, and not %s%s", named.URL, again.URL, next)
	}
	in(func() { p.choice.Own.Origin = "" })
	must(p.SetDoor(t.Context(), id, true))
	if same := check("on, and on again", hoststate.DoorOpen, true, true); same.URL != again.URL {
		t.Error("the address has changed")
	}
	if _, err := book.NewCopy(kept.ID, "the choir", false); err != nil {
		t.Fatal(err)
	}
	in(l.SecretsChanged)
	if len(doors.secrets) != 2 {
		t.Errorf("the door has %d secrets", len(doors.secrets))
	}
	must(p.SetWho(t.Context(), WhoNetwork))
	check("nearby only", hoststate.DoorClosed, false, false)
	must(p.SetWho(t.Context(), WhoAnywhere))
	check("anywhere", hoststate.DoorOpen, true, true)
	must(p.SetDoor(t.Context(), id, false))
	check("off", "", false, false)
	must(p.SetDoor(t.Context(), id, true))
	if other := check("on once more", hoststate.DoorOpen, true, true); other.URL == again.URL {
		t.Error("the address is the old one")
	}
	in(func() { l.Depart(nil) })
	check("departed", hoststate.DoorOpen, true, false)
	if _, err := book.Remove(kept.ID); err != nil {
		t.Fatal(err)
	}
	if err := p.SetDoor(t.Context(), id, true); fault.CodeOf(err) != fault.LinkRemoved {
		t.Errorf("removed: %v", err)
	}
	if now, _ := book.Get(kept.ID); now.Door != nil || now.DoorAt != "" {
		t.Error("the key of a removed link's door is kept")
	}
	if err := p.SetDoor(t.Context(), "nobody", true); fault.CodeOf(err) != fault.LinkNotFound {
		t.Errorf("unknown: %v", err)
	}
}

func TestParsePage(t *testing.T) {
	for text, want := range map[string]string{
		"https://page.example": "https://page.example/", "\thttps://page.example/call/\n": "https://page.example/call/",
		"http://127.0.0.1:8080/x/": "http://127.0.0.1:8080/x/", "http://localhost:1/": "http://localhost:1/",
		"http://page.example/": "", "page.example": "", "https://page.example/#x": "", "https://page.example/?x": "",
		"https://me@page.example/": "", "file:///x": "", "": "",
	} {
		if got, ok := ParsePage(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}
