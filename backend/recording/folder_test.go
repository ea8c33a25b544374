package recording

import (
	"path/filepath"
	"testing"
)

func TestTheFolderOfRecordings(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PORCH_DATA_DIR", dir)
	if got := Folder(); got != filepath.Join(dir, "recordings") {
		t.Error(got)
	}
}
