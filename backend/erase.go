package backend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/porch-call/porch/backend/store"
)

// ours are all files and folders that Porch makes in its data folder. Whatever else is there is somebody
// else's: PORCH_DATA_DIR may name any folder.
var ours = []string{
	"porch.db", "porch.db-wal", "porch.db-shm", "porch.db-journal", "porch.lock",
	"relay", "doormessages", "files", "updates.json", "updates.json.new", "porch.log", "porch-older.log", "crash.log", "crash-trace.log",
}

// Erase removes all that Porch keeps in a data folder, and the folder if nothing else is in it. No Porch may be running
// with it. It removes what it can, and returns what it could not.
func Erase(dir string) error {
	var failed error
	for _, name := range ours {
		failed = errors.Join(failed, os.RemoveAll(filepath.Join(dir, name)))
	}
	if failed != nil {
		return fmt.Errorf("erase: %w", failed)
	}
	_ = os.Remove(dir) // not if something else is in it
	return nil
}

// Dir returns the folder that Options.Dir stands for if it is "".
func Dir() (string, error) { return store.Dir() }
