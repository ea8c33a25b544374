package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/call"
)

const (
	// maxLines bounds how many lines wait for a reader.
	maxLines = 4096
	// parting is how long close waits until the remaining lines are written.
	parting = 2 * time.Second
)

// lines writes events in order, one a line. Writers never wait for the reader. Events that don't fit are dropped and
// counted.
type lines struct {
	encoder *json.Encoder
	written chan struct{} // closed when run has returned

	mu     sync.Mutex
	more   *sync.Cond // signalled when waiting or closed has changed
	closed bool
	// At most maxLines events, then one *droppedEvent while there is no room, and then the line that close adds.
	waiting []any
}

type statsEvent struct {
	Event string `json:"event"`
	call.Stats
}

// droppedEvent replaces the lines that were not read in time.
type droppedEvent struct {
	Event string `json:"event"`
	Count int    `json:"count"`
}

// newLines begins to write to w. close ends it.
func newLines(w io.Writer) *lines {
	l := &lines{encoder: json.NewEncoder(w), written: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	l.encoder.SetEscapeHTML(false)
	go l.run()
	return l
}

// run writes waiting lines. It ends when close was called and all lines are written. If w is not read, it ends with
// the process.
func (l *lines) run() {
	defer close(l.written)
	for {
		v, ok := l.next()
		if !ok {
			return
		}
		_ = l.encoder.Encode(v) // w may not be read any more
	}
}

// next waits for the next line. ok is false when there will be none.
func (l *lines) next() (v any, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.more.Wait()
	}
	if len(l.waiting) == 0 {
		return nil, false
	}
	v = l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return v, true
}

// write never blocks. After close it does nothing. v must not change afterwards.
func (l *lines) write(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.waiting)
	switch {
	case l.closed:
		return
	case n < maxLines:
		l.waiting = append(l.waiting, v)
	default:
		if d, ok := l.waiting[n-1].(*droppedEvent); ok {
			d.Count++
		} else {
			l.waiting = append(l.waiting, &droppedEvent{"dropped", 1})
		}
	}
	l.more.Signal()
}

// close adds one last line, for which there is always room. It waits until all lines are written, but no longer than
// parting.
func (l *lines) close(last any) {
	l.mu.Lock()
	l.waiting = append(l.waiting, last)
	l.closed = true
	l.more.Signal()
	l.mu.Unlock()
	patience := time.NewTimer(parting)
	defer patience.Stop()
	select {
	case <-l.written:
	case <-patience.C:
	}
}

// onDemand prints the stats on SIGUSR1, on systems that have that signal.
func (l *lines) onDemand(ctx context.Context, stats func() call.Stats) {
	asked := make(chan os.Signal, 1)
	notifyDemand(asked)
	defer signal.Stop(asked)
	for {
		select {
		case <-asked:
			l.write(statsEvent{"stats", stats()})
		case <-ctx.Done():
			return
		}
	}
}
