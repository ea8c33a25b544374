package links

import (
	"fmt"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

func TestHistory(t *testing.T) {
	d := newDesk(t, newShelf())
	l, other := d.create(), d.create()
	first := d.clock.Add(time.Hour)
	come := func(began time.Time, name string, want int) {
		t.Helper()
		n, err := d.Come(l.ID, began, name)
		must(t, err)
		if n != want {
			t.Errorf("%s: visit %d, want %d", name, n, want)
		}
	}
	must(t, d.EndCall(l.ID, first, 1, 2)) // nobody was in
	come(first, "Ada", 0)
	come(first, "Bob", 1)
	must(t, d.Go(l.ID, first, 0))
	must(t, d.Go(l.ID, first, 0))
	must(t, d.Go(l.ID, first, 7))
	must(t, d.Go(l.ID, first, -1))
	must(t, d.EndCall(l.ID, first, 300, 40))
	second := first.Add(time.Hour)
	come(second, "Cem", 0)
	for _, d := range []*desk{d, d.reopened()} {
		h := d.History(l.ID)
		if len(h) != 2 || len(d.History(other.ID)) != 0 {
			t.Fatalf("%+v", h)
		}
		if c := h[0]; !c.Began.Equal(second) || !c.Ended.IsZero() || len(c.Visits) != 1 || c.Visits[0].Name != "Cem" || !c.Visits[0].Gone.IsZero() {
			t.Errorf("the latest: %+v", c)
		}
		c := h[1]
		if c.Sent != 300 || c.Received != 40 || c.Ended.IsZero() || len(c.Visits) != 2 || c.Visits[0].Name != "Ada" || c.Visits[1].Name != "Bob" {
			t.Errorf("the first: %+v", c)
		}
		if !c.Visits[0].Gone.Before(c.Ended) || !c.Visits[1].Gone.Equal(c.Ended) || !c.Visits[0].Came.Before(c.Visits[0].Gone) {
			t.Errorf("the first: %+v", c)
		}
	}
	if _, err := d.Come("nobody", first, "Ada"); fault.CodeOf(err) != fault.LinkNotFound {
		t.Error(err)
	}

	choir := d.copy(l.ID, "the choir", false)
	_, err := d.RecordBrowser(l.ID, choir.ID, "phone")
	must(t, err)
	must(t, d.RecordVisitor(l.ID, "phone", "Ada"))
	must(t, d.RecordVisitor(other.ID, "phone", "Ada"))
	must(t, d.Block(l.ID, "tablet"))
	do(t, d.Enter, l.ID)
	d.clock = second.Add(time.Minute)
	must(t, d.EraseHistory(l.ID))
	must(t, d.Go(l.ID, second, 0))
	must(t, d.EndCall(l.ID, second, 1, 1))
	come(second, "Late", -1)
	for _, d := range []*desk{d, d.reopened()} {
		if len(d.History(l.ID)) != 0 || len(d.Visitors(l.ID)) != 0 || d.Browsers(l.ID, choir.ID) != 0 || !get(t, d, l.ID).UsedAt.IsZero() {
			t.Error("the history is not erased")
		}
		if d.Known("phone", "Ada").TimesLetIn != 1 || !d.Blocked(l.ID, "tablet") || len(get(t, d, l.ID).Copies) != 1 {
			t.Error("too much is erased")
		}
	}
	if len(d.shelf.calls)+len(d.shelf.visits) != 0 {
		t.Error("calls are on the shelf")
	}
	do(t, d.Remove, l.ID)
	must(t, d.EraseHistory(l.ID))
	if err := d.EraseHistory(l.ID); fault.CodeOf(err) != fault.LinkNotFound {
		t.Errorf("a link that has ended is still there: %v", err)
	}
	d.shelf.fail = fault.New(fault.StoreUnavailable, nil)
	if err := d.EraseHistory(other.ID); fault.CodeOf(err) != fault.StoreUnavailable || len(d.Visitors(other.ID)) != 1 {
		t.Errorf("erased, though the disk failed: %v", err)
	}
}

func TestHistoryOfALinkIsBounded(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	at := func(n int) time.Time { return d.clock.Add(time.Duration(n) * time.Hour) }
	clock := d.clock
	for n := range MaxCallsOfLink + 5 {
		_, err := d.Come(l.ID, clock.Add(time.Duration(n)*time.Hour), "Ada")
		must(t, err)
	}
	for _, d := range []*desk{d, d.reopened()} {
		if h := d.History(l.ID); len(h) != MaxCallsOfLink || !h[len(h)-1].Began.Equal(clock.Add(5*time.Hour)) {
			t.Errorf("%d calls", len(h))
		}
	}
	if len(d.shelf.calls) != MaxCallsOfLink || len(d.shelf.visits) != MaxCallsOfLink {
		t.Errorf("%d calls, %d visits on the shelf", len(d.shelf.calls), len(d.shelf.visits))
	}
	long := at(1000)
	for n := range MaxVisitsOfCall + 1 {
		got, err := d.Come(l.ID, long, fmt.Sprint(n))
		must(t, err)
		if (got < 0) != (n >= MaxVisitsOfCall) {
			t.Errorf("visit %d is number %d", n, got)
		}
	}
	do(t, d.Remove, l.ID)
	must(t, d.EraseHistory(l.ID))
	if len(d.shelf.calls)+len(d.shelf.visits) != 0 {
		t.Error("calls of a link that is forgotten")
	}
}
