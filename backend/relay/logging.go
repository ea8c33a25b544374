package relay

import (
	"context"
	"log/slog"
	"strings"
)

// quietHandler takes net/http's own log lines, which name guests' addresses and
// quote what they sent. It passes on only the kind of the event.
type quietHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (q quietHandler) Handle(ctx context.Context, r slog.Record) error {
	kind := "other"
	switch {
	case strings.Contains(r.Message, "TLS handshake error"):
		kind = "TLS handshake"
	case strings.Contains(r.Message, "panic"):
		kind = "panic"
	case strings.Contains(r.Message, "superfluous"):
		kind = "superfluous header"
	}
	quiet := slog.NewRecord(r.Time, r.Level, "relay: http", r.PC)
	quiet.AddAttrs(slog.String("kind", kind))
	return q.Handler.Handle(ctx, quiet)
}
