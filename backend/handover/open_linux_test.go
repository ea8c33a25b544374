package handover

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// desktop makes a session in which a script handles mailto: and sms:. The script writes its argument into a pipe.
func desktop(t *testing.T, script string, schemes ...string) (given string) {
	t.Helper()
	if _, err := exec.LookPath("xdg-open"); err != nil {
		t.Skip("xdg-open is not installed")
	}
	home := t.TempDir()
	given = filepath.Join(home, "given")
	handler := filepath.Join(home, "handler")
	must(t, os.WriteFile(handler, []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "GIVEN", given)), 0o700))
	applications := filepath.Join(home, "data", "applications")
	must(t, os.MkdirAll(applications, 0o700))
	must(t, os.MkdirAll(filepath.Join(home, "config"), 0o700))
	var types, defaults string
	for _, scheme := range schemes {
		types += "x-scheme-handler/" + scheme + ";"
		defaults += "x-scheme-handler/" + scheme + "=handler.desktop\n"
	}
	must(t, os.WriteFile(filepath.Join(applications, "handler.desktop"), fmt.Appendf(nil,
		"[Desktop Entry]\nType=Application\nName=Handler\nExec=%s %%u\nMimeType=%s\n", handler, types), 0o600))
	must(t, os.WriteFile(filepath.Join(home, "config", "mimeapps.list"), []byte("[Default Applications]\n"+defaults), 0o600))
	for name, value := range map[string]string{
		"HOME": home, "XDG_DATA_HOME": filepath.Join(home, "data"), "XDG_CONFIG_HOME": filepath.Join(home, "config"),
		"XDG_DATA_DIRS": filepath.Join(home, "none"), "XDG_CONFIG_DIRS": filepath.Join(home, "none"),
		"XDG_CURRENT_DESKTOP": "X-Generic", "DESKTOP_SESSION": "", "KDE_FULL_SESSION": "", "GNOME_DESKTOP_SESSION_ID": "",
		"DBUS_SESSION_BUS_ADDRESS": "disabled:", "DISPLAY": ":porch-has-none", "WAYLAND_DISPLAY": "", "BROWSER": "false",
	} {
		t.Setenv(name, value)
	}
	return given
}

// This runs the real xdg-open and a real handler, and compares the text.
func TestOpen(t *testing.T) {
	given := desktop(t, `printf '%s\n' "$#" "$@" >GIVEN.tmp && mv GIVEN.tmp GIVEN`, "mailto", "sms", "https")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"mail", func() error { return Mail(ctx, "Zoë's call; $(reboot) \"x\" -y %s %u", address+"\n") }, mailURI("Zoë's call; $(reboot) \"x\" -y %s %u", address+"\n")},
		{"page", func() error { return Page(ctx, "https://porch.example:8443/download/1.2.0") }, "https://porch.example:8443/download/1.2.0"},
		{"messages", func() error { return Messages(ctx, "'"+address) }, smsURI("'" + address)},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, c.do())
			await(t, given) // on a busy machine, xdg-open takes longer than openPatience
			got, err := os.ReadFile(given)
			must(t, err)
			must(t, os.Remove(given))
			if want := "1\n" + c.want + "\n"; string(got) != want {
				t.Errorf("the handler was given\n%s, want\n%s", got, want)
			}
		})
	}
}

// A mail program that stays open is neither waited for nor killed.
func TestOpenDoesNotWait(t *testing.T) {
	given := desktop(t, `mkfifo GIVEN.go; : >GIVEN; read -r word <GIVEN.go; printf '%s' "$word" >GIVEN.tmp; mv GIVEN.tmp GIVEN.end`, "mailto")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Mail(ctx, "", address) }()
	await(t, given)
	cancel() // the caller has gone, and the program still runs
	must(t, <-done)
	must(t, os.WriteFile(given+".go", []byte("goodbye\n"), 0))
	await(t, given+".end")
	if word, err := os.ReadFile(given + ".end"); err != nil || string(word) != "goodbye" {
		t.Error(string(word), err)
	}
}

// await polls for a file that another program writes.
func await(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the handler did not come so far")
}

func TestOpenUnavailable(t *testing.T) {
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		if fault.CodeOf(err) != fault.OpenerUnavailable || strings.Contains(err.Error(), "example") {
			t.Error(err)
		}
	}
	t.Run("nothing registered", func(t *testing.T) {
		given := desktop(t, `: >GIVEN`, "mailto")
		t.Setenv("BROWSER", filepath.Join(filepath.Dir(given), "handler")) // must not be started
		unavailable(t, Messages(t.Context(), address))
		if _, err := os.Stat(given); err == nil {
			t.Error("a browser was given a message and the secret in it")
		}
	})
	t.Run("handler fails", func(t *testing.T) {
		desktop(t, `exit 1`, "mailto")
		patience := openPatience
		openPatience = time.Minute
		t.Cleanup(func() { openPatience = patience })
		unavailable(t, Mail(t.Context(), "", address))
	})
	t.Run("no xdg-open", func(t *testing.T) {
		desktop(t, `exit 1`, "mailto")
		t.Setenv("PATH", t.TempDir())
		unavailable(t, Mail(t.Context(), "", address))
	})
}
