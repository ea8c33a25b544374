package atlogin

import (
	"fmt"
	"os"
	"path/filepath"
)

func file() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("atlogin: %w", err)
	}
	return filepath.Join(home, "Library", "LaunchAgents", ID+".plist"), nil
}

// On reports whether the app is started when its user logs in.
func On() (bool, error) {
	path, err := file()
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	if err != nil && !os.IsNotExist(err) {
		return false, fmt.Errorf("atlogin: %w", err)
	}
	return err == nil, nil
}

// entry returns what is in the file.
func entry(program string) string { return launchAgent(program) }
