package guest

import (
	"context"
	"errors"
	"io"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// faultOf returns the fault for a reason of Ended.
func faultOf(reason signalling.EndReason) error {
	code := fault.Internal
	switch reason {
	case signalling.EndSpent:
		code = fault.LinkSpent
	case signalling.EndRemoved:
		code = fault.LinkRemoved
	case signalling.EndEnded:
		code = fault.CallEnded
	case signalling.EndKicked:
		code = fault.RemovedByHost
	case signalling.EndBlocked:
		code = fault.Blocked
	case signalling.EndTimedOut:
		code = fault.KnockTimedOut
	case signalling.EndReplaced:
		code = fault.KnockReplaced
	case signalling.EndShutdown:
		code = fault.HostGone
	case signalling.EndSeatGone:
		code = fault.SeatExpired
	case signalling.EndFull:
		code = fault.LobbyFull
	case signalling.EndLocked:
		code = fault.LobbyLocked
	case signalling.EndFault:
		code = fault.MessageUnexpected
	}
	return fault.Newf(code, "the host ended it: %s", reason)
}

// lossOf returns the fault for a failed read or write of a socket. greeted says whether the host had answered. A host
// that hangs up before that has dropped the guest unseen, and so is not the host of this link.
func lossOf(ctx context.Context, err error, greeted bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	switch signalling.CloseCode(websocket.CloseStatus(err)) { // -1, for no close frame, matches no case
	case signalling.CloseHostGone:
		return fault.New(fault.HostGone, err)
	case signalling.CloseUnavailable:
		return fault.New(fault.LinkUnavailable, err)
	case signalling.CloseTooSlow:
		return fault.New(fault.TooSlow, err)
	case signalling.CloseTooFast:
		return fault.New(fault.TooFast, err)
	case signalling.CloseTooLarge:
		return fault.New(fault.FrameTooLarge, err)
	case signalling.CloseRefused, signalling.CloseDone:
		if !greeted {
			return fault.New(fault.LinkUnavailable, err)
		}
		return fault.New(fault.RelayRefused, err)
	}
	if errors.Is(err, io.EOF) {
		return fault.New(fault.RelayUnreachable, io.ErrUnexpectedEOF)
	}
	return fault.New(fault.RelayUnreachable, err)
}
