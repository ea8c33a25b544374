package links

import (
	"fmt"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
)

func (d *desk) copy(id sealed.LinkID, name string, once bool) Copy {
	d.Helper()
	c, err := d.NewCopy(id, name, once)
	must(d, err)
	return c
}

// by returns whether a secret opens a link to a browser, and by which copy.
func (d *desk) by(id sealed.LinkID, s sealed.Secret, device string) (copyName string, opens, known bool) {
	d.Helper()
	l, err := d.Get(id)
	must(d, err)
	c, known := l.Through(s)
	return c.Name, known && c.Opens(device), known
}

func TestCopies(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	choir, gran := d.copy(l.ID, "the\u202e  choir ", false), d.copy(l.ID, "Grandma", true)
	check := func(what string, s sealed.Secret, device, wantName string, wantOpens, wantKnown bool) {
		t.Helper()
		for _, d := range []*desk{d, d.reopened()} {
			if name, opens, known := d.by(l.ID, s, device); name != wantName || opens != wantOpens || known != wantKnown {
				t.Errorf("%s: %q, opens %v, known %v", what, name, opens, known)
			}
		}
	}
	check("its own", l.Secret, "phone", "", true, true)
	check("a copy", choir.Secret, "phone", "the choir", true, true)
	check("a stranger's", sealed.NewSecret(), "phone", "", false, false)
	check("no secret", sealed.Secret{}, "phone", "", false, false)

	must(t, d.UseCopy(l.ID, choir.ID, "phone"))
	check("a copy that was used", choir.Secret, "tablet", "the choir", true, true)
	must(t, d.UseCopy(l.ID, gran.ID, "phone"))
	must(t, d.UseCopy(l.ID, gran.ID, "phone"))
	check("for one person: hers", gran.Secret, "phone", "Grandma", true, true)
	check("for one person: another's", gran.Secret, "tablet", "Grandma", false, true)
	if err := d.UseCopy(l.ID, gran.ID, "tablet"); fault.CodeOf(err) != fault.LinkSpent {
		t.Error(err)
	}
	must(t, d.RemoveCopy(l.ID, gran.ID))
	check("removed after it was used", gran.Secret, "phone", "Grandma", false, true)
	must(t, d.RemoveCopy(l.ID, choir.ID))
	writes := d.shelf.writes
	must(t, d.RemoveCopy(l.ID, choir.ID))
	if d.shelf.writes != writes {
		t.Error("a copy was removed twice")
	}
	check("removed", choir.Secret, "phone", "the choir", false, true)
	check("its own still", l.Secret, "phone", "", true, true)
	if err := d.UseCopy(l.ID, choir.ID, "phone"); fault.CodeOf(err) != fault.LinkSpent {
		t.Error(err)
	}
	if err := d.RemoveCopy(l.ID, "nobody"); fault.CodeOf(err) != fault.LinkNotFound {
		t.Error(err)
	}
	for _, name := range []string{"", " \u200d ", strings.Repeat("x", 65)} {
		if _, err := d.NewCopy(l.ID, name, false); fault.CodeOf(err) != fault.LinkNameInvalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	do(t, d.Remove, l.ID)
	if _, err := d.NewCopy(l.ID, "late", false); fault.CodeOf(err) != fault.LinkRemoved {
		t.Error(err)
	}
}

func TestNewAddress(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	choir := d.copy(l.ID, "the choir", false)
	moved := do(t, d.NewAddress, l.ID)
	again := do(t, d.NewAddress, l.ID)
	for _, d := range []*desk{d, d.reopened()} {
		for what, c := range map[string]struct {
			secret       sealed.Secret
			opens, known bool
		}{
			"the first": {l.Secret, false, true}, "the second": {moved.Secret, false, true}, "the newest": {again.Secret, true, true}, "the copy's": {choir.Secret, true, true},
		} {
			if _, opens, known := d.by(l.ID, c.secret, "phone"); opens != c.opens || known != c.known {
				t.Errorf("%s: opens %v, known %v", what, opens, known)
			}
		}
		now := get(t, d, l.ID)
		if now.ID != l.ID || now.Keys.ID() != l.ID || len(now.Copies) != 3 || now.Copies[1].End != CopyMoved {
			t.Errorf("%+v", now)
		}
	}
	old := get(t, d, l.ID).Copies[1]
	must(t, d.RemoveCopy(l.ID, old.ID)) // changes nothing: it tells of the new address
	if got, _ := get(t, d, l.ID).Copy(old.ID); got.End != CopyMoved {
		t.Error(got.End)
	}
	d.shelf.fail = fault.New(fault.StoreUnavailable, nil)
	if _, err := d.NewAddress(l.ID); fault.CodeOf(err) != fault.StoreUnavailable {
		t.Error(err)
	}
	d.shelf.fail = nil
	if now := get(t, d, l.ID); now.Secret != again.Secret || len(now.Copies) != 3 {
		t.Error("half an address is new")
	}
	do(t, d.Remove, l.ID)
	if _, err := d.NewAddress(l.ID); fault.CodeOf(err) != fault.LinkRemoved {
		t.Error(err)
	}
}

func TestCopiesAreBounded(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	for i := range MaxCopies {
		d.copy(l.ID, fmt.Sprint(i), false)
	}
	if _, err := d.NewCopy(l.ID, "one more", false); fault.CodeOf(err) != fault.CopiesFull {
		t.Error(err)
	}
	first := get(t, d, l.ID).Copies[0]
	_, err := d.RecordBrowser(l.ID, first.ID, "phone")
	must(t, err)
	must(t, d.RemoveCopy(l.ID, first.ID))
	d.copy(l.ID, "in its place", false)
	for range MaxEndedCopies {
		do(t, d.NewAddress, l.ID)
	}
	for _, d := range []*desk{d, d.reopened()} {
		if n := len(get(t, d, l.ID).Copies); n != MaxCopies+MaxEndedCopies {
			t.Errorf("%d copies", n)
		}
		if _, _, known := d.by(l.ID, first.Secret, "phone"); known {
			t.Error("the one that ended first is known")
		}
	}
	if len(d.shelf.browsers) != 0 || d.Browsers(l.ID, first.ID) != 0 {
		t.Error("its browsers are known")
	}
	do(t, d.Remove, l.ID)
	for range MaxEnded {
		do(t, d.Remove, d.create().ID)
	}
	if len(d.shelf.copies) != 0 {
		t.Errorf("%d copies of a link that is forgotten", len(d.shelf.copies))
	}
}

func TestBrowsers(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	choir, other := d.copy(l.ID, "the choir", false), d.copy(l.ID, "others", false)
	record := func(copyID, device string, want bool) {
		t.Helper()
		changed, err := d.RecordBrowser(l.ID, copyID, device)
		must(t, err)
		if changed != want {
			t.Errorf("%s: changed %v", device, changed)
		}
	}
	if n := d.Browser(l.ID, choir.ID, "phone"); n != 1 {
		t.Error(n)
	}
	record(choir.ID, "phone", true)
	record(choir.ID, "phone", false)
	record(choir.ID, "tablet", true)
	for _, d := range []*desk{d, d.reopened()} {
		for device, want := range map[string]int{"phone": 1, "tablet": 2, "new": 3} {
			if n := d.Browser(l.ID, choir.ID, device); n != want {
				t.Errorf("%s: %d", device, n)
			}
		}
		if d.Browsers(l.ID, choir.ID) != 2 || d.Browsers(l.ID, other.ID) != 0 || d.Browser(l.ID, other.ID, "phone") != 1 {
			t.Error("counted at the wrong copy")
		}
	}
	for i := range MaxBrowsersOfCopy {
		_, err := d.RecordBrowser(l.ID, choir.ID, fmt.Sprint(i))
		must(t, err)
	}
	if d.Browsers(l.ID, choir.ID) != MaxBrowsersOfCopy || d.Browser(l.ID, choir.ID, "new") != MaxBrowsersOfCopy || len(d.shelf.browsers) != MaxBrowsersOfCopy {
		t.Error("without a bound")
	}
	for _, r := range d.shelf.browsers {
		if r.Device == "phone" {
			t.Error("a device is kept in the clear")
		}
	}
	if _, err := d.RecordBrowser(l.ID, "nobody", "phone"); fault.CodeOf(err) != fault.LinkNotFound {
		t.Error(err)
	}
}

func TestDamagedCopiesOpenNothing(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	for i, spoil := range []func(*CopyRecord){
		func(r *CopyRecord) { r.End = "later" },
		func(r *CopyRecord) { r.Secret = r.Secret[:15] },
		func(r *CopyRecord) { r.ID = "" },
	} {
		r := d.copy(l.ID, "x", false).record(l.ID)
		delete(d.shelf.copies, [2]string{r.LinkID, r.ID})
		spoil(&r)
		d.shelf.copies[[2]string{r.LinkID, fmt.Sprint("spoilt ", i)}] = r
	}
	again := d.reopened()
	if n := len(get(t, again, l.ID).Copies); n != 0 || again.Damaged() != 3 {
		t.Errorf("%d copies, %d damaged", n, again.Damaged())
	}
}
