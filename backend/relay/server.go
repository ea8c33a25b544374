package relay

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/porch-call/porch/backend/sealed"
)

// SocketPath is where guests open their WebSocket.
const SocketPath = "/socket"

// Options of a relay.
type Options struct {
	// Dir keeps the port, the certificate and the key of notes. It is made,
	// for its owner only, when missing.
	Dir string
	// Listen overrides where to listen: "host:port", ":port", "port" or
	// "host:". Port 0 or none is the remembered port, or any free one, which
	// is remembered then. "" is all interfaces. It is the value of
	// PORCH_LISTEN.
	Listen string
	// Pages is the built guest page: index.html, and beside it what it loads.
	// A file with .br or .gz added to its name is its compressed form. Pages
	// are read once. nil serves sockets only.
	Pages fs.FS
	// Notes returns the note that a link leaves when it is spent or removed
	// (sealed.SealNote), and false for every other link. It is called for each
	// question about a link that no host answers, and should take no more than
	// a few milliseconds. nil knows none.
	Notes func(sealed.LinkID) (note [sealed.NoteSize]byte, ok bool)
	// OnAddresses is called with the new Addresses when they have changed
	// after Open, from one goroutine. It may be nil.
	OnAddresses func([]Address)
	// Switchboard is one in memory when nil.
	Switchboard Switchboard
	// Logger is slog.Default() when nil.
	Logger *slog.Logger
}

// Server is a running relay.
type Server struct{}

// Open starts a relay. It returns [fault.PortTaken] when the port that Listen
// names is in use; a remembered port that is in use is passed over for this
// run (see PortChanged).
func Open(ctx context.Context, options Options) (*Server, error) {
	return nil, errors.New("relay: not yet")
}

// Addresses returns where guests find this relay now: this computer first,
// then this network, the likeliest interface first.
func (s *Server) Addresses() []Address { return nil }

// PortChanged reports that the port that earlier links name was in use, so
// that this run listens elsewhere.
func (s *Server) PortChanged() bool { return false }

// Announce makes a link reachable: it proves to the relay that the keys are
// held, and takes the link's id. accept is called once for each guest who
// opens the link; see [Switchboard] for its duties. withdraw closes the
// channels with [signalling.CloseHostGone]; it may be called twice.
func (s *Server) Announce(ctx context.Context, keys sealed.LinkKeys, accept func(Frames)) (withdraw func(), err error) {
	return nil, errors.New("relay: not yet")
}

// Close ends everything: guests' sockets close with
// [signalling.CloseHostGone]. It waits, and may be called twice.
func (s *Server) Close() error { return nil }
