package switchboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

func TestCloseOf(t *testing.T) {
	for _, test := range []struct {
		err  error
		want signalling.CloseCode
	}{
		{Closed{signalling.CloseGone}, signalling.CloseGone},
		{fmt.Errorf("read: %w", Closed{signalling.CloseTooFast}), signalling.CloseTooFast},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), signalling.CloseTooSlow},
		{fault.New(fault.FrameTooLarge, nil), signalling.CloseTooLarge},
		{fault.New(fault.TooFast, nil), signalling.CloseTooFast},
		{fault.New(fault.TooSlow, nil), signalling.CloseTooSlow},
		{fault.New(fault.LinkUnavailable, nil), signalling.CloseHostGone},
		{fault.New(fault.ShuttingDown, nil), signalling.CloseHostGone},
		{fault.New(fault.SecretWrong, io.EOF), signalling.CloseRefused},
		{fault.New(fault.MessageInvalid, nil), signalling.CloseRefused},
		{io.EOF, signalling.CloseDone},
		{errors.New("the network"), signalling.CloseDone},
		{context.Canceled, signalling.CloseDone},
	} {
		if got := CloseOf(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
	for _, code := range []signalling.CloseCode{
		signalling.CloseDone, signalling.CloseTooSlow, signalling.CloseHostGone, signalling.CloseTooLarge,
		signalling.CloseTooFast, signalling.CloseRefused,
	} {
		if got := CloseOf(errors.Unwrap(Closed{code})); got != code {
			t.Errorf("%d has the fault of %d", code, got)
		}
	}
}
