package acquaintances_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
)

// shelf is a repository in memory, which may be full.
type shelf struct {
	records   map[string]Record
	standings map[[2]string]Standing
	refusals  map[[2]string]Refusal
	full      error
	deleting  func() // runs while a refusal is deleted; may be nil
}

func newShelf() *shelf {
	return &shelf{records: map[string]Record{}, standings: map[[2]string]Standing{}, refusals: map[[2]string]Refusal{}}
}

func values[K comparable, V any](m map[K]V) (all []V) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func (s *shelf) Acquaintances() ([]Record, error) { return values(s.records), nil }
func (s *shelf) Standings() ([]Standing, error)   { return values(s.standings), nil }
func (s *shelf) Refusals() ([]Refusal, error)     { return values(s.refusals), nil }
func (s *shelf) PutAcquaintance(r Record) error {
	if s.full == nil {
		s.records[r.Browser] = r
	}
	return s.full
}
func (s *shelf) DeleteAcquaintance(b string) error { delete(s.records, b); return s.full }
func (s *shelf) PutStanding(r Standing) error {
	if s.full == nil {
		s.standings[[2]string{r.Browser, r.LinkID}] = r
	}
	return s.full
}
func (s *shelf) DeleteStanding(b, l string) error {
	delete(s.standings, [2]string{b, l})
	return s.full
}
func (s *shelf) PutRefusal(r Refusal) error {
	s.refusals[[2]string{r.LinkID, r.Guest}] = r
	return s.full
}
func (s *shelf) DeleteRefusal(l, g string) error {
	if s.deleting != nil {
		s.deleting()
	}
	delete(s.refusals, [2]string{l, g})
	return s.full
}

func open(t *testing.T, s *shelf) *Book {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	b, err := Open(s, func() time.Time { now = now.Add(time.Second); return now })
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhoIsIt(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	ann, other := Browser([]byte("ann")), Browser([]byte("other"))
	if f := b.Facts(ann, "Ann", "link"); f != (Facts{}) {
		t.Errorf("a stranger is known: %+v", f)
	}
	must(t, b.Met(ann, "Ann"))
	must(t, b.Met(ann, "Ann"))
	must(t, b.Met("", "Nobody")) // proved no key
	for range 2 {
		if f := b.Facts(ann, "Anna", "link"); f != (Facts{Times: 2, Name: "Ann"}) {
			t.Errorf("again: %+v", f)
		}
		if f := b.Facts(other, "ＡＮＮ", "link"); f != (Facts{NameKnown: true}) {
			t.Errorf("another browser under a known name: %+v", f)
		}
		if f := b.Facts(other, "\u0410nn", "link"); f != (Facts{LooksLike: "Ann"}) {
			t.Errorf("a name that looks like a known one: %+v", f)
		}
		if f := b.Facts("", "Nobody", "link"); f != (Facts{}) {
			t.Errorf("a guest without a key was kept: %+v", f)
		}
		b = open(t, s)
	}
}

// A standing decision holds for a key, under its name and at its link, until it is taken back.
func TestAlways(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	ann, other := Browser([]byte("ann")), Browser([]byte("other"))
	if code := fault.CodeOf(b.Always(ann, "")); code != fault.RequestGone {
		t.Errorf("a stranger is always let in: %v", code)
	}
	must(t, b.Met(ann, "Ann"))
	must(t, b.Always(ann, "tea"))
	for range 2 {
		for who, want := range map[[3]string]bool{
			{ann, "Ann", "tea"}: true, {ann, "ann", "tea"}: true, {ann, "Boss", "tea"}: false,
			{ann, "Ann", "work"}: false, {other, "Ann", "tea"}: false, {"", "Ann", "tea"}: false,
		} {
			if got := b.Facts(who[0], who[1], who[2]).Always; got != want {
				t.Errorf("%q: %v", who, got)
			}
		}
		b = open(t, s)
	}
	must(t, b.Always(ann, ""))
	if v := b.Standings(); len(v) != 2 || v[0].Name != "Ann" || v[0].LinkID != "" || v[1].LinkID != "tea" {
		t.Errorf("%+v", v)
	}
	must(t, b.Stop(ann, "tea"))
	if !b.Facts(ann, "Ann", "tea").Always {
		t.Error("for all links, and not for this one")
	}
	s.full = errors.New("full")
	if err := b.Stop(ann, ""); fault.CodeOf(err) != fault.StoreUnavailable || b.Facts(ann, "Ann", "tea").Always {
		t.Errorf("a decision that was taken back holds, because the disk is full: %v", err)
	}
	if err := b.Always(ann, "tea"); fault.CodeOf(err) != fault.StoreUnavailable || b.Facts(ann, "Ann", "tea").Always {
		t.Errorf("a decision holds that is not on the disk: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	must(t, b.SetLocked("tea", true))
	must(t, b.Decline("tea", "phone"))
	must(t, b.Decline("tea", "phone"))
	for range 2 {
		if !b.Locked("tea") || b.Locked("work") || b.Declined("tea", "phone") != 2 || b.Declined("work", "phone") != 0 {
			t.Error("what was decided does not hold")
		}
		b = open(t, s)
	}
	must(t, b.SetLocked("tea", false))
	must(t, b.Forgive("tea", "phone"))
	if b = open(t, s); b.Locked("tea") || b.Declined("tea", "phone") != 0 || len(s.refusals) != 0 {
		t.Error("what was taken back holds")
	}
}

// Whoever was put out of a call is out there with each device and with the key, until the host lets one of them in.
func TestPutOut(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	must(t, b.PutOut("tea", "laptop", "phone", "key"))
	for range 2 {
		for who, want := range map[[3]string]bool{
			{"tea", "laptop", "new"}: true, {"tea", "phone", "other"}: true, {"tea", "new", "key"}: true,
			{"work", "laptop", "key"}: false, {"tea", "new", "other"}: false,
		} {
			if got := b.IsOut(who[0], who[1], who[2]); got != want {
				t.Errorf("%q: %v", who, got)
			}
		}
		b = open(t, s)
	}
	if b.Declined("tea", "phone") != 0 {
		t.Error("put out is not declined")
	}
	must(t, b.TakeBack("tea", "laptop", "key"))
	must(t, b.TakeBack("tea", "phone"))
	if b = open(t, s); b.IsOut("tea", "laptop", "key") || b.IsOut("tea", "phone") || len(s.refusals) != 0 {
		t.Error("who was let in is out")
	}
}

// What was decided at a link ends with it.
func TestKeepLinks(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	ann := Browser([]byte("ann"))
	must(t, b.Met(ann, "Ann"))
	for _, link := range []string{"tea", "work", ""} {
		must(t, b.Always(ann, link))
	}
	for _, link := range []string{"tea", "work"} {
		must(t, b.SetLocked(link, true))
		must(t, b.Decline(link, "phone"))
	}
	must(t, b.KeepLinks(func(link string) bool { return link == "tea" }))
	for range 2 {
		if v := b.Standings(); len(v) != 2 || !b.Locked("tea") || b.Locked("work") || b.Declined("tea", "phone") != 1 || b.Declined("work", "phone") != 0 {
			t.Errorf("%+v", v)
		}
		b = open(t, s)
	}
}

func TestNothingGrowsWithoutBound(t *testing.T) {
	s := newShelf()
	b := open(t, s)
	s.deleting = func() { b.Declined("tea", "phone") } // who knocks does not wait for the disk
	must(t, b.SetLocked("tea", true))
	first := Browser([]byte("first"))
	must(t, b.Met(first, "First"))
	must(t, b.Always(first, ""))
	for i := range MaxBrowsers + 50 {
		must(t, b.Met(Browser(fmt.Append(nil, i)), "Guest"))
		must(t, b.Decline("tea", fmt.Sprint(i)))
	}
	if len(s.records) != MaxBrowsers || len(s.refusals) != MaxRefusals {
		t.Errorf("%d browsers, %d refusals", len(s.records), len(s.refusals))
	}
	if !b.Facts(first, "First", "tea").Always || !b.Locked("tea") || b.Facts(Browser([]byte("0")), "Guest", "tea").Times != 0 {
		t.Error("the wrong ones were forgotten")
	}
}

func TestNoBook(t *testing.T) {
	var b *Book
	must(t, b.Met("a", "Ann"))
	must(t, b.SetLocked("tea", true))
	must(t, b.PutOut("tea", "a"))
	must(t, b.Stop("a", "tea"))
	must(t, b.KeepLinks(func(string) bool { return false }))
	if fault.CodeOf(b.Always("a", "tea")) != fault.RequestGone || b.IsOut("tea", "a") || b.Facts("a", "Ann", "tea") != (Facts{}) || b.Locked("tea") || b.Declined("tea", "x") != 0 || len(b.Standings()) != 0 {
		t.Error("no book knows something")
	}
}
