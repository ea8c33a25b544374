package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// testdata/vN.sql makes a database as Porch left it at schema version N. Each file is written once, when the version
// is introduced, and never changed.
func TestMigrationFromEachVersion(t *testing.T) {
	steps, err := migrations()
	must(t, err)
	fresh := opened(t, dataDir(t))
	for version := 1; version <= len(steps); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			dump, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d.sql", version)))
			must(t, err)
			dir := dataDir(t)
			db := raw(t, dir)
			_, err = db.Exec(string(dump))
			must(t, err)
			must(t, db.Close())

			want := sorted()
			if version < 2 {
				want.Visitors = nil
			}
			if version < 3 {
				want.Blocks = nil
			}
			if version < 4 {
				want.Links, want.Relays = slices.Clone(want.Links), nil
				for i := range want.Links {
					want.Links[i].Relay = ""
				}
			}
			if version < 5 {
				want.Links = slices.Clone(want.Links)
				for i := range want.Links {
					want.Links[i].Door, want.Links[i].DoorAt = nil, ""
				}
			}
			if version < 8 {
				want.Links, want.Calls, want.Visits = slices.Clone(want.Links), nil, nil
				for i := range want.Links {
					l := &want.Links[i]
					l.Ends, l.EndsAt, l.OpensAt, l.KeptAt = "", time.Time{}, time.Time{}, time.Time{}
				}
			}
			if version < 6 {
				want.Copies, want.Browsers = nil, nil
			}
			if version < 7 {
				want.Acquaintances, want.Standings, want.Refusals = nil, nil, nil
			}
			s := opened(t, dir)
			equal(t, read(t, s), want)
			name := ""
			if found, err := s.Setting("name", &name); !found || err != nil || name != "Zoë" {
				t.Error(found, err, name)
			}
			if got, want := tables(t, s.db), tables(t, fresh.db); !reflect.DeepEqual(got, want) {
				t.Errorf("tables %q, a new store has %q", got, want)
			}
			write(t, s, sample) // the store can be written to
			equal(t, read(t, s), sorted())
		})
	}
}

func tables(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.Query("SELECT name, coalesce(sql, '') FROM sqlite_schema")
	must(t, err)
	defer rows.Close()
	found := make(map[string]string)
	for rows.Next() {
		var name, text string
		must(t, rows.Scan(&name, &text))
		found[name] = text
	}
	must(t, rows.Err())
	return found
}

func TestTooNew(t *testing.T) {
	dir := dataDir(t)
	s, err := Open(dir)
	must(t, err)
	write(t, s, sample)
	must(t, s.Close())
	db := raw(t, dir)
	_, err = db.Exec("PRAGMA user_version = 99")
	must(t, err)
	must(t, db.Close())
	path := filepath.Join(dir, fileName)
	before, err := os.ReadFile(path)
	must(t, err)
	if _, err := Open(dir); fault.CodeOf(err) != fault.StoreTooNew {
		t.Error(err)
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("a newer Porch's database was written to")
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	steps, err := migrations()
	must(t, err)
	dir := dataDir(t)
	s, err := Open(dir)
	must(t, err)
	write(t, s, sample)
	must(t, s.Close())
	bad := slices.Concat(steps, []string{"CREATE TABLE more (x); INSERT INTO nothing VALUES (1);"})
	if _, err := open(dir, bad, 0); fault.CodeOf(err) != fault.StoreUnavailable || !strings.Contains(err.Error(), "from version") {
		t.Errorf("%v", err)
	}
	s = opened(t, dir) // with the old steps again: neither the table nor the new version is there
	equal(t, read(t, s), sorted())
	if _, there := tables(t, s.db)["more"]; there {
		t.Error("half a migration stayed")
	}
}
