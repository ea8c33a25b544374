package handover

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDownloads(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("HOME", "/home/ann")
	for said, want := range map[string]string{
		"": "/home/ann/Downloads",
		"# made by xdg-user-dirs\nXDG_DOWNLOAD_DIR=\"$HOME/Téléchargements\"\n": "/home/ann/Téléchargements",
		"XDG_DOWNLOAD_DIR=\"/data/down\"":                                       "/data/down",
		"XDG_DOWNLOAD_DIR=\"$HOME/\"":                                           "/home/ann/Downloads",
		"XDG_DOWNLOAD_DIR=\"down\"":                                             "/home/ann/Downloads",
	} {
		if err := os.WriteFile(filepath.Join(config, "user-dirs.dirs"), []byte(said), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := downloads(); got != want || err != nil {
			t.Errorf("%q: %s, %v", said, got, err)
		}
	}
}
