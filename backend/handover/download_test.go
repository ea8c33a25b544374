package handover

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADownloadReplacesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "downloads")
	for i, want := range []string{"tea.pdf", "tea (2).pdf", "tea (3).pdf"} {
		d, err := NewDownload(dir, "tea.pdf")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, want)); err == nil {
			t.Error("it is there before it is whole")
		}
		name, err := d.Keep()
		d.Discard()
		b, readErr := os.ReadFile(filepath.Join(dir, want))
		if err != nil || name != want || readErr != nil || len(b) != 1 || b[0] != byte(i) {
			t.Errorf("%d: %q, %v, %v, %v", i, name, err, b, readErr)
		}
	}
	d, err := NewDownload(dir, "half.pdf")
	if err != nil {
		t.Fatal(err)
	}
	d.Discard()
	d.Discard()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 3 {
		t.Errorf("%d files, %v", len(left), err)
	}
	for _, name := range []string{"../a", "a/b", "", "..", "/etc/passwd"} {
		if _, err := NewDownload(dir, name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestADownloadThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	d, err := NewDownload(dir, "tea.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(d.file.Name()); err != nil { // as somebody who tidies the folder
		t.Skip(err) // Windows removes no open file
	}
	if _, err := d.Keep(); err == nil {
		t.Error("what is gone was kept")
	}
	d.Discard()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestADownloadFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Symlink(outside, filepath.Join(dir, "tea.pdf")); err != nil {
		t.Skip(err)
	}
	d, err := NewDownload(dir, "tea.pdf")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if name, err := d.Keep(); err != nil || name != "tea (2).pdf" {
		t.Errorf("%q, %v", name, err)
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("a link was followed")
	}
}
