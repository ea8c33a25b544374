package relay

import (
	"testing"

	"github.com/porch-call/porch/backend/sealed"
)

func TestNotebook(t *testing.T) {
	n := NewNotebook(2)
	put := func(id sealed.LinkID, b byte) { n.Put(id, [sealed.NoteSize]byte{b}) }
	has := func(id sealed.LinkID, b byte) bool {
		note, ok := n.Get(id)
		return ok && note[0] == b
	}
	put("a", 1)
	put("b", 2)
	put("a", 3)
	put("c", 4) // b is the oldest
	if !has("a", 3) || has("b", 2) || !has("c", 4) || n.Len() != 2 {
		t.Error("not the newest two")
	}
	n.Get("a")
	put("d", 5)
	if !has("a", 3) || has("c", 4) {
		t.Error("asking does not keep a note")
	}
	none := NewNotebook(0)
	none.Put("a", [sealed.NoteSize]byte{})
	if none.Len() != 0 {
		t.Error("a notebook of none keeps one")
	}
}
