package store

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/links"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened opens a store in dir, which the test closes.
func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// dataDir returns a folder that does not exist yet, with characters that have a meaning in URIs.
func dataDir(t *testing.T) string {
	name := "a folder?with#odd%41 &characters"
	if runtime.GOOS == "windows" {
		name = strings.ReplaceAll(name, "?", "") // not allowed in names on Windows
	}
	return filepath.Join(t.TempDir(), name, "porch")
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// content is what a store holds, except the settings.
type content struct {
	Links    []links.LinkRecord
	Visitors []links.VisitorRecord
	Blocks   []links.BlockRecord
	Copies   []links.CopyRecord
	Browsers []links.BrowserRecord
	Calls    []links.CallRecord
	Visits   []links.VisitRecord
	Relays   []Relay

	Acquaintances []acquaintances.Record
	Standings     []acquaintances.Standing
	Refusals      []acquaintances.Refusal
}

func read(t *testing.T, s *Store) (c content) {
	t.Helper()
	var err error
	c.Links, err = s.Links()
	must(t, err)
	c.Visitors, err = s.Visitors()
	must(t, err)
	c.Blocks, err = s.Blocks()
	must(t, err)
	c.Calls, err = s.Calls()
	must(t, err)
	c.Visits, err = s.Visits()
	must(t, err)
	c.Copies, err = s.Copies()
	must(t, err)
	c.Browsers, err = s.Browsers()
	must(t, err)
	c.Relays, err = s.Relays()
	must(t, err)
	c.Acquaintances, err = s.Acquaintances()
	must(t, err)
	c.Standings, err = s.Standings()
	must(t, err)
	c.Refusals, err = s.Refusals()
	must(t, err)
	return c
}

func write(t *testing.T, s *Store, c content) {
	t.Helper()
	for _, l := range c.Links {
		must(t, s.PutLink(l, slices.DeleteFunc(slices.Clone(c.Copies), func(c links.CopyRecord) bool { return c.LinkID != l.ID })...))
	}
	for _, call := range c.Calls {
		must(t, s.PutCall(call, slices.DeleteFunc(slices.Clone(c.Visits), func(v links.VisitRecord) bool { return v.LinkID != call.LinkID || !v.Began.Equal(call.Began) })...))
	}
	for _, b := range c.Browsers {
		must(t, s.PutBrowser(b))
	}
	for _, a := range c.Acquaintances {
		must(t, s.PutAcquaintance(a))
	}
	for _, a := range c.Standings {
		must(t, s.PutStanding(a))
	}
	for _, r := range c.Refusals {
		must(t, s.PutRefusal(r))
	}
	for _, v := range c.Visitors {
		must(t, s.PutVisitor(v))
	}
	for _, b := range c.Blocks {
		must(t, s.PutBlock(b))
	}
	for _, r := range c.Relays {
		must(t, s.PutRelay(r))
	}
}

func equal(t *testing.T, got, want content) {
	t.Helper()
	for what, lists := range map[string][2]any{
		"links": {printable(got.Links), printable(want.Links)}, "visitors": {got.Visitors, want.Visitors}, "blocks": {got.Blocks, want.Blocks},
		"copies": {printableCopies(got.Copies), printableCopies(want.Copies)}, "browsers": {got.Browsers, want.Browsers},
		"calls": {got.Calls, want.Calls}, "visits": {got.Visits, want.Visits},
		"relays": {printableRelays(got.Relays), printableRelays(want.Relays)},
	} {
		if !reflect.DeepEqual(lists[0], lists[1]) {
			t.Errorf("%s: got %+v, want %+v", what, lists[0], lists[1])
		}
	}
}

// printable removes the methods that hide the content of rows when they are printed.
func printable(all []links.LinkRecord) any {
	type row links.LinkRecord
	var rows []row
	for _, l := range all {
		rows = append(rows, row(l))
	}
	return rows
}

func printableCopies(copies []links.CopyRecord) any {
	type row links.CopyRecord
	var rows []row
	for _, c := range copies {
		rows = append(rows, row(c))
	}
	return rows
}

func printableRelays(relays []Relay) any {
	type row Relay
	var rows []row
	for _, r := range relays {
		rows = append(rows, row(r))
	}
	return rows
}

func TestRowsPrintNothing(t *testing.T) {
	r := Relay{URL: "the-url", Token: "the-token", Key: []byte("the-key")}
	l := links.LinkRecord{ID: "the-id", Name: "the-name", Secret: []byte("the-secret"), Keys: []byte("the-keys"), Door: []byte("the-door"), DoorAt: "the-address"}
	c := links.CopyRecord{Name: "the-name", Secret: []byte("the-secret")}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x", l, l, l, l, []links.LinkRecord{l}), slog.AnyValue(c).Resolve().String(), fmt.Sprintf("%v %+v %#v", c, c, []links.CopyRecord{c}), slog.AnyValue(l).Resolve().String(),
		fmt.Sprintf("%v %+v %#v %s %x", r, r, r, r, []Relay{r}), slog.AnyValue(r).Resolve().String()} {
		if strings.Contains(text, "the-") || strings.Contains(text, fmt.Sprintf("%x", "the-")) || strings.Contains(text, "116") {
			t.Error(text)
		}
	}
}

var sample = content{
	Links: []links.LinkRecord{
		{ID: "one", Name: "Grandma 🎂", State: "open", Keys: []byte{1, 0, 2}, Secret: []byte{3, 4}, CreatedAt: at(1000), Relay: "https://porch.example", Ends: "at", EndsAt: at(5000), OpensAt: at(4000), KeptAt: at(3000)},
		{ID: "two", State: "live", Keys: []byte{5}, Secret: []byte{6}, CreatedAt: at(2001), UsedAt: at(3002), Door: []byte{8, 9}, DoorAt: "192.0.2.1:5000"},
		{ID: "six", State: "spent", Secret: []byte{7}, CreatedAt: at(2001), UsedAt: at(4), EndedAt: at(1_800_000_000_123)},
	},
	Visitors: []links.VisitorRecord{
		{LinkID: "two", Device: "b", Name: "Bob", Times: 1, FirstSeen: at(10), LastSeen: at(10)},
		{LinkID: "two", Device: "a", Name: "'; DROP TABLE links; --", Times: 3, FirstSeen: at(10), LastSeen: at(20)},
		{LinkID: "one", Device: "a", Name: "Ann", Times: 1, FirstSeen: at(30), LastSeen: at(30)},
	},
	Acquaintances: []acquaintances.Record{{Browser: "b1", Name: "Ann", Times: 2, FirstSeen: at(10), LastSeen: at(20)}},
	Standings:     []acquaintances.Standing{{Browser: "b1", At: at(30)}, {Browser: "b1", LinkID: "one", At: at(40)}},
	Refusals:      []acquaintances.Refusal{{LinkID: "one", Times: 1, At: at(50)}, {LinkID: "one", Guest: "g", Times: 2, At: at(60)}},
	Blocks:        []links.BlockRecord{{LinkID: "two", Device: "c", At: at(40)}, {LinkID: "one", Device: "c", At: at(50)}},
	Copies: []links.CopyRecord{
		{LinkID: "one", ID: "k", Name: "the choir", Secret: []byte{12}, CreatedAt: at(80)},
		{LinkID: "one", ID: "l", Name: "Ada", Secret: []byte{13}, Once: true, CreatedAt: at(90), EndedAt: at(100), End: "used", UsedBy: "a"},
		{LinkID: "two", ID: "k", Secret: []byte{14}, CreatedAt: at(110), EndedAt: at(120), End: "moved"},
	},
	Calls: []links.CallRecord{
		{LinkID: "two", Began: at(200), Ended: at(210), Sent: 1 << 40, Received: 3},
		{LinkID: "two", Began: at(220)},
	},
	Visits: []links.VisitRecord{
		{LinkID: "two", Began: at(200), Number: 0, Name: "Bob", Came: at(201), Gone: at(209)},
		{LinkID: "two", Began: at(200), Number: 1, Name: "'; DROP TABLE links; --", Came: at(202)},
		{LinkID: "two", Began: at(220), Number: 0, Name: "Bob", Came: at(221)},
	},
	Browsers: []links.BrowserRecord{{LinkID: "one", CopyID: "k", Device: "b", At: at(91)}, {LinkID: "one", CopyID: "k", Device: "a", At: at(92)}},
	Relays: []Relay{
		{URL: "https://porch.example", Key: []byte{9}, AddedAt: at(60)},
		{URL: "https://relay.example:8443", Token: "invited", Key: []byte{10, 11}, AddedAt: at(70)},
	},
}

// sorted returns sample in the order in which a store returns it.
func sorted() content {
	c := sample
	c.Links = []links.LinkRecord{c.Links[0], c.Links[2], c.Links[1]}
	return c
}

func TestWhatIsPutIsThere(t *testing.T) {
	dir := dataDir(t)
	s, err := Open(dir)
	must(t, err)
	write(t, s, sample)
	write(t, s, sample) // a second write changes nothing
	equal(t, read(t, s), sorted())
	must(t, s.Close())
	must(t, s.Close())

	s = opened(t, dir)
	if s.Dir() != dir {
		t.Errorf("%q, want %q", s.Dir(), dir)
	}
	equal(t, read(t, s), sorted())

	changed := sorted()
	changed.Links = append([]links.LinkRecord(nil), changed.Links...)
	changed.Links[0].Name, changed.Links[0].State, changed.Links[0].Keys, changed.Links[0].EndedAt = "", "removed", nil, at(5)
	must(t, s.PutLink(changed.Links[0]))
	must(t, s.DeleteVisitor("two", "b"))
	must(t, s.DeleteVisitor("two", "nobody"))
	must(t, s.DeleteBlock("two", "c"))
	must(t, s.DeleteCopy("two", "k"))
	must(t, s.DeleteCopy("two", "nobody"))
	must(t, s.DeleteStanding("b1", "one"))
	must(t, s.DeleteRefusal("one", "g"))
	changed.Standings, changed.Refusals = changed.Standings[:1], changed.Refusals[:1]
	must(t, s.DeleteCall("two", at(200)))
	must(t, s.DeleteRelay("https://porch.example"))
	must(t, s.DeleteRelay("https://nobody.example"))
	changed.Visitors, changed.Blocks, changed.Relays = changed.Visitors[1:], changed.Blocks[1:], changed.Relays[1:]
	changed.Copies, changed.Calls, changed.Visits = changed.Copies[:2], changed.Calls[1:], changed.Visits[2:]
	equal(t, read(t, s), changed)

	must(t, s.DeleteLink("one")) // deletes all that belongs to it as well
	must(t, s.DeleteLink("one"))
	left := content{Links: changed.Links[1:], Visitors: changed.Visitors[:1], Relays: changed.Relays, Calls: changed.Calls, Visits: changed.Visits, Acquaintances: changed.Acquaintances}
	left.Standings = changed.Standings
	equal(t, read(t, s), left)
	must(t, s.DeleteAcquaintance("b1"))
	left.Acquaintances, left.Standings = nil, nil
	equal(t, read(t, s), left)
	two := changed.Links[2]
	two.Name = "without a history"
	must(t, s.EraseHistory(two))
	equal(t, read(t, s), content{Links: []links.LinkRecord{changed.Links[1], two}, Relays: changed.Relays})
	if err := s.PutVisitor(links.VisitorRecord{LinkID: "one", Device: "a"}); fault.CodeOf(err) != fault.StoreUnavailable {
		t.Errorf("a visitor of no link: %v", err)
	}
}

func TestSettings(t *testing.T) {
	type settings struct {
		Engine string
		Volume float64
	}
	dir := dataDir(t)
	s, err := Open(dir)
	must(t, err)
	got := settings{Engine: "default"}
	if found, err := s.Setting("settings", &got); found || err != nil || got.Engine != "default" {
		t.Errorf("%v, %v, %+v", found, err, got)
	}
	want := settings{"native", 0.5}
	must(t, s.PutSetting("settings", settings{"webview", 1}))
	must(t, s.PutSetting("settings", want))
	must(t, s.Close())
	s = opened(t, dir)
	if found, err := s.Setting("settings", &got); !found || err != nil || got != want {
		t.Errorf("%v, %v, %+v", found, err, got)
	}
	var number int
	if _, err := s.Setting("settings", &number); fault.CodeOf(err) != fault.StoreUnavailable {
		t.Error(err)
	}
	if err := s.PutSetting("settings", make(chan int)); err == nil {
		t.Error("put a channel")
	}
}

func TestOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the profile's permissions do it there")
	}
	check := func(t *testing.T, dir string) {
		t.Helper()
		files := 0
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			want := fs.FileMode(0o600)
			if files++; d.IsDir() {
				want = fs.ModeDir | 0o700
			}
			if info.Mode() != want {
				t.Errorf("%s has mode %v, want %v", d.Name(), info.Mode(), want)
			}
			return nil
		}))
		if files < 3 { // folder, database, log
			t.Errorf("%d files", files)
		}
	}
	old := setUmask(0)
	t.Cleanup(func() { setUmask(old) })
	dir := dataDir(t)
	s, err := Open(dir)
	must(t, err)
	write(t, s, sample)
	check(t, dir)

	t.Run("narrowed", func(t *testing.T) {
		must(t, s.Close())
		must(t, os.Chmod(dir, 0o755))
		must(t, os.Chmod(filepath.Join(dir, fileName), 0o644))
		s := opened(t, dir)
		write(t, s, sample)
		check(t, dir)
	})
	t.Run("a folder with other things", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "theirs"), nil, 0o644))
		opened(t, dir)
		info, err := os.Stat(dir)
		must(t, err)
		if info.Mode().Perm() != 0o755 {
			t.Errorf("their folder became %v", info.Mode())
		}
	})
}

func TestUnavailable(t *testing.T) {
	unavailable := func(t *testing.T, dir string, want fault.Code) {
		t.Helper()
		steps, err := migrations()
		must(t, err)
		s, err := open(dir, steps, 50*time.Millisecond)
		if err == nil {
			_ = s.Close()
		}
		if fault.CodeOf(err) != want {
			t.Errorf("%v", err)
		}
	}
	t.Run("open already", func(t *testing.T) {
		dir := dataDir(t)
		s := opened(t, dir)
		unavailable(t, dir, fault.StoreInUse)
		write(t, s, sample) // the first store still works
	})
	t.Run("a file in the way", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file, nil, 0o600))
		unavailable(t, file, fault.StoreUnavailable)
	})
	t.Run("a folder in the way", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, fileName), 0o700))
		unavailable(t, dir, fault.StoreUnavailable)
	})
	t.Run("not a database", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte("porch"), 1000), 0o600))
		unavailable(t, dir, fault.StoreDamaged)
	})
	t.Run("damaged", func(t *testing.T) {
		dir := dataDir(t)
		s, err := Open(dir)
		must(t, err)
		write(t, s, sample)
		must(t, s.Close())
		path := filepath.Join(dir, fileName)
		b, err := os.ReadFile(path)
		must(t, err)
		for i := 4096 + 8; i < len(b); i += 7 {
			b[i] ^= 0x55
		}
		must(t, os.WriteFile(path, b, 0o600))
		unavailable(t, dir, fault.StoreDamaged)
		after, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(after, b) {
			t.Error("a damaged database was written to")
		}
	})
	t.Run("closed", func(t *testing.T) {
		s, err := Open(dataDir(t))
		must(t, err)
		must(t, s.Close())
		secret := links.LinkRecord{ID: "the-id", Name: "the-name", State: "the-state", Keys: []byte("the-keys"), Secret: []byte("the-secret")}
		for what, err := range map[string]error{
			"link": s.PutLink(secret), "visitor": s.PutVisitor(links.VisitorRecord{Name: "the-name"}), "block": s.PutBlock(links.BlockRecord{Device: "the-device"}),
			"relay": s.PutRelay(Relay{URL: "the-url", Token: "the-token", Key: []byte("the-key")}), "read relays": errOf(s.Relays()),
			"setting": s.PutSetting("the-key", "the-value"), "delete": s.DeleteLink("the-id"),
			"read links": errOf(s.Links()), "read visitors": errOf(s.Visitors()), "read blocks": errOf(s.Blocks()),
			"read setting": errOf(s.Setting("the-key", new(string))),
		} {
			if fault.CodeOf(err) != fault.StoreUnavailable || strings.Contains(err.Error(), "the-") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

// Constraint errors of SQLite name the violated constraint, and not the value.
func TestErrorsRepeatNoValues(t *testing.T) {
	s := opened(t, dataDir(t))
	err := s.PutLink(links.LinkRecord{ID: "the-id", Name: "the-name", State: "the-state", Keys: []byte("the-keys"), Door: []byte("the-door"), DoorAt: "the-address"}) // no secret
	if fault.CodeOf(err) != fault.StoreUnavailable || strings.Contains(err.Error(), "the-") {
		t.Error(err)
	}
}

// TestDestroyedSecretsAreGone: a call that removes a secret, or replaces it, leaves no trace of the old one in the
// folder.
func TestDestroyedSecretsAreGone(t *testing.T) {
	secret := bytes.Repeat([]byte("private!"), 4)
	link := links.LinkRecord{ID: "one", State: "open", Keys: []byte{2}, Secret: []byte{1}, CreatedAt: at(1)}
	relay := Relay{URL: "https://porch.example", Token: "a", Key: []byte{3}, AddedAt: at(1)}
	withKeys, withSecret, withToken, withKey := link, link, relay, relay
	withKeys.Keys, withSecret.Secret, withToken.Token, withKey.Key = secret, secret, string(secret), secret
	spent := link
	spent.State, spent.Keys = "spent", nil
	for name, c := range map[string]struct{ put, destroy func(*Store) error }{
		"keys of a spent link":             {func(s *Store) error { return s.PutLink(withKeys) }, func(s *Store) error { return s.PutLink(spent) }},
		"keys of a forgotten link":         {func(s *Store) error { return s.PutLink(withKeys) }, func(s *Store) error { return s.DeleteLink("one") }},
		"secret of a forgotten link":       {func(s *Store) error { return s.PutLink(withSecret) }, func(s *Store) error { return s.DeleteLink("one") }},
		"key of a removed relay":           {func(s *Store) error { return s.PutRelay(withKey) }, func(s *Store) error { return s.DeleteRelay(relay.URL) }},
		"invitation of a removed relay":    {func(s *Store) error { return s.PutRelay(withToken) }, func(s *Store) error { return s.DeleteRelay(relay.URL) }},
		"invitation that another replaces": {func(s *Store) error { return s.PutRelay(withToken) }, func(s *Store) error { return s.PutRelay(relay) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dataDir(t)
			s := opened(t, dir)
			traces := func() (n int) {
				entries, err := os.ReadDir(dir)
				must(t, err)
				for _, e := range entries {
					b, err := os.ReadFile(filepath.Join(dir, e.Name()))
					must(t, err)
					n += bytes.Count(b, secret)
				}
				return n
			}
			must(t, c.put(s))
			if traces() == 0 {
				t.Fatal("the secret can't be found while it is there: the test sees nothing")
			}
			must(t, c.destroy(s))
			if n := traces(); n > 0 {
				t.Errorf("%d traces", n)
			}
		})
	}
}

func TestDir(t *testing.T) {
	t.Setenv("PORCH_DATA_DIR", "/somewhere/else")
	if dir, err := Dir(); err != nil || dir != filepath.FromSlash("/somewhere/else") && runtime.GOOS != "windows" {
		t.Error(dir, err)
	}
	t.Setenv("PORCH_DATA_DIR", "")
	config, err := os.UserConfigDir()
	must(t, err)
	if dir, err := Dir(); err != nil || dir != filepath.Join(config, "porch") {
		t.Error(dir, err)
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("AppData", "")
	if _, err := Dir(); fault.CodeOf(err) != fault.StoreUnavailable {
		t.Error(err)
	}
}

// raw opens the database of a closed store directly, without this package.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	db, err := sql.Open("sqlite", dataSource(filepath.Join(dir, fileName), time.Second))
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func TestSafetyIsOn(t *testing.T) {
	s := opened(t, dataDir(t))
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "locking_mode": "exclusive", "foreign_keys": "1",
		"secure_delete": "1", "trusted_schema": "0", "fullfsync": "1", "temp_store": "2", "busy_timeout": "3000",
	} {
		var got string
		must(t, s.db.QueryRow("PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}
