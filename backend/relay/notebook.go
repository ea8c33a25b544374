package relay

import (
	"container/list"
	"sync"

	"github.com/porch-call/porch/backend/sealed"
)

// Notebook keeps the notes that hosts left for links that have ended, the
// newest of them, in memory. Its methods fit Options.Notes and Options.OnNote,
// and may be called from many goroutines.
type Notebook struct {
	max int

	mu    sync.Mutex
	at    map[sealed.LinkID]*list.Element
	order *list.List // of *noted, the least lately written or asked for in front
}

type noted struct {
	id   sealed.LinkID
	note [sealed.NoteSize]byte
}

// NewNotebook returns a notebook of at most max notes, of about 300 bytes
// each.
func NewNotebook(limit int) *Notebook {
	return &Notebook{max: limit, at: make(map[sealed.LinkID]*list.Element), order: list.New()}
}

// Put keeps the note of a link, in place of an earlier one. When the notebook
// is full, the note that was least lately put or got is forgotten.
func (n *Notebook) Put(id sealed.LinkID, note [sealed.NoteSize]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.at[id]; e != nil {
		e.Value.(*noted).note = note
		n.order.MoveToBack(e)
		return
	}
	if n.max <= 0 {
		return
	}
	if n.order.Len() >= n.max {
		delete(n.at, n.order.Remove(n.order.Front()).(*noted).id)
	}
	n.at[id] = n.order.PushBack(&noted{id, note})
}

// Get returns the note of a link.
func (n *Notebook) Get(id sealed.LinkID) (note [sealed.NoteSize]byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.at[id]
	if e == nil {
		return note, false
	}
	n.order.MoveToBack(e)
	return e.Value.(*noted).note, true
}

// Len returns how many notes there are.
func (n *Notebook) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.order.Len()
}
