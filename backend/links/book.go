package links

import (
	"time"

	"github.com/porch-call/porch/backend/sealed"
)

// Link is a link as it is now. It is a copy; changing it changes nothing.
type Link struct {
	ID        sealed.LinkID
	Name      string // "" when it has none
	State     State
	Keys      sealed.LinkKeys // the zero value once the link has ended
	Secret    sealed.Secret
	CreatedAt time.Time
	UsedAt    time.Time // when somebody last entered; zero for never
	EndedAt   time.Time // when it was spent or removed; zero before
}

// Visitor is somebody who was let in on a link.
type Visitor struct {
	Name      string // the newest of this device
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// Known is what the book says of a device, over all links.
type Known struct {
	TimesLetIn int
	NameKnown  bool // another device of this name was let in before
}

// Repository keeps the book. A Put has returned only once it cannot be lost.
type Repository interface {
	Links() ([]LinkRecord, error)
	PutLink(LinkRecord) error
	DeleteLink(id string) error // with its visitors and blocks
	Visitors() ([]VisitorRecord, error)
	PutVisitor(VisitorRecord) error
	DeleteVisitor(linkID, device string) error
	Blocks() ([]BlockRecord, error)
	PutBlock(BlockRecord) error
	DeleteBlock(linkID, device string) error
}

// LinkRecord is a link as it is kept. Its fields are those of store.Link.
type LinkRecord struct {
	ID        string
	Name      string
	State     string
	Keys      []byte // nil once the link has ended
	Secret    []byte
	CreatedAt time.Time
	UsedAt    time.Time
	EndedAt   time.Time
}

// VisitorRecord is a visitor as it is kept. Its fields are those of
// store.Visitor.
type VisitorRecord struct {
	LinkID    string
	Device    string // a digest
	Name      string
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// BlockRecord is a block as it is kept. Its fields are those of store.Block.
type BlockRecord struct {
	LinkID string
	Device string // a digest
	At     time.Time
}

// Book is the host's links. Its methods are safe for concurrent use; those that
// only read never wait for the disk. Unknown ids answer LinkNotFound.
type Book struct{}

// Open loads the book. A link that was live when the app died is live still:
// it answers, and nobody is in it. now is time.Now outside tests.
func Open(repo Repository, now func() time.Time) (*Book, error) { panic("unwritten") }

// Create makes a link with new keys and a new secret.
func (b *Book) Create() (Link, error) { panic("unwritten") }

// List returns all links, newest first.
func (b *Book) List() []Link { panic("unwritten") }

// Get returns one link.
func (b *Book) Get(id sealed.LinkID) (Link, error) { panic("unwritten") }

// Rename names a link; "" takes the name away. Fault: LinkNameInvalid.
func (b *Book) Rename(id sealed.LinkID, name string) (Link, error) { panic("unwritten") }

// Enter says that somebody has entered the call: the link is live. Faults:
// LinkSpent, LinkRemoved.
func (b *Book) Enter(id sealed.LinkID) (Link, error) { panic("unwritten") }

// Spend says that the last participant has left for good. A link that nobody
// entered stays open, an ended one stays what it is.
func (b *Book) Spend(id sealed.LinkID) (Link, error) { panic("unwritten") }

// Remove removes a link, whatever its state. Twice is fine.
func (b *Book) Remove(id sealed.LinkID) (Link, error) { panic("unwritten") }

// RecordVisitor remembers that a device was let in under a name.
func (b *Book) RecordVisitor(id sealed.LinkID, device, name string) error { panic("unwritten") }

// Visitors returns who was let in on a link, last seen first.
func (b *Book) Visitors(id sealed.LinkID) []Visitor { panic("unwritten") }

// Known tells what is known of a device that gives a name.
func (b *Book) Known(device, name string) Known { panic("unwritten") }

// Block keeps a device from knocking on a link again.
func (b *Book) Block(id sealed.LinkID, device string) error { panic("unwritten") }

// Blocked tells whether a device was blocked on a link.
func (b *Book) Blocked(id sealed.LinkID, device string) bool { panic("unwritten") }
