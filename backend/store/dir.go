package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/porch-call/porch/backend/fault"
)

// fileName is the database's name in its folder. SQLite keeps fileName+"-wal" next to it.
const fileName = "porch.db"

// Dir returns the folder for Open: PORCH_DATA_DIR if it is set, otherwise "porch" in [os.UserConfigDir].
func Dir() (string, error) {
	if dir := os.Getenv("PORCH_DATA_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fault.New(fault.StoreUnavailable, fmt.Errorf("store: %w", err))
	}
	return filepath.Join(config, "porch"), nil
}

// prepare makes the folder and the database file with owner-only permissions before SQLite opens them, because SQLite
// gives the files next to the database the database's mode. A folder of ours (empty, or with a database in it) is
// narrowed if its mode has become wider. The mode of any other folder is left alone. On Windows the user's profile is
// private already.
func prepare(dir string) (path string, err error) {
	path = filepath.Join(dir, fileName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	_, statErr := os.Lstat(path)
	if runtime.GOOS != "windows" && (len(entries) == 0 || statErr == nil) {
		if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs x
			return "", err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return path, nil
}
