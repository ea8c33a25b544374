package handover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atotto/clipboard"

	"github.com/porch-call/porch/backend/fault"
)

// clipboardPatience is how long the clipboard may take, because a display server that hangs must not block the caller
// of Copy.
const clipboardPatience = 5 * time.Second

// Copy puts text on the system's clipboard. On Linux it needs xclip, xsel or wl-copy. Fault: ClipboardUnavailable.
func Copy(ctx context.Context, text string) error {
	if clipboard.Unsupported {
		return fault.New(fault.ClipboardUnavailable, errors.New("handover: no clipboard program was found"))
	}
	ctx, cancel := context.WithTimeout(ctx, clipboardPatience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- clipboard.WriteAll(text) }() // ends with the clipboard program
	select {
	case err := <-done:
		if err != nil {
			return fault.New(fault.ClipboardUnavailable, fmt.Errorf("handover: copy: %w", err))
		}
		return nil
	case <-ctx.Done():
		return fault.New(fault.ClipboardUnavailable, fmt.Errorf("handover: copy: %w", ctx.Err()))
	}
}
