package host

import (
	"fmt"
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
)

// TestLookAlikesAreFolded: five and more unknown guests whose names differ in numbers, or resemble each other, stand behind
// the first. Known guests, and those with whom the host has spoken, keep a card of their own.
func TestLookAlikesAreFolded(t *testing.T) {
	view := func(i int, name string) hoststate.RequestView {
		return hoststate.RequestView{ID: fmt.Sprint(i), Name: name, Known: hoststate.KnownFirst}
	}
	var all []hoststate.RequestView
	for i, name := range []string{"Guest 1", "Guest 2", "guest", "Gυest", "Guest 17", "Ada", "Guest 3", "Guest 4"} {
		all = append(all, view(i, name))
	}
	all[6].Known = hoststate.KnownReturning
	all[7].Words = []hoststate.WordView{{Text: "Who is it?"}}
	foldAlike(all)
	for i, want := range []string{"", "0", "0", "0", "0", "", "", ""} {
		if all[i].Like != want {
			t.Errorf("%s is like %q, want %q", all[i].Name, all[i].Like, want)
		}
	}
	few := all[:4:4]
	for i := range few {
		few[i].Like = ""
	}
	foldAlike(few)
	for _, q := range few {
		if q.Like != "" {
			t.Errorf("%s of four is folded", q.Name)
		}
	}
}
