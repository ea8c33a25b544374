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
	// maxLines bounds the lines that wait for a reader.
	maxLines = 4096
	// parting is how long the end waits for the lines that are left.
	parting = 2 * time.Second
)

// lines writes events, one a line, in order. No writer waits for the reader:
// what does not fit is dropped and counted.
type lines struct {
	encoder *json.Encoder
	written chan struct{} // closed when run has returned

	mu     sync.Mutex
	more   *sync.Cond // waiting or closed has changed
	closed bool
	// At most maxLines events, then one *droppedEvent while there is no room,
	// then what close adds.
	waiting []any
}

type statsEvent struct {
	Event string `json:"event"`
	call.Stats
}

// droppedEvent stands in the place of lines that nobody read in time.
type droppedEvent struct {
	Event string `json:"event"`
	Count int    `json:"count"`
}

// newLines starts to write to w; close ends it.
func newLines(w io.Writer) *lines {
	l := &lines{encoder: json.NewEncoder(w), written: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	l.encoder.SetEscapeHTML(false)
	go l.run()
	return l
}

// run writes what waits. It ends when all is written after close, or with the
// process where nobody reads.
func (l *lines) run() {
	defer close(l.written)
	for {
		v, ok := l.next()
		if !ok {
			return
		}
		_ = l.encoder.Encode(v) // nobody may be reading any more
	}
}

// next waits for the next line; it is false when there will be none.
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

// write never blocks. After close it does nothing. v must not change any more.
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

// close writes one last line, for which there is always room, and waits until
// all are written, but no longer than parting.
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

// onDemand prints the stats on SIGUSR1, where there is such a signal.
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
