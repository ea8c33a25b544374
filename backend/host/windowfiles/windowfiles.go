// Package windowfiles connects the host's window with the files of a call: what the host sends goes by the window's
// socket, and what the host receives is saved by the app.
package windowfiles

import (
	"context"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

// tellEvery is how often the window hears at most how much of a file is saved.
const tellEvery = 250 * time.Millisecond

// Way is the way of the host's seat in one call. Its methods may be called from any goroutine; those of a nil Way do
// nothing.
type Way struct {
	ctx        context.Context // of the app
	call       *call.Call
	folder     string
	background func(func()) bool

	mu   sync.Mutex // no other lock is taken under it
	pipe *pipe      // of the newest window; nil for none
}

// Open returns a way, nil if the call passes no files. folder is where files are saved, "" for the system's. background
// starts a goroutine, or reports that the app is closing.
func Open(ctx context.Context, c *call.Call, folder string, background func(func()) bool) *Way {
	if c.Files() == nil {
		return nil
	}
	return &Way{ctx: ctx, call: c, folder: folder, background: background}
}

// pipe is a window's socket as a way for frames.
type pipe struct{ *windowsocket.Conn }

func (p *pipe) Send(b []byte) error { return p.SendFile(b) }

// Close does nothing: a window that does not read its files still shows the call.
func (p *pipe) Close() {}

// Attach takes a window in place of the one before.
func (w *Way) Attach(window *windowsocket.Conn) {
	if w == nil {
		return
	}
	p := &pipe{window}
	w.mu.Lock()
	w.pipe = p
	w.mu.Unlock()
	w.call.Files().Connect(codec.HostID, p)
}

// Detach says that a window is gone.
func (w *Way) Detach(window *windowsocket.Conn) {
	if w == nil {
		return
	}
	w.mu.Lock()
	p := w.pipe
	if p == nil || p.Conn != window {
		w.mu.Unlock()
		return
	}
	w.pipe = nil
	w.mu.Unlock()
	w.call.Files().Disconnect(codec.HostID, p)
}

// Said handles a message of the window, if it is one on files.
func (w *Way) Said(m signalling.Message) (handled bool, err error) {
	if w == nil {
		return false, nil
	}
	switch m := m.(type) {
	case windowsocket.FileFrame:
		w.mu.Lock()
		p := w.pipe
		w.mu.Unlock()
		if p == nil {
			return true, nil
		}
		return true, w.call.Files().Handle(codec.HostID, p, m.Bytes)
	case windowsocket.SaveFile:
		w.background(func() { w.save(m.Line) })
		return true, nil
	}
	return false, nil
}

// save saves the file of a chat line, and tells the window.
func (w *Way) save(line uint64) {
	var told time.Time
	name, err := w.saveAs(line, func(bytes int64) {
		if now := time.Now(); now.Sub(told) >= tellEvery {
			told = now
			w.tell(windowsocket.FileSaved{Line: line, Bytes: bytes})
		}
	})
	saved := windowsocket.FileSaved{Line: line, Name: name}
	if err != nil {
		saved.Fault = string(fault.CodeOf(err))
	}
	w.tell(saved)
}

func (w *Way) saveAs(line uint64, told func(int64)) (name string, err error) {
	if name, err = w.call.FileName(line); err != nil {
		return "", err
	}
	d, err := handover.NewDownload(w.folder, name)
	if err != nil {
		return "", err
	}
	defer d.Discard()
	if err := w.call.SaveFile(w.ctx, line, codec.HostID, d, told); err != nil {
		return "", err
	}
	return d.Keep()
}

func (w *Way) tell(m windowsocket.FileSaved) {
	w.mu.Lock()
	p := w.pipe
	w.mu.Unlock()
	if p != nil {
		_ = p.Conn.Send(m) // an error ends the window, which is noticed elsewhere
	}
}
