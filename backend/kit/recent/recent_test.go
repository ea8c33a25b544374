package recent

import (
	"maps"
	"slices"
	"testing"
)

func keys(m *Map[string, int]) []string {
	var out []string
	for k := range m.All() {
		out = append(out, k)
	}
	return out
}

func TestMap(t *testing.T) {
	m := New[string, int](3)
	for i, k := range []string{"a", "b", "c"} {
		m.Put(k, i)
	}
	m.Put("a", 10) // is the newest again
	m.Touch("b")
	m.Touch("nothing")
	m.Put("d", 3)
	if got, want := keys(m), []string{"a", "b", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if v, ok := m.Get("a"); v != 10 || !ok || m.Len() != 3 {
		t.Errorf("%d, %v, of %d", v, ok, m.Len())
	}
	if _, ok := m.Get("c"); ok {
		t.Error("the oldest stays")
	}
	if got := maps.Collect(m.All()); len(got) != 3 {
		t.Errorf("%v", got)
	}
	for range m.All() {
		break
	}
	none := New[string, int](0)
	none.Put("a", 1)
	if none.Len() != 0 {
		t.Error("a map of none has one")
	}
}
