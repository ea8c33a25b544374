package switchboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Frames is one end of a guest's channel: whole binary frames, in order, both
// ways. Their contents are sealed. Either end may be used by many goroutines,
// except Recv, which one goroutine calls at a time.
type Frames interface {
	// Send queues a frame for the other end and never blocks. The channel owns
	// the frame from then on. If the other end does not read and the queue is
	// full, this channel closes with [signalling.CloseTooSlow], and no other. A
	// frame from the guest above Limit closes it with [signalling.CloseTooLarge].
	// The error is a [Closed].
	Send(frame []byte) error

	// Recv waits for the next frame. Frames that were sent before the other
	// end closed the channel still arrive; then the error is a [Closed], or
	// ctx's error.
	Recv(ctx context.Context) ([]byte, error)

	// Close ends the channel. The first code stands; closing again does
	// nothing. What this end has sent is still delivered.
	Close(code signalling.CloseCode)

	// Done is closed when either end has closed the channel.
	Done() <-chan struct{}

	// Remote returns what limits need to know of where the guest is.
	Remote() RemoteInfo

	// SetLimit is for the host. From now on the guest may send messages of up to
	// n bytes before sealing. A channel starts with [signalling.MaxFrameBefore];
	// the host raises it to [signalling.MaxFrame] just before it sends Admitted.
	// The room to queue what the guest sends grows with it.
	SetLimit(n int)

	// Limit returns the largest frame that the guest may send, sealed, in bytes.
	Limit() int
}

// RemoteInfo is what may be known of where a guest is. It is for limits in
// memory, and is never logged or stored.
type RemoteInfo struct {
	// Loopback means that the guest is on this computer.
	Loopback bool
	// Direct means that the guest came through a direct door.
	Direct bool
	// Key is the same for guests behind the same address (IPv6: the same /64) and
	// tells nothing else. It is a hash under a key of this process, or of this
	// cluster (Options.Secret). Its first half is the same within an IPv6 /48
	// (household.WideKey). "" stands for an address that is not counted.
	Key string
}

// Closed is the error of a channel that has ended. errors.Is finds the fault
// of its code, or io.EOF for an ordinary end.
type Closed struct {
	Code signalling.CloseCode
}

// Error implements error.
func (c Closed) Error() string { return fmt.Sprintf("relay: channel closed (%d)", c.Code) }

// Unwrap returns io.EOF for [signalling.CloseDone] and [signalling.CloseGone], else
// a fault.
func (c Closed) Unwrap() error {
	if c.Code == signalling.CloseDone || c.Code == signalling.CloseGone {
		return io.EOF
	}
	return fault.New(faultOf(c.Code), nil)
}

// CloseOf returns the code that ends a socket or a channel after err. An error without
// a fault is an ordinary end: the other side is gone.
func CloseOf(err error) signalling.CloseCode {
	var closed Closed
	var broken *fault.Error
	switch {
	case errors.As(err, &closed):
		return closed.Code
	case errors.Is(err, os.ErrDeadlineExceeded):
		return signalling.CloseTooSlow
	case !errors.As(err, &broken):
		return signalling.CloseDone
	}
	switch broken.Code {
	case fault.FrameTooLarge:
		return signalling.CloseTooLarge
	case fault.TooFast:
		return signalling.CloseTooFast
	case fault.TooSlow:
		return signalling.CloseTooSlow
	case fault.LinkUnavailable, fault.HostGone, fault.ShuttingDown:
		return signalling.CloseHostGone
	default:
		return signalling.CloseRefused
	}
}

// faultOf returns the fault that a person is told when a socket closes with code.
func faultOf(code signalling.CloseCode) fault.Code {
	switch code {
	case signalling.CloseUnavailable:
		return fault.LinkUnavailable
	case signalling.CloseTooSlow:
		return fault.TooSlow
	case signalling.CloseHostGone:
		return fault.HostGone
	case signalling.CloseTooLarge:
		return fault.FrameTooLarge
	case signalling.CloseTooFast:
		return fault.TooFast
	case signalling.CloseRefused:
		return fault.MessageUnexpected
	case signalling.CloseDone, signalling.CloseGone:
		return ""
	}
	return fault.RelayUnreachable
}
