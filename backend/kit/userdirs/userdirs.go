// Package userdirs reads where a Linux desktop has the user's folders (xdg-user-dirs).
package userdirs

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Of returns the folder for a purpose, as "DOWNLOAD" or "VIDEOS", in a home; "" if the desktop has none.
func Of(purpose, home string) string {
	config, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	said, _ := os.ReadFile(filepath.Join(config, "user-dirs.dirs")) // many systems have none
	return named(string(said), purpose, home)
}

// named reads what user-dirs.dirs says: XDG_VIDEOS_DIR="$HOME/…", or an absolute path. The home itself means none.
func named(said, purpose, home string) string {
	for line := range strings.Lines(said) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "XDG_"+purpose+"_DIR=")
		if !ok {
			continue
		}
		value = strings.Trim(value, `"`)
		if rest, ok := strings.CutPrefix(value, "$HOME/"); ok {
			value = path.Join(home, rest)
		}
		if value = path.Clean(value); path.IsAbs(value) && value != path.Clean(home) {
			return value
		}
	}
	return ""
}
