package userdirs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNamed(t *testing.T) {
	for said, want := range map[string]string{
		"":                                 "",
		"# XDG_VIDEOS_DIR=\"/x\"\n":        "",
		"XDG_VIDEOS_DIR=\"relative\"\n":    "",
		"XDG_VIDEOS_DIR=\"$HOME/\"":        "",
		"XDG_VIDEOS_DIR=\"$HOME/Filme\"\n": "/home/ada/Filme",
		"# made by xdg-user-dirs\nXDG_VIDEOS_DIR=\"$HOME/Vidéos\"\n": "/home/ada/Vidéos",
		"A=\"b\"\nXDG_VIDEOS_DIR=\"/media\"":                         "/media",
		"XDG_DOWNLOAD_DIR=\"/data/down\"":                            "",
	} {
		if got := named(said, "VIDEOS", "/home/ada"); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if got := Of("VIDEOS", "/home/ada"); got != "" {
		t.Errorf("without a file: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "user-dirs.dirs"), []byte("XDG_VIDEOS_DIR=\"$HOME/Filme\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Of("VIDEOS", "/home/ada"); got != "/home/ada/Filme" {
		t.Error(got)
	}
}
