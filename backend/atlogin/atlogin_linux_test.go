package atlogin

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exec reads what a desktop would start for an entry: the string of the file, then the quoting of Exec.
func exec(t *testing.T, entry string) []string {
	t.Helper()
	_, line, ok := strings.Cut(entry, "\nExec=")
	if !ok {
		t.Fatalf("no Exec in %q", entry)
	}
	line, _, _ = strings.Cut(line, "\n")
	line = strings.ReplaceAll(line, `\\`, `\`)
	var args []string
	for line != "" {
		var arg strings.Builder
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			args, line = append(args, word), rest
			continue
		}
		i := 1
		for ; line[i] != '"'; i++ {
			if line[i] == '\\' {
				i++
			}
			if line[i] == '%' {
				i++
			}
			arg.WriteByte(line[i])
		}
		args, line = append(args, arg.String()), strings.TrimPrefix(line[i+1:], " ")
	}
	return args
}

// paths are paths that a careless file would start something else with.
var paths = []string{
	"/usr/bin/porch", "/home/Ada Lovelace/Porch.AppImage", `/tmp/a"b`, "/tmp/`id`/$HOME/porch", `/tmp/back\slash`, "/tmp/50%u/porch", "/tmp/ü/茶/porch",
}

func TestDesktopEntry(t *testing.T) {
	for _, path := range paths {
		args := exec(t, desktopEntry(path))
		if len(args) != 2 || args[0] != path || args[1] != Background {
			t.Errorf("%s: starts %q", path, args)
		}
	}
}

func TestLaunchAgent(t *testing.T) {
	for _, path := range append(paths, "/Applications/A & B <c>/porch") {
		var list struct {
			Arguments []string `xml:"dict>array>string"`
			Keys      []string `xml:"dict>key"`
		}
		if err := xml.Unmarshal([]byte(launchAgent(path)), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Arguments) != 2 || list.Arguments[0] != path || list.Arguments[1] != Background || len(list.Keys) != 4 {
			t.Errorf("%s: %+v", path, list)
		}
	}
}

func TestRunValue(t *testing.T) {
	if got := runValue(`C:\Users\Ada L\porch.exe`); got != `"C:\Users\Ada L\porch.exe" --background` {
		t.Error(got)
	}
}

func TestLinux(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	wants := func(want bool) {
		t.Helper()
		if on, err := On(); err != nil || on != want {
			t.Fatalf("on: %v, %v; want %v", on, err, want)
		}
	}
	set := func(on bool) {
		t.Helper()
		if err := Set(on); err != nil {
			t.Fatal(err)
		}
	}
	wants(false)
	set(true)
	wants(true)
	path := filepath.Join(config, "autostart", "call.porch.app.desktop")
	entry, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	if args := exec(t, string(entry)); len(args) != 2 || filepath.Base(args[0]) != filepath.Base(self) {
		t.Errorf("starts %q", args)
	}
	// Turned off in the desktop's own settings.
	for _, line := range []string{"Hidden=true\n", "X-GNOME-Autostart-enabled=false\n"} {
		if err := os.WriteFile(path, append(entry, line...), 0o600); err != nil {
			t.Fatal(err)
		}
		wants(false)
	}
	set(true)
	wants(true)
	t.Setenv("APPIMAGE", "/home/ada/Porch.AppImage")
	set(true)
	if entry, _ := os.ReadFile(path); exec(t, string(entry))[0] != "/home/ada/Porch.AppImage" {
		t.Errorf("%s", entry)
	}
	set(false)
	wants(false)
	set(false)

	// A folder that can't be made is an error, and not a switch that seems to be on.
	t.Setenv("XDG_CONFIG_HOME", path)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Set(true); err == nil {
		t.Error("set in a file")
	}
	// Nor is one in a sandbox, whose files no login reads.
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("FLATPAK_ID", ID)
	if _, err := On(); err == nil || Set(true) == nil {
		t.Error("set in a sandbox")
	}
}
