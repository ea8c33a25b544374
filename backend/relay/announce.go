package relay

import (
	"context"
	"crypto/subtle"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// Announce makes a link reachable: it proves to the relay that this host holds
// the keys, and takes the link's id. accept is called once for each guest who
// opens the link; see [switchboard.Switchboard] for its duties. withdraw closes
// the channels with [signalling.CloseHostGone]; it may be called twice.
//
// ctx bounds Announce itself. A closed relay returns [fault.ShuttingDown].
func (s *Server) Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(), err error) {
	return s.admitHost(ctx, keys.Public(), accept, func(challenge []byte) ([]byte, error) {
		return sealed.AnswerChallenge(keys, challenge)
	})
}

// admitHost attaches the host that answers the challenge to the id of a public
// key. The host in this process takes the same way as one that dials in.
func (s *Server) admitHost(ctx context.Context, public []byte, accept func(switchboard.Frames), answer func(challenge []byte) ([]byte, error)) (withdraw func(), err error) {
	challenge, want, err := sealed.NewChallenge(public)
	if err != nil {
		return nil, err
	}
	got, err := answer(challenge)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return nil, fault.Newf(fault.RelayRefused, "relay: the challenge was not met")
	}
	a, err := s.board.Attach(ctx, sealed.IDOf(public), public, accept)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		a.Detach()
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	s.attachments[a] = struct{}{}
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		delete(s.attachments, a)
		s.mu.Unlock()
		a.Detach()
	}, nil
}
