package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// smsStart is RFC 5724 without a recipient.
const smsStart = "sms:?body="

// openPatience is how long open waits to see whether xdg-open fails. There is no sign of success, because in many
// sessions xdg-open runs as long as the program that it started. Tests wait for longer.
var openPatience = 3 * time.Second

// open starts the program that is registered for scheme. It first checks that there is one, because otherwise
// xdg-open would pass the URI with its secret to a browser.
func open(ctx context.Context, scheme, uri string) error {
	if err := handled(ctx, scheme); err != nil {
		return err
	}
	return start(ctx, scheme, uri)
}

// reveal shows the folder of a file.
func reveal(ctx context.Context, path string) error { return start(ctx, "folder", filepath.Dir(path)) }

// start runs xdg-open. what names its argument in errors.
func start(ctx context.Context, what, uri string) error {
	cmd := exec.Command("xdg-open", uri)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives us, and ignores our Ctrl-C
	if err := cmd.Start(); err != nil {
		return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", what, err))
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the program
	patience := time.NewTimer(openPatience)
	defer patience.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", what, err))
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}

// handled checks that a program is registered for scheme. If there is no xdg-mime, it leaves the check to xdg-open.
// (In a sandbox, xdg-open asks the portal, which asks the user.)
func handled(ctx context.Context, scheme string) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	query := exec.CommandContext(ctx, "xdg-mime", "query", "default", "x-scheme-handler/"+scheme)
	query.WaitDelay = time.Second // for child processes that keep the output open
	out, err := query.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: no program is registered for %s", scheme))
	}
	return nil
}
