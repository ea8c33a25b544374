package relayd

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/nats"
	"github.com/porch-call/porch/backend/relay/nats/embedded"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/turn"
	"github.com/porch-call/porch/backend/sealed"
)

// bus connects the machines of a relay.
type bus struct {
	*nats.Board
	own   *embedded.Server // nil if there is a separate NATS server
	named int              // how many other machines the settings of own name
}

// joinWithin is how long a machine that starts waits for the others that its
// settings name. One of them may not run.
const joinWithin = 2 * time.Second

// openBus connects this machine to the others of its relay. revoke is called with
// the credentials that others have revoked.
func openBus(ctx context.Context, s settings, all secret, queued *switchboard.Budget, notes *relay.Notebook, revoke func(owner, username string), log *slog.Logger) (_ *bus, err error) {
	key, err := all.key("bus")
	if err != nil {
		return nil, err
	}
	o := nats.Options{
		Servers: s.nats, Prefix: s.natsPrefix, Secret: key,
		PerLink: s.perLink, PerAddress: switchboard.Share(s.perLink), Queued: queued,
		User: s.natsUser, Password: s.natsPassword, Token: s.natsToken,
		CredentialsFile: s.natsCredentials, NKeyFile: s.natsNKey,
		OnNote: notes.Put, OnRevoke: revoke, Logger: log,
	}
	if s.natsRoot != "" {
		roots, err := readRoots(s.natsRoot)
		if err != nil {
			return nil, err
		}
		o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	others := slices.DeleteFunc(slices.Clone(s.clusterPeers), func(p string) bool { return p == s.clusterListen })
	slices.Sort(others)
	b := &bus{named: len(slices.Compact(others))}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if s.clusterListen != "" {
		if b.own, err = startOwn(ctx, s, all, log); err != nil {
			return nil, err
		}
		o.Server, o.Token = b.own, b.own.Token()
	}
	if b.Board, err = nats.Open(ctx, o); err != nil {
		return nil, fmt.Errorf("join the other machines: %w", err)
	}
	return b, b.join(ctx, log)
}

// join waits until this machine has heard as many others as its settings name,
// and therefore knows what hosts they have. A guest who came earlier would be
// told that there is no host. A separate NATS server knows at once.
func (b *bus) join(ctx context.Context, log *slog.Logger) error {
	tick, patience := time.NewTicker(10*time.Millisecond), time.After(joinWithin)
	defer tick.Stop()
	for b.Nodes() <= b.named {
		select {
		case <-tick.C:
		case <-patience:
			log.Warn("porch-relay: not all machines of -cluster-peers have been heard; going on without", "heard", b.Nodes()-1, "named", b.named)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// startOwn starts this machine's server of a bus that the machines form together.
func startOwn(ctx context.Context, s settings, all secret, log *slog.Logger) (*embedded.Server, error) {
	key, err := all.key("cluster")
	if err != nil {
		return nil, err
	}
	own, err := embedded.Start(ctx, embedded.Options{Listen: s.clusterListen, Peers: s.clusterPeers, Key: key, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("-cluster-listen: %w", err)
	}
	return own, nil
}

// Connected reports whether other machines can be reached. It is true if there
// are none.
func (b *bus) Connected() bool {
	return b.Board.Connected() && (b.own == nil || b.named == 0 || b.own.Peers() > 0)
}

func (b *bus) close() {
	if b.Board != nil {
		_ = b.Close() // loses nothing
	}
	if b.own != nil {
		b.own.Close()
	}
}

// sharedNotes keeps notes here and at the other machines.
func sharedNotes(notes *relay.Notebook, bus *bus) func(sealed.LinkID, [sealed.NoteSize]byte) {
	return func(id sealed.LinkID, note [sealed.NoteSize]byte) {
		notes.Put(id, note)
		bus.Note(id, note)
	}
}

// sharedTurn revokes credentials at every machine, because they are good on all.
type sharedTurn struct {
	*turn.Server
	bus *bus
}

// Revoke implements [relay.Turn].
func (t sharedTurn) Revoke(owner, username string) {
	t.Server.Revoke(owner, username)
	t.bus.Revoke(owner, username)
}
