package handover

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/porch-call/porch/backend/kit/userdirs"
)

// downloads returns the folder that the desktop has for downloads.
func downloads() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return cmp.Or(userdirs.Of("DOWNLOAD", home), filepath.Join(home, "Downloads")), nil
}

// markForeign does nothing: desktops here ask before they run a file without the executable bit.
func markForeign(string) {}
