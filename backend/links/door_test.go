package links

import (
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
)

// TestDoor checks that a door lives as long as its link, and its key no longer.
func TestDoor(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	set := func(identity string) func(sealed.LinkID) (Link, error) {
		return func(id sealed.LinkID) (Link, error) {
			if identity == "" {
				return d.SetDoor(id, nil)
			}
			return d.SetDoor(id, []byte(identity))
		}
	}
	handOut := func(id sealed.LinkID) (Link, error) { return d.HandOutDoor(id, "192.0.2.1:5000") }
	if got := do(t, handOut, l.ID); got.DoorAt != "" {
		t.Error("a door that is not there was handed out")
	}
	do(t, set("key"), l.ID)
	do(t, handOut, l.ID)
	d = d.reopened()
	if got, err := d.Get(l.ID); err != nil || string(got.Door) != "key" || got.DoorAt != "192.0.2.1:5000" {
		t.Errorf("after a restart: %q, %v", got.DoorAt, err)
	}
	if got := do(t, set("other"), l.ID); string(got.Door) != "other" || got.DoorAt != "" {
		t.Error("a new door has an address that was handed out")
	}
	do(t, set(""), l.ID)
	do(t, set("third"), l.ID)
	do(t, d.Enter, l.ID)
	if got := do(t, d.Spend, l.ID); got.Door != nil || d.shelf.links[string(l.ID)].Door != nil {
		t.Error("the key is kept")
	}
	if _, err := d.SetDoor(l.ID, []byte("key")); fault.CodeOf(err) != fault.LinkSpent {
		t.Error(err)
	}
	if got, _ := d.reopened().Get(l.ID); got.Door != nil {
		t.Error("the key is back")
	}
}
