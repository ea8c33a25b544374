package ways

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Remotes dials public relays: [PublicRelays] in the app.
type Remotes interface {
	// Open dials a relay. It never waits for the network.
	Open(client.Options) (Remote, error)
	// Probe dials once and returns what the relay offers, or why not.
	Probe(context.Context, client.Options) (client.Offer, error)
}

// Remote is the host's end at one public relay: [client.Client]. Only
// Credentials and Close wait.
type Remote interface {
	Status() client.Status
	LinkStatus(sealed.LinkID) (announced bool, code fault.Code)
	Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(note *[sealed.NoteSize]byte), err error)
	Credentials(context.Context) ([]signalling.ICEServer, error)
	Revoke(username string)
	Wake()
	Close() error
}

// PublicRelays dials relays on the internet.
type PublicRelays struct {
	TLS    *tls.Config  // nil means the system's certificate authorities
	Logger *slog.Logger // nil means slog.Default
}

// Open implements [Remotes].
func (p PublicRelays) Open(o client.Options) (Remote, error) {
	o.TLS, o.Logger = p.TLS, p.Logger
	r, err := client.Open(o)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Probe implements [Remotes].
func (p PublicRelays) Probe(ctx context.Context, o client.Options) (client.Offer, error) {
	o.TLS, o.Logger = p.TLS, p.Logger
	return client.Probe(ctx, o)
}
