package store

import "time"

// Link is a row of links. The times are to the millisecond; the zero time is
// "never".
type Link struct {
	ID        string
	Name      string
	State     string
	Keys      []byte // nil once the link has ended
	Secret    []byte
	CreatedAt time.Time
	UsedAt    time.Time
	EndedAt   time.Time
}

// Visitor is a row of visitors: a device that was let in on a link.
type Visitor struct {
	LinkID    string
	Device    string // a digest
	Name      string // the newest
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// Block is a row of blocks: a device that may not knock on a link again.
type Block struct {
	LinkID string
	Device string // a digest
	At     time.Time
}

// Dir returns the folder that Open is meant for: PORCH_DATA_DIR if set, else
// "porch" in [os.UserConfigDir].
func Dir() (string, error) { panic("unwritten") }

// Store is an open database. Its methods are safe for concurrent use.
type Store struct{}

// Open opens or makes the store in dir. Faults: StoreTooNew, StoreUnavailable
// (no permission, another Porch has it open, damaged).
func Open(dir string) (*Store, error) { panic("unwritten") }

// Dir is the folder the store lives in, for files that belong beside it.
func (s *Store) Dir() string { panic("unwritten") }

// Close writes back what is pending and closes. A second call is a no-op.
func (s *Store) Close() error { panic("unwritten") }

// Links returns all links, oldest first.
func (s *Store) Links() ([]Link, error) { panic("unwritten") }

// PutLink adds a link or replaces the one of the same id.
func (s *Store) PutLink(Link) error { panic("unwritten") }

// DeleteLink forgets a link with its visitors and blocks.
func (s *Store) DeleteLink(id string) error { panic("unwritten") }

// Visitors returns all visitors, oldest LastSeen first.
func (s *Store) Visitors() ([]Visitor, error) { panic("unwritten") }

// PutVisitor adds a visitor or replaces the one of the same link and device.
func (s *Store) PutVisitor(Visitor) error { panic("unwritten") }

// DeleteVisitor forgets one visitor.
func (s *Store) DeleteVisitor(linkID, device string) error { panic("unwritten") }

// Blocks returns all blocks, oldest first.
func (s *Store) Blocks() ([]Block, error) { panic("unwritten") }

// PutBlock adds a block or replaces the one of the same link and device.
func (s *Store) PutBlock(Block) error { panic("unwritten") }

// DeleteBlock forgets one block.
func (s *Store) DeleteBlock(linkID, device string) error { panic("unwritten") }

// Setting decodes the JSON value of key into v. found is false, and v left
// alone, when it was never put.
func (s *Store) Setting(key string, v any) (found bool, err error) { panic("unwritten") }

// PutSetting keeps v as JSON under key.
func (s *Store) PutSetting(key string, v any) error { panic("unwritten") }
