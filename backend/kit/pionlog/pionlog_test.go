package pionlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestLevels: what Pion takes for an error is no more than a line for debugging,
// and what it traces is not even that.
func TestLevels(t *testing.T) {
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))).NewLogger("ice")
	l.Error("gone")
	l.Errorf("gone from %s", "192.0.2.1")
	l.Warn("late")
	l.Info("here")
	l.Debug("seen")
	l.Tracef("%d bytes", 7)
	if n := strings.Count(out.String(), "level=DEBUG"); n != 4 || strings.Count(out.String(), "pion=ice") != 4 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	Silent{}.NewLogger("ice").Errorf("%s", "nothing")
}
