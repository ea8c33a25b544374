package links

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/porch-call/porch/backend/sealed"
)

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

// LinkRecord is a link as it is kept, a row of the store. Times are kept to the
// millisecond; the zero time is "never". It holds the keys in the clear: it goes
// to the repository and nowhere else.
type LinkRecord struct {
	ID        string
	Name      string
	State     string
	Keys      []byte // nil once the link has ended
	Secret    []byte
	CreatedAt time.Time
	UsedAt    time.Time
	EndedAt   time.Time
	Relay     string // the public relay on which it was made; "" for none
}

// Format implements [fmt.Formatter] without showing what the record holds.
func (LinkRecord) Format(f fmt.State, _ rune) { fmt.Fprint(f, "link record") }

// LogValue implements [slog.LogValuer] without showing what the record holds.
func (LinkRecord) LogValue() slog.Value { return slog.StringValue("link record") }

// VisitorRecord is a visitor as it is kept: a device that was let in on a link.
type VisitorRecord struct {
	LinkID    string
	Device    string // a digest
	Name      string // the newest
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// BlockRecord is a block as it is kept: a device that may not knock on a link
// again.
type BlockRecord struct {
	LinkID string
	Device string // a digest
	At     time.Time
}

func (l Link) record() LinkRecord {
	return LinkRecord{
		ID: string(l.ID), Name: l.Name, State: string(l.State),
		Keys: l.Keys.Bytes(), Secret: l.Secret[:],
		CreatedAt: l.CreatedAt, UsedAt: l.UsedAt, EndedAt: l.EndedAt,
		Relay: l.Relay,
	}
}

// link reads a record. Its error says nothing of what the record holds.
func (r LinkRecord) link() (Link, error) {
	id, err := sealed.ParseLinkID(r.ID)
	if err != nil {
		return Link{}, errRecord
	}
	l := Link{
		ID: id, Name: r.Name, State: State(r.State),
		CreatedAt: r.CreatedAt, UsedAt: r.UsedAt, EndedAt: r.EndedAt,
		Relay: r.Relay,
	}
	if !l.State.valid() || len(r.Secret) != len(l.Secret) || l.State.Ended() != (len(r.Keys) == 0) {
		return Link{}, errRecord
	}
	copy(l.Secret[:], r.Secret)
	if l.State.Ended() {
		return l, nil
	}
	l.Keys, err = sealed.ParseLinkKeys(r.Keys)
	if err != nil || l.Keys.ID() != id {
		return Link{}, errRecord
	}
	return l, nil
}
