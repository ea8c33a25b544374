package acquaintances

import "time"

// Repository stores the book. A Put returns only when its record can no longer be lost.
type Repository interface {
	Acquaintances() ([]Record, error)
	PutAcquaintance(Record) error
	DeleteAcquaintance(browser string) error // with its standings
	Standings() ([]Standing, error)
	PutStanding(Standing) error
	DeleteStanding(browser, linkID string) error
	Refusals() ([]Refusal, error)
	PutRefusal(Refusal) error
	DeleteRefusal(linkID, guest string) error
}

// Record is a browser that was let in.
type Record struct {
	Browser   string // digest of its key
	Name      string // the name under which it was let in last
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// Standing is a decision of the host to let a browser in always.
type Standing struct {
	Browser string
	LinkID  string // "" for all links
	At      time.Time
}

// Refusal is a decision of the host at the door of a link.
type Refusal struct {
	LinkID string
	Guest  string // digest of a device that was declined, or of what was put out; "" for the door itself, which is locked
	Times  int    // how often it was declined; 1 for the others
	At     time.Time
}
