package handover

import (
	"testing"

	"github.com/atotto/clipboard"

	"github.com/porch-call/porch/backend/fault"
)

func TestCopyUnsupported(t *testing.T) {
	was := clipboard.Unsupported
	clipboard.Unsupported = true
	defer func() { clipboard.Unsupported = was }()
	if err := Copy(t.Context(), address); fault.CodeOf(err) != fault.ClipboardUnavailable {
		t.Error(err)
	}
}
