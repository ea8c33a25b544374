package atlogin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func file() (string, error) {
	// Flatpak's folder for settings is one that no login reads.
	if os.Getenv("FLATPAK_ID") != "" {
		return "", errors.New("atlogin: in a sandbox")
	}
	config, err := os.UserConfigDir() // XDG_CONFIG_HOME, or ~/.config
	if err != nil {
		return "", fmt.Errorf("atlogin: %w", err)
	}
	return filepath.Join(config, "autostart", ID+".desktop"), nil
}

// On reports whether the app is started when its user logs in.
func On() (bool, error) {
	path, err := file()
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path) //nolint:gosec // a file of ours
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("atlogin: %w", err)
	}
	return !hidden(string(text)), nil
}

// entry returns what is in the file.
func entry(program string) string { return desktopEntry(program) }
