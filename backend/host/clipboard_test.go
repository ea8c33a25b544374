package host

import (
	"errors"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

func TestASecondWayToTheClipboard(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no xclip, xsel, wl-copy
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	var got string
	var failing error
	f := start(t, setup{copies: func(text string) error {
		got = text
		return failing
	}})
	l := f.link()
	url := l.Addresses[0].URL
	f.must(f.host.Sharing().Copy(f.ctx, l.ID, url))
	if got != url {
		t.Errorf("copied %q", got)
	}
	failing = errors.New("no toolkit")
	if err := f.host.Sharing().Copy(f.ctx, l.ID, url); fault.CodeOf(err) != fault.ClipboardUnavailable {
		t.Errorf("both fail: %v", err)
	}
}
