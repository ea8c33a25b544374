package lobby

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// Options bound a lobby. A zero field takes its default.
type Options struct {
	Limit     int           // requests that wait at once; default 64
	Timeout   time.Duration // from the first knock to [TimedOut]; default 30 minutes
	AwayGrace time.Duration // how long a guest whose path was lost keeps its place; default 2 minutes
	Devices   int           // devices remembered, for declines, blocks and pace; default 1,024
	Rate      Rate          // knocks of one device; default 5 at once, then one in 10 s
	TotalRate Rate          // knocks of all devices; default 128 at once, then 4 a second
	Locked    bool          // as after SetLocked(true)
	Silenced  bool          // as after SetSilenced(true)

	// OnChange is told the newest snapshot after each change; snapshots that
	// were overtaken are left out. It is called on a goroutine of its own, one
	// call at a time, so it may block and may call the lobby. nil is fine.
	OnChange func(Snapshot)
}

// Rate is a token bucket: Burst at once, then one more each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// Known is what the host's records say of a guest; the lobby hands it through.
type Known struct {
	TimesLetIn int  // how often this device was let in before, on any link
	NameKnown  bool // another device of this name was let in before
}

// Knock is what a guest brings.
type Knock struct {
	Device string // the browser's id, opaque here; one entry per device
	Name   string // already validated by signalling
	Known  Known
}

// Request is a join request as the host sees it.
type Request struct {
	ID        string // unguessable, never used again; new when a replacing knock has another name
	Name      string
	Known     Known
	Since     time.Time // of the device's first knock in this wait
	Bell      signalling.Bell
	BellSince time.Time
	Retry     bool // was declined once
	Away      bool // the guest's path is lost; the place is kept for a while
}

// BellState is how a request was announced to the host, and since when.
type BellState struct {
	Bell  signalling.Bell
	Since time.Time
}

// Snapshot is the whole lobby at one moment. Receivers must not change it.
type Snapshot struct {
	Requests []Request // in the order in which they knocked
	Locked   bool
	Silenced bool
	Closed   bool // the last snapshot of a lobby
}

// Outcome is what became of a join request.
type Outcome string

// The outcomes. The last five end the lobby and are what Close takes.
const (
	Admitted Outcome = "admitted"
	Declined Outcome = "declined"
	Blocked  Outcome = "blocked"   // declined, and this device may not knock again
	TimedOut Outcome = "timed-out" // nobody answered
	Left     Outcome = "left"      // the guest gave up, or did not come back
	Replaced Outcome = "replaced"  // a newer page of the same device has taken the place

	Removed  Outcome = "removed"   // the host removed the link
	Spent    Outcome = "spent"     // the call ended by itself
	Ended    Outcome = "ended"     // the host ended the call for everyone
	HostGone Outcome = "host-gone" // the host can't be reached any more
	Shutdown Outcome = "shutdown"  // the host's app is closing
)

// Verdict is the one answer to a join request.
type Verdict struct {
	Outcome  Outcome
	MayRetry bool // Declined: one more try is allowed
}
