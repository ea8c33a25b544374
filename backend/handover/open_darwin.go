package handover

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// smsStart is a start without a recipient that Messages understands. Apple documents no body at all, and takes "?"
// before it (RFC 5724) for a part of the number.
const smsStart = "sms:&body="

// openPatience is how long Launch Services may take.
const openPatience = 10 * time.Second

// open starts the program that is registered for scheme. open(1) fails if there is none, and does not wait for the
// program.
func open(ctx context.Context, scheme, uri string) error {
	return start(ctx, scheme, uri)
}

// reveal selects a file in the Finder.
func reveal(ctx context.Context, path string) error { return start(ctx, "folder", "-R", path) }

// start runs open(1). what names its argument in errors.
func start(ctx context.Context, what string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	if err := exec.CommandContext(ctx, "/usr/bin/open", arguments...).Run(); err != nil {
		return fault.New(fault.OpenerUnavailable, fmt.Errorf("handover: open %s: %w", what, err))
	}
	return nil
}
