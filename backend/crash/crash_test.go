package crash

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What must never be in a report, in forms in which it may get into a log.
var secrets = []string{
	"Ada Lovelace", "Ада", "آدا", "José", "茶道",
	"https://porch.example/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4mrze8BI0VniQ", "jTPd1CHjS1a8m3t7vVQxYw", "q83vASNFZ4mrze8BI0VniQ",
	"192.168.1.23:47100", "203.0.113.9", "2001:db8::1", "[fe80::1%eth0]:5", "ada@porch.example", "porch.example", "relay.example:443",
	"/home/ada/.config/porch/porch.db", `C:\Users\ada\porch`, "token=abcdef0123456789abcdef0123456789", "deadbeefdeadbeefdeadbeefdeadbeef", "abcdefghijklmnopqrstuvwxyz",
	"4f:d2:aa:01:02:03", "2GB7QK",
}

// begun returns a keeper of a folder.
func begun(dir string) (*Keeper, error) {
	k := New(dir)
	return k, k.Begin()
}

func TestScrub(t *testing.T) {
	for _, secret := range secrets {
		for _, form := range []string{
			"%s", "read %s: connection reset", "dial tcp %s: no route", "guest %q is in", "said '%s' and left", "(%s)", "a=%s,", "“%s”", "%s\nnext %[1]s", "%%!s(MISSING) %s",
		} {
			got := Scrub(fmt.Sprintf(form, secret))
			for _, part := range strings.FieldsFunc(secret, func(r rune) bool { return r == ' ' }) {
				if strings.Contains(got, part) {
					t.Errorf("%q leaves %q", fmt.Sprintf(form, secret), got)
				}
			}
		}
	}
	for text, want := range map[string]string{
		"close the backend":                            "close the backend",
		"read udp 10.0.0.1:5: use of closed":           "read udp … use of closed",
		"Porch can't open UDP sockets, and says so.":   "Porch can't open UDP sockets, and says so.",
		"\"a\" `b` c":                                  "… c",
		strings.Repeat("x", 30) + " a " + "\x1b[31m b": "… a … b",
		"": "",
	} {
		if got := Scrub(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestTheLogHasNoSecrets(t *testing.T) {
	dir := t.TempDir()
	k := New(dir)
	defer func() { _ = k.Close() }()
	log := slog.New(k.Handler(slog.NewTextHandler(io.Discard, nil)))
	for _, secret := range secrets {
		log.Info("a guest came: "+secret, "name", secret, "count", 3, "error", errors.New("open "+secret+": is gone"), secret, "x")
		log.With("at", secret).WithGroup(secret).Warn("again", slog.Group(secret, "b", secret))
		log.Debug(secret)
	}
	if err := k.Begin(); err != nil { // what was logged before is kept
		t.Fatal(err)
	}
	report := string(k.Report("porch 1.2.3"))
	for _, secret := range secrets {
		if strings.Contains(report, secret) {
			t.Errorf("%q is in the report", secret)
		}
	}
	for _, want := range []string{"porch 1.2.3\n", "a guest came: …", "count=3", `error="open … is gone"`, "(none)"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in\n%s", want, report)
		}
	}
}

func TestTheLogStaysShort(t *testing.T) {
	dir := t.TempDir()
	k, err := begun(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(k.Handler(slog.DiscardHandler))
	for range 20_000 {
		log.Info("the same line over and over again")
	}
	log.Info("the last line")
	report := string(k.Report("porch"))
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(report, "over and over"); n < lastLines-5 || n > lastLines || !strings.Contains(report, "the last line") {
		t.Errorf("%d lines of the log are in the report", n)
	}
	entries, _ := os.ReadDir(dir)
	var size int64
	for _, e := range entries {
		info, _ := e.Info()
		size += info.Size()
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
	}
	if size > 3*maxLog {
		t.Errorf("%d bytes", size)
	}
}

// TestCrash runs this test's program until it crashes, in each way that there is.
func TestCrash(t *testing.T) {
	if how := os.Getenv("CRASH_HOW"); how != "" {
		k, err := begun(os.Getenv("CRASH_DIR"))
		if err != nil {
			t.Fatal(err)
		}
		slog.New(k.Handler(slog.DiscardHandler)).Info("about to fall")
		die(how, secrets[0], secrets[5])
		return
	}
	for how, want := range map[string]string{
		"panic": "panic: …", "nil": "panic: runtime error: invalid memory address or nil pointer dereference", "map": "maps.fatal", "error": "panic: …",
	} {
		t.Run(how, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "Ada Lovelace")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			program := exec.Command(os.Args[0], "-test.run", "^TestCrash$") //nolint:gosec // this test
			program.Env = append(os.Environ(), "CRASH_HOW="+how, "CRASH_DIR="+dir)
			if out, err := program.CombinedOutput(); err == nil {
				t.Fatalf("it lives: %s", out)
			}
			k, err := begun(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !k.Crashed() {
				t.Fatal("nothing is known of it")
			}
			report := string(k.Report("porch 1.2.3 (go1.26, linux/amd64)"))
			for _, want := range []string{want, "backend/crash.die", "crash/crash_test.go:", "about to fall"} {
				if !strings.Contains(report, want) {
					t.Errorf("%q is not in\n%s", want, report)
				}
			}
			for _, secret := range append(secrets, "Lovelace", dir) {
				if strings.Contains(report, secret) {
					t.Errorf("%q is in\n%s", secret, report)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, rawName)); err == nil {
				if raw, _ := os.ReadFile(filepath.Join(dir, rawName)); len(raw) > 0 {
					t.Errorf("what the runtime wrote is still there: %s", raw)
				}
			}
			_ = k.Close()

			// Until the host has dealt with it.
			again, err := begun(dir)
			if err != nil || !again.Crashed() {
				t.Fatalf("forgotten by itself, %v", err)
			}
			again.Forget()
			_ = again.Close()
			last, err := begun(dir)
			if err != nil || last.Crashed() {
				t.Errorf("remembered for ever, %v", err)
			}
			_ = last.Close()
		})
	}
}

// die ends the program.
//
//go:noinline
func die(how, name, link string) {
	switch how {
	case "panic":
		panic("guest " + name + " at " + link)
	case "error":
		panic(fmt.Errorf("open %s: %w", link, os.ErrNotExist))
	case "nil":
		var k *Keeper
		k.dir = name
	case "map":
		m := map[string]int{name: 1}
		for range 8 {
			go func() {
				for {
					m[link]++
				}
			}()
		}
		select {}
	}
}

func TestAnEndIsNoCrash(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		k, err := begun(dir)
		if err != nil || k.Crashed() {
			t.Fatalf("crashed: %v, %v", k.Crashed(), err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Killed, or without power: the runtime wrote nothing.
	if _, err := begun(dir); err != nil {
		t.Fatal(err)
	}
	if k, err := begun(dir); err != nil || k.Crashed() {
		t.Errorf("killed is not crashed: %v", err)
	}
	if _, err := begun(filepath.Join(dir, "gone")); err == nil {
		t.Error("a folder that is not there")
	}
}

func FuzzScrubTrace(f *testing.F) {
	f.Add("panic: Ada\n\ngoroutine 1 [running]:\nmain.f({0x1, 0x2})\n\t/home/ada/x/y.go:12 +0x1d\n")
	f.Fuzz(func(t *testing.T, trace string) {
		for _, secret := range []string{"https://porch.example/j/x#y", "ada@porch.example", "Ada Lovelace", "203.0.113.9"} {
			if got := ScrubTrace("panic: " + secret + "\n" + trace); strings.Contains(got, secret) && !strings.Contains(trace, secret) {
				t.Errorf("%q is in %q", secret, got)
			}
		}
	})
}

func TestScrubTrace(t *testing.T) {
	trace := "SIGABRT: abort\nPC=0x48 m=0 sigcode=0\n\ngoroutine 5 gp=0xc00 m=3 mp=0xc01 [syscall, 2 minutes]:\n" +
		"runtime.notetsleepg(0x1, 0x2)\n\t/usr/local/go/src/runtime/lock_futex.go:140 +0x29 fp=0xc0 sp=0xc1 pc=0x4\n" +
		"main.say({0xc000012, 0x5}, \"Ada\")\nrax    0xca\nrbx    0x41646120\ncreated by main.run in goroutine 1\n\t/home/ada/src/porch/main.go:12 +0x1\n"
	want := "SIGABRT\n…\n\ngoroutine [syscall]:\nruntime.notetsleepg\n\t…/runtime/lock_futex.go:140\n…\ncreated by main.run\n\t…/porch/main.go:12\n"
	if got := ScrubTrace(trace); got != want {
		t.Errorf("%s", got)
	}
}
