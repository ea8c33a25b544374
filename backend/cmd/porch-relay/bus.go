package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/natsboard"
	"github.com/porch-call/porch/backend/relay/turn"
	"github.com/porch-call/porch/backend/sealed"
)

// openBus connects this machine to the others of its relay. revoke is told
// what credentials others have taken back.
func openBus(ctx context.Context, s settings, all secret, notes *relay.Notebook, revoke func(owner, username string), log *slog.Logger) (*natsboard.Board, error) {
	key, err := all.key("bus")
	if err != nil {
		return nil, err
	}
	o := natsboard.Options{
		Servers: s.nats, Prefix: s.natsPrefix, Secret: key,
		PerLink: s.perLink, PerAddress: min(s.perLink, maxPerAddress),
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
	b, err := natsboard.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("-nats: %w", err)
	}
	return b, nil
}

// maxPerAddress is how many guests at one link may come from one address, as in
// a relay of one machine.
const maxPerAddress = 96

// sharedNotes keeps notes here, and at the other machines.
func sharedNotes(notes *relay.Notebook, bus *natsboard.Board) func(sealed.LinkID, [sealed.NoteSize]byte) {
	return func(id sealed.LinkID, note [sealed.NoteSize]byte) {
		notes.Put(id, note)
		bus.Note(id, note)
	}
}

// sharedTurn takes credentials back at every machine: they are good on all.
type sharedTurn struct {
	*turn.Server
	bus *natsboard.Board
}

// Revoke implements [relay.Turn].
func (t sharedTurn) Revoke(owner, username string) {
	t.Server.Revoke(owner, username)
	t.bus.Revoke(owner, username)
}
