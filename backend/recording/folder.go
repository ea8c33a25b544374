package recording

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"

	"github.com/porch-call/porch/backend/kit/userdirs"
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
	return cmp.Or(userdirs.Of("VIDEOS", home), filepath.Join(home, "Videos"))
}
