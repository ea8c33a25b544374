package recording

import (
	"path/filepath"
	"testing"
)

func TestTheFolderOfVideos(t *testing.T) {
	for dirs, want := range map[string]string{
		"":                                   "",
		"# XDG_VIDEOS_DIR=\"/x\"\n":          "",
		"XDG_VIDEOS_DIR=\"relative\"\n":      "",
		"XDG_VIDEOS_DIR=\"$HOME/Filme\"\n":   filepath.Join("/home/ada", "Filme"),
		"A=\"b\"\nXDG_VIDEOS_DIR=\"/media\"": "/media",
	} {
		if got := named(dirs, "/home/ada"); got != want {
			t.Errorf("%q: %q, want %q", dirs, got, want)
		}
	}
	t.Setenv("PORCH_DATA_DIR", "/somewhere")
	if got := Folder(); got != filepath.FromSlash("/somewhere/recordings") {
		t.Error(got)
	}
}
