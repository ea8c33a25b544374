package relay

import (
	"sync"

	"github.com/porch-call/porch/backend/kit/recent"
	"github.com/porch-call/porch/backend/sealed"
)

// Notebook keeps the newest notes that hosts left for links that have ended, in
// memory. Its methods fit Options.Notes and Options.OnNote, and may be called
// from many goroutines.
type Notebook struct {
	mu    sync.Mutex                                        // guards what follows
	notes *recent.Map[sealed.LinkID, [sealed.NoteSize]byte] // reading a note makes it newest, as writing does
}

// NewNotebook returns a notebook of at most limit notes, of about 300 bytes each.
func NewNotebook(limit int) *Notebook {
	return &Notebook{notes: recent.New[sealed.LinkID, [sealed.NoteSize]byte](limit)}
}

// Put keeps the note of a link, in place of an earlier one. If the notebook is
// full, it forgets the note whose last Put or Get is the oldest.
func (n *Notebook) Put(id sealed.LinkID, note [sealed.NoteSize]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes.Put(id, note)
}

// Get returns the note of a link.
func (n *Notebook) Get(id sealed.LinkID) (note [sealed.NoteSize]byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes.Touch(id)
	return n.notes.Get(id)
}

// Len returns the number of notes.
func (n *Notebook) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.notes.Len()
}
