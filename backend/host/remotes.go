package host

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Remotes dials public relays.
type Remotes interface {
	// Open starts a line to a relay. It never waits for the network.
	Open(RemoteOptions) (Remote, error)
	// Probe dials once and says what the relay offers, or why not.
	Probe(ctx context.Context, o RemoteOptions) (RemoteOffer, error)
}

// RemoteOptions say to which relay, and as whom.
type RemoteOptions struct {
	URL      string
	Token    string
	Key      ed25519.PrivateKey
	OnStatus func(RemoteStatus) // never called by Open, nor after Close has returned
}

// Remote is the host's line to one public relay. Its methods are safe for
// concurrent use.
type Remote interface {
	// Status is how the line is now.
	Status() RemoteStatus
	// Announce makes a link reachable there, whenever the line stands, until
	// withdraw is called, with the note that the link leaves behind or nil.
	// Neither waits for the network.
	Announce(ctx context.Context, keys sealed.LinkKeys, accept func(relay.Frames)) (withdraw func(note *[sealed.NoteSize]byte), err error)
	// Credentials asks the relay for a relayed way.
	Credentials(ctx context.Context) (RemoteCredentials, error)
	// Revoke ends what was given out under a name. It never waits for the
	// network.
	Revoke(username string)
	// Close ends the line, and waits for what accept has begun.
	Close() error
}

// RemoteStatus is how a line is.
type RemoteStatus struct {
	State RemoteState
	Code  fault.Code  // why it was refused, or why the last try failed; "" when it stands
	Retry time.Time   // the next try, while connecting after a failure
	Offer RemoteOffer // the newest; what was offered before, while the line is down
}

// RemoteState is where a line is in its life.
type RemoteState string

// The states.
const (
	RemoteConnecting RemoteState = "connecting"
	RemoteConnected  RemoteState = "connected"
	RemoteRefused    RemoteState = "refused"
)

// RemoteOffer is what a relay grants this host.
type RemoteOffer struct {
	Links  int      // that may live there
	Guests int      // who may wait, over all links
	Bytes  int64    // of media relayed in a day; 0 for no limit
	Turn   bool     // passes media on
	STUN   []string // "stun:host:port"
}

// RemoteCredentials are short-lived.
type RemoteCredentials struct {
	Servers []signalling.ICEServer
	Expires time.Time
}
