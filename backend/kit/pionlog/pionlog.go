// Package pionlog has the loggers that Pion writes to: a slog.Logger, or none.
package pionlog

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// New returns loggers that pass Pion's messages to a slog.Logger one level lower
// than Pion marks them, because Pion calls every peer that goes away an error.
// They may contain addresses, so all of them are at debug level or below.
func New(logger *slog.Logger) logging.LoggerFactory { return loggers{logger} }

type loggers struct{ logger *slog.Logger }

// NewLogger implements [logging.LoggerFactory].
func (f loggers) NewLogger(scope string) logging.LeveledLogger {
	return leveled{f.logger.With("pion", scope)}
}

type leveled struct{ logger *slog.Logger }

const levelTrace = slog.LevelDebug - 4

func (l leveled) log(level slog.Level, msg string) {
	l.logger.Log(context.Background(), level, msg)
}

func (l leveled) logf(level slog.Level, format string, args ...any) {
	if l.logger.Enabled(context.Background(), level) {
		l.log(level, fmt.Sprintf(format, args...))
	}
}

// Trace and the methods below implement [logging.LeveledLogger].
func (l leveled) Trace(msg string)                  { l.log(levelTrace, msg) }
func (l leveled) Tracef(format string, args ...any) { l.logf(levelTrace, format, args...) }
func (l leveled) Debug(msg string)                  { l.log(levelTrace, msg) }
func (l leveled) Debugf(format string, args ...any) { l.logf(levelTrace, format, args...) }
func (l leveled) Info(msg string)                   { l.log(slog.LevelDebug, msg) }
func (l leveled) Infof(format string, args ...any)  { l.logf(slog.LevelDebug, format, args...) }
func (l leveled) Warn(msg string)                   { l.log(slog.LevelDebug, msg) }
func (l leveled) Warnf(format string, args ...any)  { l.logf(slog.LevelDebug, format, args...) }
func (l leveled) Error(msg string)                  { l.log(slog.LevelDebug, msg) }
func (l leveled) Errorf(format string, args ...any) { l.logf(slog.LevelDebug, format, args...) }

// Silent logs nothing, because Pion's lines name addresses of clients and peers,
// and quote what strangers sent.
type Silent struct{}

// NewLogger implements logging.LoggerFactory.
func (Silent) NewLogger(string) logging.LeveledLogger { return Silent{} }

// Trace and the methods below implement [logging.LeveledLogger].
func (Silent) Trace(string)          {}
func (Silent) Tracef(string, ...any) {}
func (Silent) Debug(string)          {}
func (Silent) Debugf(string, ...any) {}
func (Silent) Info(string)           {}
func (Silent) Infof(string, ...any)  {}
func (Silent) Warn(string)           {}
func (Silent) Warnf(string, ...any)  {}
func (Silent) Error(string)          {}
func (Silent) Errorf(string, ...any) {}
