// Package atlogin has the app started when its user logs in, in each system's own way: a file of the XDG autostart
// folder on Linux, a value of the registry on Windows, a LaunchAgent on macOS. Nothing of it needs an administrator. The
// system's file is the truth: it is looked at each time, because users change it elsewhere too.
package atlogin

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
)

// Background is the argument with which the system starts the app, so that its window stays out of the way.
const Background = "--background"

// ID names the app to the systems.
const ID = "call.porch.app"

// Program returns the path of the program that is to be started. An AppImage runs from a folder that is gone later, and
// says where it is itself.
func Program() (string, error) {
	if image := os.Getenv("APPIMAGE"); image != "" {
		return image, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("atlogin: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path, nil
}

// desktopEntry returns a file of the autostart folder (Desktop Application Autostart Specification 0.5). In Exec, an
// argument is quoted, and the quoted text is then a string of the file, in which a backslash is doubled (Desktop Entry
// Specification 1.5, "The Exec key").
func desktopEntry(program string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`, `%`, `%%`).Replace(program)
	return "[Desktop Entry]\nType=Application\nName=Porch\nIcon=porch\nTerminal=false\n" +
		`Exec="` + strings.ReplaceAll(quoted, `\`, `\\`) + `" ` + Background + "\n" +
		"X-GNOME-Autostart-enabled=true\n"
}

// hidden reports whether a desktop entry says that it does not count. Desktops write that when a user turns it off there.
func hidden(entry string) bool {
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimSpace(key) {
		case "Hidden":
			if strings.TrimSpace(value) == "true" {
				return true
			}
		case "X-GNOME-Autostart-enabled":
			if strings.TrimSpace(value) == "false" {
				return true
			}
		}
	}
	return false
}

// runValue returns a value of the registry key Run: a command line, in which a path is quoted because it may have
// spaces. A path on Windows has no quotes in it.
func runValue(program string) string { return `"` + program + `" ` + Background }

// launchAgent returns a property list for launchd (launchd.plist(5)).
func launchAgent(program string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key><string>` + ID + `</string>
	<key>ProgramArguments</key>
	<array><string>` + html.EscapeString(program) + `</string><string>` + Background + `</string></array>
	<key>RunAtLoad</key><true/>
	<key>ProcessType</key><string>Interactive</string>
</dict>
</plist>
`
}

// write puts a file of ours into a folder of the system's, which may not be there yet.
func write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("atlogin: %w", err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("atlogin: %w", err)
	}
	return nil
}

// remove takes it away. That it is gone already is no error.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("atlogin: %w", err)
	}
	return nil
}
