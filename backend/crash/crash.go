// Package crash keeps what is needed to find out why the program died: a short log of what it did, and the trace of a
// crash. Both are in the data folder, and leave it only if the host saves a report.
//
// Nothing in them may say who calls whom. Log lines are scrubbed before they are written (see [Scrub]). A trace is
// written by the Go runtime as it dies, and scrubbed when the program starts the next time.
package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

const (
	logName   = "porch.log"       // what the program does now
	olderName = "porch-older.log" // and did before
	rawName   = "crash.log"       // written by the Go runtime
	traceName = "crash-trace.log" // of the last crash, scrubbed

	maxLog    = 128 << 10 // bytes of porch.log, before it becomes the older one
	maxTrace  = 256 << 10 // bytes that are read of a trace
	lastLines = 200       // of the log, in a report, and of what is kept before Begin
)

// Keeper writes the log, and has the report of an earlier crash.
type Keeper struct {
	dir     string
	crashed bool

	mu   sync.Mutex // guards what follows; no other lock is acquired under it
	file *os.File   // nil before Begin, after Close, and if the folder can't be written
	size int64
	wait []string // lines from before Begin
}

// New returns a keeper that writes nothing yet, because another Porch may have the folder. Its handler may be used.
func New(dir string) *Keeper { return &Keeper{dir: dir} }

// Begin looks whether the last run crashed, and has this one leave its trace if it does. It is called once the folder is
// this program's own. A folder that can't be written is an error, and the keeper then keeps nothing.
func (k *Keeper) Begin() error {
	k.mu.Lock()
	k.crashed = k.collect()
	err := errors.Join(k.openLog(), k.watch())
	wait := k.wait
	k.wait = nil
	k.mu.Unlock()
	for _, text := range wait {
		k.line(text)
	}
	return err
}

// path returns a file of the folder.
func (k *Keeper) path(name string) string { return filepath.Join(k.dir, name) }

// collect scrubs the trace of the last run, if there is one. It reports whether a report is there.
func (k *Keeper) collect() bool {
	f, err := os.Open(k.path(rawName))
	if err == nil {
		raw, _ := io.ReadAll(io.LimitReader(f, maxTrace))
		_ = f.Close()
		if len(bytes.TrimSpace(raw)) > 0 {
			_ = os.WriteFile(k.path(traceName), []byte(ScrubTrace(string(raw))), 0o600)
		}
		_ = os.Remove(k.path(rawName))
	}
	_, err = os.Stat(k.path(traceName))
	return err == nil
}

// watch has the Go runtime write the trace of a crash.
func (k *Keeper) watch() error {
	f, err := os.OpenFile(k.path(rawName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	defer func() { _ = f.Close() }() // the runtime has its own copy
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	return nil
}

func (k *Keeper) openLog() error {
	f, err := os.OpenFile(k.path(logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("crash: %w", err)
	}
	k.file, k.size = f, info.Size()
	return nil
}

// Close ends the log. A crash from here on leaves no trace.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := debug.SetCrashOutput(nil, debug.CrashOptions{})
	if k.file != nil {
		err = errors.Join(err, k.file.Close())
		k.file = nil
	}
	if info, e := os.Stat(k.path(rawName)); e == nil && info.Size() == 0 {
		_ = os.Remove(k.path(rawName))
	}
	return err
}

// Crashed reports whether an earlier run crashed and the host has not dealt with it.
func (k *Keeper) Crashed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.crashed
}

// Forget removes the trace of the earlier crash.
func (k *Keeper) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.crashed = false
	_ = os.Remove(k.path(traceName))
}

// Report returns what helps to find a fault: program is its name and version in one line.
func (k *Keeper) Report(program string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s/%s, %d processors\n", program, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("\nNames, links and addresses are left out of what follows.\n\n== the crash\n")
	trace, err := os.ReadFile(k.path(traceName))
	if err != nil {
		trace = []byte("(none)\n")
	}
	b.Write(trace)
	b.WriteString("\n== the last lines of the log\n")
	older, _ := os.ReadFile(k.path(olderName))
	newer, _ := os.ReadFile(k.path(logName))
	lines := strings.SplitAfter(string(older)+string(newer), "\n")
	for _, line := range lines[max(0, len(lines)-lastLines):] {
		b.WriteString(line)
	}
	return b.Bytes()
}

// line adds one to the log.
func (k *Keeper) line(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		if len(k.wait) < lastLines {
			k.wait = append(k.wait, text)
		}
		return
	}
	if k.size > maxLog {
		_ = k.file.Close()
		k.file = nil
		_ = os.Rename(k.path(logName), k.path(olderName))
		if k.openLog() != nil {
			return
		}
	}
	n, _ := k.file.WriteString(text + "\n")
	k.size += int64(n)
}

// Handler returns a handler that gives records to next, and a scrubbed line of each to the log.
func (k *Keeper) Handler(next slog.Handler) slog.Handler { return handler{keeper: k, next: next} }

type handler struct {
	keeper *Keeper
	next   slog.Handler
	with   string // scrubbed attributes
}

// Enabled implements [slog.Handler].
func (h handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	line := r.Time.UTC().Format("2006-01-02T15:04:05.000Z ") + r.Level.String() + " " + Scrub(r.Message) + h.with
	r.Attrs(func(a slog.Attr) bool {
		line += attribute(a)
		return true
	})
	h.keeper.line(line)
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.with += attribute(a)
	}
	h.next = h.next.WithAttrs(attrs)
	return h
}

// WithGroup implements [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler {
	h.next = h.next.WithGroup(name)
	return h
}

// attribute returns what may be kept of one: numbers, times, truths, and scrubbed words.
func attribute(a slog.Attr) string {
	v := a.Value.Resolve()
	said := ""
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration:
		said = v.String()
	case slog.KindGroup:
		for _, inner := range v.Group() {
			said += attribute(inner)
		}
		return said
	default:
		said = strconv.Quote(Scrub(v.String()))
	}
	return " " + Scrub(a.Key) + "=" + said
}
