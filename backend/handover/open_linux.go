package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// smsStart is RFC 5724 without a recipient.
const smsStart = "sms:?body="

// openPatience is how long open looks whether xdg-open fails. It is not told
// when it succeeds: in many sessions xdg-open lasts as long as the program that
// it has started. Tests wait for longer.
var openPatience = 3 * time.Second

// open starts the program that is registered for scheme. It asks first whether
// one is: without, xdg-open would hand the URI, secret and all, to a browser.
func open(ctx context.Context, scheme, uri string) error {
	if err := handled(ctx, scheme); err != nil {
		return err
	}
	cmd := exec.Command("xdg-open", uri)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives us, and a Ctrl-C meant for us
	if err := cmd.Start(); err != nil {
		return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", scheme, err))
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // ends with the program
	patience := time.NewTimer(openPatience)
	defer patience.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", scheme, err))
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}

// handled tells whether a program is registered for scheme. Where there is no
// xdg-mime (in a sandbox, xdg-open asks the portal, which asks the person),
// that is left to xdg-open.
func handled(ctx context.Context, scheme string) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	query := exec.CommandContext(ctx, "xdg-mime", "query", "default", "x-scheme-handler/"+scheme)
	query.WaitDelay = time.Second // for what it has started, and what holds its output
	out, err := query.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: no program is registered for %s", scheme))
	}
	return nil
}
