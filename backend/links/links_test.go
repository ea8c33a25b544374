package links

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shelf is a Repository in memory. It can fail, and can look at the book during a write.
type shelf struct {
	mu       sync.Mutex
	links    map[string]LinkRecord
	visitors map[[2]string]VisitorRecord
	blocks   map[[2]string]BlockRecord
	copies   map[[2]string]CopyRecord
	browsers []BrowserRecord
	calls    map[callKey]CallRecord
	visits   map[VisitRecord]VisitRecord // by what they were written as first, without Gone
	writes   int
	fail     error
	onWrite  func()
}

func newShelf() *shelf {
	return &shelf{links: map[string]LinkRecord{}, visitors: map[[2]string]VisitorRecord{}, blocks: map[[2]string]BlockRecord{}, copies: map[[2]string]CopyRecord{},
		calls: map[callKey]CallRecord{}, visits: map[VisitRecord]VisitRecord{}}
}

func (s *shelf) write(do func()) error {
	if s.onWrite != nil {
		s.onWrite()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.writes++
	do()
	return nil
}

func (s *shelf) Links() ([]LinkRecord, error) {
	return slices.Collect(maps.Values(s.links)), s.fail
}
func (s *shelf) PutLink(l LinkRecord, copies ...CopyRecord) error {
	return s.write(func() {
		s.links[l.ID] = l
		for _, c := range copies {
			s.copies[[2]string{c.LinkID, c.ID}] = c
		}
	})
}
func (s *shelf) Copies() ([]CopyRecord, error) {
	return slices.Collect(maps.Values(s.copies)), s.fail
}
func (s *shelf) DeleteCopy(link, id string) error {
	return s.write(func() { s.deleteCopies(func(l, c string) bool { return l == link && c == id }) })
}
func (s *shelf) deleteCopies(gone func(link, id string) bool) {
	maps.DeleteFunc(s.copies, func(k [2]string, _ CopyRecord) bool { return gone(k[0], k[1]) })
	s.browsers = slices.DeleteFunc(s.browsers, func(r BrowserRecord) bool { return gone(r.LinkID, r.CopyID) })
}
func (s *shelf) Browsers() ([]BrowserRecord, error) { return slices.Clone(s.browsers), s.fail }
func (s *shelf) PutBrowser(r BrowserRecord) error {
	return s.write(func() { s.browsers = append(s.browsers, r) })
}
func (s *shelf) DeleteLink(id string) error {
	return s.write(func() {
		delete(s.links, id)
		s.deleteCopies(func(link, _ string) bool { return link == id })
		s.deleteCalls(func(k callKey) bool { return k.link == id })
		maps.DeleteFunc(s.visitors, func(k [2]string, _ VisitorRecord) bool { return k[0] == id })
		maps.DeleteFunc(s.blocks, func(k [2]string, _ BlockRecord) bool { return k[0] == id })
	})
}
func (s *shelf) Calls() ([]CallRecord, error) {
	return slices.Collect(maps.Values(s.calls)), s.fail
}
func (s *shelf) Visits() ([]VisitRecord, error) {
	return slices.Collect(maps.Values(s.visits)), s.fail
}
func (s *shelf) PutCall(c CallRecord, visits ...VisitRecord) error {
	return s.write(func() {
		s.calls[callKey{c.LinkID, c.Began}] = c
		for _, v := range visits {
			s.visits[VisitRecord{LinkID: v.LinkID, Began: v.Began, Number: v.Number}] = v
		}
	})
}
func (s *shelf) DeleteCall(link string, began time.Time) error {
	return s.write(func() { s.deleteCalls(func(k callKey) bool { return k == callKey{link, began} }) })
}
func (s *shelf) deleteCalls(gone func(callKey) bool) {
	maps.DeleteFunc(s.calls, func(k callKey, _ CallRecord) bool { return gone(k) })
	maps.DeleteFunc(s.visits, func(v, _ VisitRecord) bool { return gone(callKey{v.LinkID, v.Began}) })
}
func (s *shelf) EraseHistory(l LinkRecord) error {
	return s.write(func() {
		s.links[l.ID] = l
		s.deleteCalls(func(k callKey) bool { return k.link == l.ID })
		s.browsers = slices.DeleteFunc(s.browsers, func(r BrowserRecord) bool { return r.LinkID == l.ID })
		maps.DeleteFunc(s.visitors, func(k [2]string, _ VisitorRecord) bool { return k[0] == l.ID })
	})
}
func (s *shelf) Visitors() ([]VisitorRecord, error) {
	return slices.Collect(maps.Values(s.visitors)), s.fail
}
func (s *shelf) PutVisitor(v VisitorRecord) error {
	return s.write(func() { s.visitors[[2]string{v.LinkID, v.Device}] = v })
}
func (s *shelf) DeleteVisitor(link, device string) error {
	return s.write(func() { delete(s.visitors, [2]string{link, device}) })
}
func (s *shelf) Blocks() ([]BlockRecord, error) {
	return slices.Collect(maps.Values(s.blocks)), s.fail
}
func (s *shelf) PutBlock(b BlockRecord) error {
	return s.write(func() { s.blocks[[2]string{b.LinkID, b.Device}] = b })
}
func (s *shelf) DeleteBlock(link, device string) error {
	return s.write(func() { delete(s.blocks, [2]string{link, device}) })
}

// desk is a book with its shelf, and a clock that advances by a second with each look.
type desk struct {
	testing.TB
	*Book
	shelf *shelf
	clock time.Time
}

func newDesk(t testing.TB, s *shelf) *desk {
	t.Helper()
	d := &desk{TB: t, shelf: s, clock: time.UnixMilli(1_800_000_000_000)}
	b, err := Open(s, func() time.Time {
		d.clock = d.clock.Add(time.Second)
		return d.clock
	})
	must(t, err)
	d.Book = b
	return d
}

func (d *desk) create() Link {
	d.Helper()
	l, err := d.Create("https://porch.example")
	must(d, err)
	return l
}

// do makes a change that must succeed.
func do(t testing.TB, change func(sealed.LinkID) (Link, error), id sealed.LinkID) Link {
	t.Helper()
	l, err := change(id)
	must(t, err)
	return l
}

// reopened returns the book as it is if the app dies here and starts again.
func (d *desk) reopened() *desk { return newDesk(d.TB, d.shelf) }

func same(t *testing.T, got, want []Link) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d links, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i].record(), want[i].record()
		if !reflect.DeepEqual(g, w) {
			t.Errorf("link %d differs: %s %q %s, want %s %q %s", i, g.ID, g.Name, g.State, w.ID, w.Name, w.State)
		}
	}
}

func TestTransitions(t *testing.T) {
	const refusedSpent, refusedRemoved = State(fault.LinkSpent), State(fault.LinkRemoved)
	table := []struct {
		from                      State
		entered, emptied, removed State
	}{
		{StateOpen, StateLive, StateOpen, StateRemoved},
		{StateLive, StateLive, StateSpent, StateRemoved},
		{StateSpent, refusedSpent, StateSpent, StateRemoved},
		{StateRemoved, refusedRemoved, StateRemoved, StateRemoved},
		{"nonsense", State(fault.Internal), State(fault.Internal), State(fault.Internal)},
	}
	for _, row := range table {
		for event, want := range map[Event]State{EventEntered: row.entered, EventEmptied: row.emptied, EventRemoved: row.removed} {
			got, err := Next(row.from, event)
			if err != nil {
				if got != row.from {
					t.Errorf("%s, %s: refused and moved to %s", row.from, event, got)
				}
				got = State(fault.CodeOf(err))
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", row.from, event, got, want)
			}
		}
		if row.from == "nonsense" {
			continue
		}
		if _, err := Next(row.from, "nonsense"); err == nil {
			t.Errorf("%s took a nonsense event", row.from)
		}
	}
}

func TestLife(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	if l.State != StateOpen || l.Name != "" || l.Keys.IsZero() || l.Keys.ID() != l.ID || l.CreatedAt.IsZero() || !l.UsedAt.IsZero() || !l.EndedAt.IsZero() {
		t.Errorf("new: %s %q", l.State, l.Name)
	}
	if other := d.create(); other.ID == l.ID || other.Secret.Equal(l.Secret) {
		t.Error("two links alike")
	}
	if l = do(t, d.Spend, l.ID); l.State != StateOpen {
		t.Errorf("nobody was in: %s", l.State)
	}
	l = do(t, d.Enter, l.ID)
	if l.State != StateLive || l.UsedAt.IsZero() {
		t.Errorf("entered: %s", l.State)
	}
	again := do(t, d.Enter, l.ID)
	if !again.UsedAt.After(l.UsedAt) {
		t.Error("entering again is not its last use")
	}
	if crashed := d.reopened(); true {
		l, err := crashed.Get(l.ID)
		must(t, err)
		if l.State != StateLive || l.Keys.IsZero() {
			t.Errorf("after the app's death: %s", l.State)
		}
	}
	l = do(t, d.Spend, l.ID)
	if l.State != StateSpent || l.EndedAt.IsZero() || !l.Keys.IsZero() || l.Secret == (sealed.Secret{}) {
		t.Errorf("spent: %s", l.State)
	}
	if _, err := d.Enter(l.ID); fault.CodeOf(err) != fault.LinkSpent {
		t.Error(err)
	}
	ended := l.EndedAt
	for _, change := range []func(sealed.LinkID) (Link, error){d.Remove, d.Remove, d.Spend} {
		l = do(t, change, l.ID)
	}
	if l.State != StateRemoved || !l.EndedAt.Equal(ended) {
		t.Errorf("removed: %s, ended %v, before %v", l.State, l.EndedAt, ended)
	}
	if _, err := d.Enter(l.ID); fault.CodeOf(err) != fault.LinkRemoved {
		t.Error(err)
	}
	if len(d.shelf.links[string(l.ID)].Keys) > 0 {
		t.Error("the keys of an ended link are kept")
	}
	same(t, d.reopened().List(), d.List())
}

func TestList(t *testing.T) {
	d := newDesk(t, newShelf())
	one, two, three := d.create(), d.create(), d.create()
	do(t, d.Enter, one.ID) // the order stays that of creation
	var got []sealed.LinkID
	for _, l := range d.List() {
		got = append(got, l.ID)
	}
	if want := []sealed.LinkID{three.ID, two.ID, one.ID}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRename(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	for name, want := range map[string]string{
		"Grandma's birthday 🎂":         "Grandma's birthday 🎂",
		"  two\n lines\t":              "two lines",
		"evil\u202Egnp.exe\x00":        "evilgnp.exe",
		strings.Repeat("é", 64):        strings.Repeat("é", 64),
		strings.Repeat(" ", 1000):      "",
		"":                             "",
		"<b>bold</b>; DROP TABLE '\"#": "<b>bold</b>; DROP TABLE '\"#",
	} {
		got, err := d.Rename(l.ID, name)
		if err != nil || got.Name != want {
			t.Errorf("%q became %q, %v", name, got.Name, err)
		}
	}
	must(t, errOf(d.Rename(l.ID, "kept")))
	if _, err := d.Rename(l.ID, strings.Repeat("x", 65)); fault.CodeOf(err) != fault.LinkNameInvalid {
		t.Error(err)
	}
	do(t, d.Remove, l.ID)
	must(t, errOf(d.Rename(l.ID, "an ended link may be renamed in the list")))
	if got, _ := d.Get(l.ID); got.Keys.IsZero() == false || got.State != StateRemoved {
		t.Error("renaming changed more than the name")
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestUnknown(t *testing.T) {
	d := newDesk(t, newShelf())
	const id = sealed.LinkID("AAAAAAAAAAAAAAAAAAAAAA")
	for what, err := range map[string]error{
		"get": errOf(d.Get(id)), "rename": errOf(d.Rename(id, "x")), "enter": errOf(d.Enter(id)), "spend": errOf(d.Spend(id)),
		"remove": errOf(d.Remove(id)), "visitor": d.RecordVisitor(id, "d", "Ann"), "block": d.Block(id, "d"),
	} {
		if fault.CodeOf(err) != fault.LinkNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(d.Visitors(id)) > 0 || d.Blocked(id, "d") || d.shelf.writes > 0 {
		t.Error("something of nothing")
	}
}

// What the book shows is on the shelf already, and what fails there is not shown.
func TestShelfFirst(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	do(t, d.Enter, l.ID)
	must(t, d.RecordVisitor(l.ID, "phone", "Ann"))
	before := d.List()

	d.shelf.onWrite = func() { // readers don't see it before it is on disk, and don't wait for the disk
		same(t, d.List(), before)
		if d.Known("phone", "Ann").TimesLetIn != 1 || d.Blocked(l.ID, "phone") {
			t.Error("shown before it was kept")
		}
	}
	d.shelf.fail = errors.New("the disk is full")
	for what, err := range map[string]error{
		"create": errOf(d.Create("")), "rename": errOf(d.Rename(l.ID, "x")), "enter": errOf(d.Enter(l.ID)), "spend": errOf(d.Spend(l.ID)),
		"remove": errOf(d.Remove(l.ID)), "visitor": d.RecordVisitor(l.ID, "phone", "Ann"), "block": d.Block(l.ID, "phone"),
	} {
		if fault.CodeOf(err) != fault.StoreUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, d.List(), before)
	if _, err := Open(d.shelf, time.Now); fault.CodeOf(err) != fault.StoreUnavailable {
		t.Error(err)
	}
	d.shelf.fail = fault.New(fault.StoreTooNew, nil) // a fault stays the same fault
	if _, err := d.Remove(l.ID); fault.CodeOf(err) != fault.StoreTooNew {
		t.Error(err)
	}

	d.shelf.fail = nil
	do(t, d.Spend, l.ID)
	d.shelf.onWrite = nil
	writes := d.shelf.writes
	do(t, d.Spend, l.ID)
	must(t, errOf(d.Rename(l.ID, "")))
	if d.shelf.writes != writes {
		t.Error("no change was written")
	}
}

func TestDamagedRecordsAreLeftAlone(t *testing.T) {
	d := newDesk(t, newShelf())
	good, ended := d.create(), d.create()
	do(t, d.Remove, ended.ID)
	other := d.create()
	for i, spoil := range []func(*LinkRecord){
		func(r *LinkRecord) { r.State = "lively" },
		func(r *LinkRecord) { r.Keys = r.Keys[:31] },
		func(r *LinkRecord) { r.Keys = bytes.Repeat([]byte{0}, 32) },
		func(r *LinkRecord) { r.Keys = other.Keys.Bytes() },
		func(r *LinkRecord) { r.Keys = nil },
		func(r *LinkRecord) { r.Secret = r.Secret[:15] },
		func(r *LinkRecord) { r.State = "spent" },
		func(r *LinkRecord) { r.ID = "../../etc/passwd" },
	} {
		r := d.create().record()
		delete(d.shelf.links, r.ID)
		spoil(&r)
		d.shelf.links[fmt.Sprint("spoilt ", i)] = r
	}
	kept := len(d.shelf.links)
	again := d.reopened()
	same(t, again.List(), []Link{get(t, d, other.ID), get(t, d, ended.ID), get(t, d, good.ID)})
	if again.Damaged() != 8 || len(d.shelf.links) != kept {
		t.Errorf("%d damaged, %d of %d kept", again.Damaged(), len(d.shelf.links), kept)
	}
}

func get(t *testing.T, d *desk, id sealed.LinkID) Link {
	t.Helper()
	l, err := d.Get(id)
	must(t, err)
	return l
}

func TestHistoryIsBounded(t *testing.T) {
	d := newDesk(t, newShelf())
	open := d.create()
	first := d.create()
	do(t, d.Enter, first.ID)
	must(t, d.RecordVisitor(first.ID, "phone", "Ann"))
	must(t, d.Block(first.ID, "tablet"))
	do(t, d.Spend, first.ID)
	for range MaxEnded - 1 {
		do(t, d.Remove, d.create().ID)
	}
	if _, err := d.Get(first.ID); err != nil {
		t.Fatal(err)
	}
	do(t, d.Remove, d.create().ID)
	if _, err := d.Get(first.ID); fault.CodeOf(err) != fault.LinkNotFound {
		t.Errorf("the first that ended is still there: %v", err)
	}
	if n := len(d.List()); n != MaxEnded+1 || len(d.shelf.links) != n {
		t.Errorf("%d links, %d on the shelf", n, len(d.shelf.links))
	}
	if d.Known("phone", "").TimesLetIn > 0 || len(d.shelf.visitors) > 0 || d.Blocked(first.ID, "tablet") {
		t.Error("its guests are remembered")
	}
	get(t, d, open.ID) // links that can still be used are never forgotten
	same(t, d.reopened().List(), d.List())
}

func TestVisitors(t *testing.T) {
	d := newDesk(t, newShelf())
	l, other := d.create(), d.create()
	if k := d.Known("phone", "Ann"); k != (Known{}) {
		t.Errorf("%+v", k)
	}
	must(t, d.RecordVisitor(l.ID, "phone", "Ann"))
	must(t, d.RecordVisitor(l.ID, "tablet", "Bob"))
	must(t, d.RecordVisitor(l.ID, "phone", "Annie"))
	must(t, d.RecordVisitor(other.ID, "phone", "Ann"))
	for _, d := range []*desk{d, d.reopened()} {
		v := d.Visitors(l.ID)
		if len(v) != 2 || v[0].Name != "Annie" || v[0].Times != 2 || !v[0].LastSeen.After(v[0].FirstSeen) || v[1].Name != "Bob" {
			t.Errorf("%+v", v)
		}
		for _, c := range []struct {
			device, name string
			want         Known
		}{
			{"phone", "Ann", Known{TimesLetIn: 3}},
			{"phone", "BOB", Known{TimesLetIn: 3, NameKnown: true}},
			{"new", "bob", Known{NameKnown: true}},
			{"new", "Cem", Known{}},
			{"new", "", Known{}},
			{"new", "B\u200Dob", Known{NameKnown: true}},
			{"new", "Bob\uFE0F", Known{NameKnown: true}},
			{"new", "Bob\U000E01F0", Known{NameKnown: true}},
			{"new", "B\u2065ob", Known{NameKnown: true}},
			{"new", "Ｂｏｂ", Known{NameKnown: true}},
			{"new", "B\u043Eb", Known{LooksLike: "Bob"}}, // a Cyrillic o
			{"tablet", "B\u043Eb", Known{TimesLetIn: 1}}, // their own earlier name
			{"new", "\U000E01F0", Known{}},
		} {
			if got := d.Known(c.device, c.name); got != c.want {
				t.Errorf("%s as %s: %+v, want %+v", c.device, c.name, got, c.want)
			}
		}
	}
	for key := range d.shelf.visitors {
		if key[1] == "phone" || key[1] == "tablet" {
			t.Error("a device is kept in the clear")
		}
	}
}

func TestGuestsAreBounded(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	for i := range MaxVisitorsOfLink + 10 {
		must(t, d.RecordVisitor(l.ID, fmt.Sprint(i), "Ann"))
		if i == 20 {
			must(t, d.RecordVisitor(l.ID, "0", "Ann")) // seen again, and so no longer the oldest
		}
	}
	check := func(d *desk, want int) {
		t.Helper()
		if n := d.guests.countVisitors(); n != want || len(d.shelf.visitors) != want {
			t.Errorf("%d visitors, %d on the shelf, want %d", n, len(d.shelf.visitors), want)
		}
	}
	check(d, MaxVisitorsOfLink)
	if d.Known("0", "").TimesLetIn != 2 || d.Known("10", "").TimesLetIn != 0 || d.Known("11", "").TimesLetIn != 1 {
		t.Error("the wrong ones were forgotten")
	}
	other := d.create()
	for i := range MaxVisitors - MaxVisitorsOfLink { // as left by an earlier run
		v := VisitorRecord{LinkID: string(other.ID), Device: fmt.Sprint("digest ", i), Name: "Bob", Times: 1, FirstSeen: d.clock, LastSeen: d.clock}
		must(t, d.shelf.PutVisitor(v))
	}
	clock := d.clock
	d = d.reopened()
	d.clock = clock
	must(t, d.RecordVisitor(d.create().ID, "one more", "Cem"))
	check(d, MaxVisitors)
	if d.Known("11", "").TimesLetIn != 0 || d.Known("one more", "").TimesLetIn != 1 {
		t.Error("the wrong one was forgotten")
	}

	for i := range MaxBlocksOfLink + 1 {
		must(t, d.Block(l.ID, fmt.Sprint(i)))
	}
	if d.Blocked(l.ID, "0") || !d.Blocked(l.ID, "1") || len(d.shelf.blocks) != MaxBlocksOfLink {
		t.Errorf("%d blocks kept", len(d.shelf.blocks))
	}
}

func TestBlocks(t *testing.T) {
	d := newDesk(t, newShelf())
	l, other := d.create(), d.create()
	must(t, d.Block(l.ID, "phone"))
	writes := d.shelf.writes
	must(t, d.Block(l.ID, "phone"))
	if d.shelf.writes != writes {
		t.Error("a block was written twice")
	}
	for _, d := range []*desk{d, d.reopened()} {
		if !d.Blocked(l.ID, "phone") || d.Blocked(l.ID, "tablet") || d.Blocked(other.ID, "phone") {
			t.Error("blocked are not those who should be")
		}
	}
}

// Links get into logs by accident, so none of their formats may print a secret.
func TestNothingPrintsSecrets(t *testing.T) {
	d := newDesk(t, newShelf())
	l := d.create()
	text := fmt.Sprintf("%v %+v %#v %s %q", l, l, l, l, &l)
	text += fmt.Sprintf("%v %+v %#v %s %x %v", l.record(), l.record(), l.record(), l.record(), l.record(), d.shelf.links)
	text += slog.AnyValue(l.record()).Resolve().String()
	for what, secret := range map[string]string{
		"secret": l.Secret.Reveal(), "secret's bytes": fmt.Sprint([]any{l.Secret[:]}), "keys' bytes": fmt.Sprint([]any{l.Keys.Bytes()}), "keys in hex": fmt.Sprintf("%x", l.Keys.Bytes()),
	} {
		if strings.Contains(text, strings.Trim(secret, "[]")) {
			t.Errorf("a link prints its %s", what)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	d := newDesk(t, newShelf())
	d.now = time.Now
	l := d.create()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 20 {
				_, _ = d.Enter(l.ID)
				_ = d.RecordVisitor(l.ID, fmt.Sprint(g), "Ann")
				_, _ = d.Rename(l.ID, fmt.Sprint("name ", i))
				_ = d.Known(fmt.Sprint(g), "Ann")
				_ = d.Visitors(l.ID)
				_ = d.Block(l.ID, fmt.Sprint(g, i))
				_ = d.Blocked(l.ID, "x")
				_, _ = d.Create("")
				_ = d.List()
			}
		})
	}
	wg.Wait()
	same(t, d.reopened().List(), d.List())
	for _, v := range d.Visitors(l.ID) {
		if v.Times != 20 {
			t.Errorf("a visit was lost: %d of 20", v.Times)
		}
	}
}
