package loopback

import (
	"context"
	"errors"
	"log/slog"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Subprotocol is the WebSocket subprotocol of the window's socket.
const Subprotocol = "porch.window.v1"

// Flow control of pictures; see the package's documentation.
const (
	TakenEvery     = 4
	MaxOutstanding = 24
)

// Options of a server.
type Options struct {
	// Origins reports whether a page of this origin is the host's window:
	// "wails://wails", "http://wails.localhost", or the dev server's.
	Origins func(origin string) bool
	// Handler is called with each window that has entered, on a goroutine of
	// its own. The socket closes when it returns. It must return when Recv
	// fails.
	Handler func(*Conn)
	// Logger is slog.Default() when nil.
	Logger *slog.Logger
}

// Server accepts windows.
type Server struct{}

// Ticket lets one window enter, once.
type Ticket struct {
	URL   string `json:"url"` // ws://127.0.0.1:PORT/window
	Token string `json:"token"`
}

// Listen starts a server on a free port of 127.0.0.1. ctx bounds starting, not
// the server.
func Listen(ctx context.Context, options Options) (*Server, error) {
	return nil, errors.New("loopback: not yet")
}

// Grant returns a ticket. claims come back from Conn.Claims.
func (s *Server) Grant(claims any) Ticket { return Ticket{} }

// Close ends all windows, waits for their handlers, and may be called twice.
func (s *Server) Close() error { return nil }

// Conn is one window's socket.
type Conn struct{}

// VideoFrame is one encoded picture for the window.
type VideoFrame struct {
	Participant string
	Keyframe    bool
	Timestamp   uint64 // microseconds
	Payload     []byte // VP8; copied
}

// ErrKeyframeWanted says that a frame was dropped because the window is slow,
// or because its source has not begun with a keyframe: frames of this
// participant are dropped until the next keyframe, which the caller should ask
// for.
var ErrKeyframeWanted = errors.New("loopback: frame dropped, keyframe wanted")

// KeyframeWanted is a message of the window: it needs a keyframe of this
// participant.
type KeyframeWanted struct {
	Participant string `json:"participant"`
}

// Type implements [signalling.Message].
func (KeyframeWanted) Type() signalling.Type { return "keyframeWanted" }

// Validate implements [signalling.Message].
func (m KeyframeWanted) Validate() error {
	if len(m.Participant) == 0 || len(m.Participant) > 64 {
		return fault.New(fault.MessageInvalid, nil)
	}
	return nil
}

// Claims returns what Grant was given.
func (c *Conn) Claims() any { return nil }

// Send queues a message and never blocks. A full queue closes the socket with
// [fault.TooSlow].
func (c *Conn) Send(m signalling.Message) error { return nil }

// SendFrame queues a picture and never blocks. It may be called from any
// goroutine, in order for each participant. Besides [ErrKeyframeWanted] it
// returns [fault.HostGone] when the socket is closed.
func (c *Conn) SendFrame(f VideoFrame) error { return nil }

// Recv returns the window's next message: one that guests send, or
// [KeyframeWanted]. A message that can't be read is an error with its fault,
// and the socket goes on; when the socket has ended, the error is io.EOF.
func (c *Conn) Recv(ctx context.Context) (signalling.Message, error) { return nil, nil }

// Close ends the socket after what was sent. reason is "" for an ordinary end.
func (c *Conn) Close(reason fault.Code) {}
