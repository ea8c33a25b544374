package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// schema holds one file for each version, NUMBER_SUBJECT.sql, from 1 without gaps. A file never changes after it was
// released. A database of each version in testdata checks that.
//
//go:embed schema/*.sql
var schema embed.FS

// migrations returns the steps. The step at index n leads from version n to n+1.
func migrations() ([]string, error) {
	names, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	number := func(name string) int {
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, "schema/"), "_")
		n, _ := strconv.Atoi(digits)
		return n
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Compare(number(x), number(y)) })
	steps := make([]string, len(names))
	for i, name := range names {
		if number(name) != i+1 {
			return nil, fmt.Errorf("store: schema file %s is not number %d", name, i+1)
		}
		step, err := schema.ReadFile(name)
		if err != nil {
			return nil, err
		}
		steps[i] = string(step)
	}
	return steps, nil
}

// migrate brings a database to the newest version. Each step and its new version number are one transaction. Fault:
// StoreTooNew.
func migrate(ctx context.Context, db *sql.DB, steps []string) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(steps) {
		return fault.Newf(fault.StoreTooNew, "store: schema version %d, newest known is %d", version, len(steps))
	}
	for ; version < len(steps); version++ {
		err := inTransaction(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, steps[version]); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate from version %d: %w", version, err)
		}
	}
	return nil
}

func inTransaction(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // do's error is the one that matters
		return err
	}
	return tx.Commit()
}
