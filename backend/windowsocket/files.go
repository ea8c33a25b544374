package windowsocket

import (
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// fileVersion is the first byte of a binary message that carries a frame of a file.
const fileVersion = 2

// maxFileBytes is how many bytes of such frames may be queued here. Whoever sends them waits for the window's word on what
// it has read long before.
const maxFileBytes = 4 << 20

// FileFrame is a binary message from the window: a frame of a file, as guests send it by their data channel.
type FileFrame struct{ Bytes []byte }

// SaveFile is a message from the window. The file of a chat line is to be saved on this computer; [FileSaved] tells how
// that goes.
type SaveFile struct {
	Line uint64 `json:"line"`
}

// FileSaved is a message to the window on a file that is saved. The last one has Name or Fault.
type FileSaved struct {
	Line  uint64 `json:"line"`
	Bytes int64  `json:"bytes"` // so far
	Name  string `json:"name"`  // in the folder for downloads, once all of it is there
	Fault string `json:"fault"` // why it is not saved
}

// Type implements [signalling.Message].
func (FileFrame) Type() signalling.Type { return "fileFrame" }

// Type implements [signalling.Message].
func (SaveFile) Type() signalling.Type { return "saveFile" }

// Type implements [signalling.Message].
func (FileSaved) Type() signalling.Type { return "fileSaved" }

// Validate implements [signalling.Message].
func (FileFrame) Validate() error { return nil }

// Validate implements [signalling.Message].
func (SaveFile) Validate() error { return nil }

// Validate implements [signalling.Message].
func (FileSaved) Validate() error { return nil }

// SendFile queues a frame of a file and never blocks. It keeps b. The error is [ErrClosed], or [fault.TooSlow] if too much
// is queued, which ends nothing.
func (c *Conn) SendFile(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return ErrClosed
	case c.fileBytes+len(b) > maxFileBytes:
		return fault.New(fault.TooSlow, nil)
	}
	c.files = append(c.files, append([]byte{fileVersion}, b...))
	c.fileBytes += len(b) + 1
	c.wake()
	return nil
}

// popFile returns the next frame of a file to write, nil for none. The caller holds mu.
func (c *Conn) popFile() []byte {
	if len(c.files) == 0 {
		return nil
	}
	b := c.files[0]
	c.files[0] = nil
	c.files = c.files[1:]
	c.fileBytes -= len(b)
	return b
}
