package links

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/porch-call/porch/backend/sealed"
)

// Repository stores the book. A Put returns only when its record can no longer be lost.
type Repository interface {
	Links() ([]LinkRecord, error)
	PutLink(LinkRecord, ...CopyRecord) error // the link and these copies of it, or nothing
	DeleteLink(id string) error              // with all that belongs to it
	Copies() ([]CopyRecord, error)
	DeleteCopy(linkID, id string) error // with its browsers
	Browsers() ([]BrowserRecord, error) // in the order in which they came
	PutBrowser(BrowserRecord) error
	Calls() ([]CallRecord, error)
	Visits() ([]VisitRecord, error)
	PutCall(CallRecord, ...VisitRecord) error // the call and these visits of it, or nothing
	DeleteCall(linkID string, began time.Time) error
	EraseHistory(LinkRecord) error // the link's calls, visitors and browsers, with the link put as it is now
	Visitors() ([]VisitorRecord, error)
	PutVisitor(VisitorRecord) error
	DeleteVisitor(linkID, device string) error
	Blocks() ([]BlockRecord, error)
	PutBlock(BlockRecord) error
	DeleteBlock(linkID, device string) error
}

// LinkRecord is a link as it is stored: a row of the store. Times have millisecond precision, and the zero time means
// "never". A record holds the keys in the clear, so it is passed to the repository and nowhere else.
type LinkRecord struct {
	ID        string
	Name      string
	State     string
	Keys      []byte // nil once the link has ended
	Secret    []byte
	CreatedAt time.Time
	UsedAt    time.Time
	EndedAt   time.Time
	Relay     string // the public relay that the link uses; "" for none
	Door      []byte // as in [Link]
	DoorAt    string // as in [Link]
	Ends      string
	EndsAt    time.Time
	OpensAt   time.Time
	KeptAt    time.Time
}

// Format implements [fmt.Formatter] and hides the record's content.
func (LinkRecord) Format(f fmt.State, _ rune) { fmt.Fprint(f, "link record") }

// LogValue implements [slog.LogValuer] and hides the record's content.
func (LinkRecord) LogValue() slog.Value { return slog.StringValue("link record") }

// CopyRecord is a [Copy] as it is stored. It holds the secret in the clear, so it is passed to the repository and
// nowhere else.
type CopyRecord struct {
	LinkID    string
	ID        string
	Name      string
	Secret    []byte
	Once      bool
	CreatedAt time.Time
	EndedAt   time.Time
	End       string
	UsedBy    string
}

// Format implements [fmt.Formatter] and hides the record's content.
func (CopyRecord) Format(f fmt.State, _ rune) { fmt.Fprint(f, "copy record") }

// LogValue implements [slog.LogValuer] and hides the record's content.
func (CopyRecord) LogValue() slog.Value { return slog.StringValue("copy record") }

// BrowserRecord is a browser that has come by a copy, as it is stored.
type BrowserRecord struct {
	LinkID string
	CopyID string
	Device string // digest of the device
	At     time.Time
}

// CallRecord is a [Call] as it is stored, without its visits.
type CallRecord struct {
	LinkID         string
	Began, Ended   time.Time
	Sent, Received int64
}

// VisitRecord is a [Visit] as it is stored.
type VisitRecord struct {
	LinkID     string
	Began      time.Time // of the call
	Number     int       // in the call, from 0
	Name       string
	Came, Gone time.Time
}

// VisitorRecord is a visitor as it is stored: a device that was let in on a link.
type VisitorRecord struct {
	LinkID    string
	Device    string // digest of the device
	Name      string // the last name that this device gave
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// BlockRecord is a block as it is stored: a device that may not knock on a link again.
type BlockRecord struct {
	LinkID string
	Device string // digest of the device
	At     time.Time
}

func (l Link) record() LinkRecord {
	return LinkRecord{
		ID: string(l.ID), Name: l.Name, State: string(l.State),
		Keys: l.Keys.Bytes(), Secret: l.Secret[:],
		CreatedAt: l.CreatedAt, UsedAt: l.UsedAt, EndedAt: l.EndedAt,
		Relay: l.Relay, Door: l.Door, DoorAt: l.DoorAt,
		Ends: string(l.Ends), EndsAt: l.EndsAt, OpensAt: l.OpensAt, KeptAt: l.KeptAt,
	}
}

func (c Copy) record(link sealed.LinkID) CopyRecord {
	return CopyRecord{
		LinkID: string(link), ID: c.ID, Name: c.Name, Secret: c.Secret[:], Once: c.Once,
		CreatedAt: c.CreatedAt, EndedAt: c.EndedAt, End: string(c.End), UsedBy: c.UsedBy,
	}
}

// copy reads a record. Its errors repeat none of the record's content.
func (r CopyRecord) copy() (Copy, error) {
	c := Copy{
		ID: r.ID, Name: r.Name, Once: r.Once, CreatedAt: r.CreatedAt, EndedAt: r.EndedAt, End: CopyEnd(r.End), UsedBy: r.UsedBy,
	}
	switch c.End {
	case "", CopyRemoved, CopyUsed, CopyMoved:
	default: // how it ended is not known, so it stays closed
		return Copy{}, errRecord
	}
	if len(r.Secret) != len(c.Secret) || r.ID == "" {
		return Copy{}, errRecord
	}
	copy(c.Secret[:], r.Secret)
	return c, nil
}

// link reads a record. Its errors repeat none of the record's content.
func (r LinkRecord) link() (Link, error) {
	id, err := sealed.ParseLinkID(r.ID)
	if err != nil {
		return Link{}, errRecord
	}
	l := Link{
		ID: id, Name: r.Name, State: State(r.State),
		CreatedAt: r.CreatedAt, UsedAt: r.UsedAt, EndedAt: r.EndedAt,
		Relay: r.Relay, DoorAt: r.DoorAt, KeptAt: r.KeptAt,
		Times: Times{OpensAt: r.OpensAt, Ends: Ends(r.Ends), EndsAt: r.EndsAt},
	}
	switch l.Ends {
	case EndsEmpty, EndsAt, EndsNever:
	default:
		return Link{}, errRecord
	}
	if !l.State.valid() || len(r.Secret) != len(l.Secret) || l.State.Ended() != (len(r.Keys) == 0) {
		return Link{}, errRecord
	}
	copy(l.Secret[:], r.Secret)
	if l.State.Ended() {
		return l, nil
	}
	l.Door = r.Door
	l.Keys, err = sealed.ParseLinkKeys(r.Keys)
	if err != nil || l.Keys.ID() != id {
		return Link{}, errRecord
	}
	return l, nil
}
