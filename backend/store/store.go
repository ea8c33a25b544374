package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"time"

	sqlite "modernc.org/sqlite" // registers the driver "sqlite", without cgo
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/porch-call/porch/backend/fault"
)

// patience is how long Open waits for another Porch that is closing.
const patience = 3 * time.Second

// pragmas are set on the one connection, in this order, before its first use.
var pragmas = []string{
	"locking_mode(EXCLUSIVE)", // one process only, and no shared-memory file
	"journal_mode(WAL)",
	"synchronous(FULL)", // a commit is on the disk when it returns
	"fullfsync(ON)",     // on macOS also past the disk's own cache
	"foreign_keys(ON)",
	"secure_delete(ON)", // a destroyed key leaves no trace in free pages
	"trusted_schema(OFF)",
	"temp_store(MEMORY)",
}

// Store is an open database. Its methods are safe for concurrent use. They return the fault StoreUnavailable, or
// StoreDamaged if the file is damaged.
type Store struct {
	dir string
	db  *sql.DB
}

// Open opens the store in dir and makes it if there is none. Faults: StoreTooNew, StoreInUse, StoreDamaged,
// StoreUnavailable. It does not change a database that it refuses.
func Open(dir string) (*Store, error) {
	steps, err := migrations()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return open(dir, steps, patience)
}

func open(dir string, steps []string, patience time.Duration) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, unavailable("open", err)
	}
	path, err := prepare(dir)
	if err != nil {
		return nil, unavailable("open", err)
	}
	db, err := sql.Open("sqlite", dataSource(path, patience))
	if err != nil {
		return nil, unavailable("open", err)
	}
	// Exclusive locking requires that the same connection is kept.
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	s := &Store{dir: dir, db: db}
	ctx := context.Background()
	if err := check(ctx, db); err != nil {
		_ = db.Close()
		return nil, unavailable("check", err)
	}
	if err := migrate(ctx, db, steps); err != nil {
		_ = db.Close()
		return nil, unavailable("open", err)
	}
	return s, nil
}

// dataSource returns path in the form that modernc.org/sqlite takes: a URI (sqlite.org/uri.html) with _pragma
// parameters, which it executes in order.
func dataSource(path string, patience time.Duration) string {
	path = filepath.ToSlash(path)
	if runtime.GOOS == "windows" {
		path = "/" + path // file:///C:/…
	}
	query := url.Values{
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds())}, pragmas...),
		"_txlock": {"immediate"},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// check refuses a damaged database. It takes milliseconds, because a store holds a few thousand rows.
func check(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fault.Newf(fault.StoreDamaged, "store: quick_check does not say ok")
	}
	return nil
}

// Dir returns the store's folder, for files that belong next to the database.
func (s *Store) Dir() string { return s.dir }

// Close writes pending changes back and closes the database. A second call does nothing.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return unavailable("close", err)
	}
	return nil
}

// exec executes one statement. Its commit is on the disk when it returns.
func (s *Store) exec(what, statement string, args ...any) error {
	if _, err := s.db.ExecContext(context.Background(), statement, args...); err != nil {
		return unavailable(what, err)
	}
	return nil
}

// query calls row for each row of the result.
func (s *Store) query(what, statement string, row func(scan func(...any) error) error) (err error) {
	rows, err := s.db.QueryContext(context.Background(), statement)
	if err != nil {
		return unavailable(what, err)
	}
	defer func() {
		if err = errors.Join(err, rows.Close()); err != nil {
			err = unavailable(what, err)
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Setting decodes the JSON value of key into v. If the key was never put, found is false and v is unchanged.
func (s *Store) Setting(key string, v any) (found bool, err error) {
	var value string
	err = s.db.QueryRowContext(context.Background(), "SELECT value FROM settings WHERE key = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("read a setting", err)
	}
	if err := json.Unmarshal([]byte(value), v); err != nil {
		return false, unavailable("read a setting", errors.New("not the JSON that was expected"))
	}
	return true, nil
}

// PutSetting stores v as JSON under key.
func (s *Store) PutSetting(key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: put a setting: %w", err)
	}
	return s.exec("put a setting", "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, string(value))
}

// unavailable makes err the fault StoreUnavailable, unless it is a fault already. SQLite's messages name tables and
// columns, but never values.
func unavailable(what string, err error) error {
	if fault.CodeOf(err) != fault.Internal {
		return err
	}
	code := fault.StoreUnavailable
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & 0xff { // the primary result code
		case sqlite3.SQLITE_BUSY:
			code = fault.StoreInUse
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			code = fault.StoreDamaged
		}
	}
	return fault.New(code, fmt.Errorf("store: %s: %w", what, err))
}

// millis returns a time as it is stored: NULL for the zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// moment scans a time that millis wrote.
type moment struct{ to *time.Time }

// Scan implements [sql.Scanner].
func (m moment) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m.to = time.Time{}
	case int64:
		*m.to = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time is of type %T", v)
	}
	return nil
}
