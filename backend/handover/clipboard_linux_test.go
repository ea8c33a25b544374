package handover

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// screen starts an X server for the test.
func screen(t *testing.T) {
	t.Helper()
	for _, program := range []string{"Xvfb", "xclip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	if os.Getenv("WAYLAND_DISPLAY") != "" {
		t.Skip("the clipboard was chosen for Wayland when the test started")
	}
	number, write, err := os.Pipe()
	must(t, err)
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset")
	x.ExtraFiles = []*os.File{write}
	must(t, x.Start())
	t.Cleanup(func() {
		_ = x.Process.Kill()
		_ = x.Wait() // an error, because it was killed
		_ = number.Close()
	})
	must(t, write.Close())
	line, err := bufio.NewReader(number).ReadString('\n')
	must(t, err)
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(line))
}

func TestCopy(t *testing.T) {
	screen(t)
	for _, text := range []string{address, "Zoë's 🎂\nline two\n", "-selection primary", ""} {
		must(t, Copy(t.Context(), text))
		// xclip returns shortly before the X server knows that it owns the selection.
		var got []byte
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			if got, _ = exec.Command("xclip", "-out", "-selection", "clipboard").Output(); string(got) == text {
				break
			}
		}
		if string(got) != text {
			t.Errorf("the clipboard has %q, want %q", got, text)
		}
	}
}

func TestCopyUnavailable(t *testing.T) {
	unavailable := func(t *testing.T, ctx context.Context) {
		t.Helper()
		if err := Copy(ctx, address); fault.CodeOf(err) != fault.ClipboardUnavailable || strings.Contains(err.Error(), "example") {
			t.Error(err)
		}
	}
	t.Run("no display", func(t *testing.T) {
		t.Setenv("DISPLAY", ":porch-has-none")
		t.Setenv("WAYLAND_DISPLAY", "")
		unavailable(t, t.Context())
	})
	t.Run("gone since the start", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		unavailable(t, t.Context())
	})
}
