package recording

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Folder returns where recordings belong: "recordings" in PORCH_DATA_DIR if that is set, otherwise "Porch" in the user's
// folder of videos.
func Folder() string {
	if dir := os.Getenv("PORCH_DATA_DIR"); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			return filepath.Join(abs, "recordings")
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(videos(home), "Porch")
}

// videos returns the folder of videos in a home.
func videos(home string) string {
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Movies")
	case "windows":
		return filepath.Join(home, "Videos")
	}
	config, err := os.UserConfigDir()
	if err == nil {
		if b, err := os.ReadFile(filepath.Join(config, "user-dirs.dirs")); err == nil {
			if dir := named(string(b), home); dir != "" {
				return dir
			}
		}
	}
	return filepath.Join(home, "Videos")
}

// named reads the folder of videos from user-dirs.dirs (xdg-user-dirs): XDG_VIDEOS_DIR="$HOME/…" or an absolute path. It
// returns "" if there is none.
func named(dirs, home string) string {
	for line := range strings.Lines(dirs) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "XDG_VIDEOS_DIR=")
		if !ok {
			continue
		}
		value = strings.Trim(value, `"`)
		if rest, ok := strings.CutPrefix(value, "$HOME/"); ok {
			return filepath.Join(home, rest)
		}
		if filepath.IsAbs(value) {
			return value
		}
	}
	return ""
}
