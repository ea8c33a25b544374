package nats

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// Dial implements [switchboard.Switchboard].
func (b *Board) Dial(ctx context.Context, id sealed.LinkID, remote switchboard.RemoteInfo) ([]byte, switchboard.Frames, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	public, guest, err := b.local.Dial(ctx, id, remote)
	if fault.CodeOf(err) != fault.LinkUnavailable {
		return public, guest, err
	}
	if !b.Connected() {
		return nil, nil, err
	}
	public, guest, err = b.dialOut(ctx, id, remote)
	if fault.CodeOf(err) == fault.LinkUnavailable {
		// A host may have come to this node meanwhile.
		return b.local.Dial(ctx, id, remote)
	}
	return public, guest, err
}

// dialOut asks the other nodes for the host of a link.
func (b *Board) dialOut(ctx context.Context, id sealed.LinkID, remote switchboard.RemoteInfo) ([]byte, switchboard.Frames, error) {
	if len(remote.Key) > maxRemoteKey {
		return nil, nil, fault.Newf(fault.Internal, "nats: the key of an address has more than %d bytes", maxRemoteKey)
	}
	if !b.enter() { // until the leg runs, or Dial gives up
		return nil, nil, fault.New(fault.ShuttingDown, nil)
	}
	l, guest := b.newGuestLeg(remote)
	public, err := b.knock(ctx, l, id, remote)
	if err != nil {
		b.wg.Done()
		l.giveUp()
		return nil, nil, err
	}
	go func() {
		defer b.wg.Done()
		b.serve(l)
	}()
	return public, guest, nil
}

// knock asks for a guest's channel up to three times, because a message may be
// lost. A node that is asked again for a channel that it has repeats its answer.
func (b *Board) knock(ctx context.Context, l *leg, id sealed.LinkID, remote switchboard.RemoteInfo) ([]byte, error) {
	at, number := toLink(b.seals.token(id)), l.key.channel
	for try := range 3 {
		if b.publish(at, strconv.FormatUint(number, 10), open{number, remote.Loopback, remote.Key}) != nil {
			break
		}
		patience := time.NewTimer(b.times.open << try)
		select {
		case m := <-l.answer:
			patience.Stop()
			return publicOf(id, m)
		case <-patience.C:
		case <-l.end.Done():
			patience.Stop()
			select {
			case m := <-l.answer: // its host has ended it already
				return publicOf(id, m)
			default:
				return nil, fault.New(fault.ShuttingDown, nil)
			}
		case <-ctx.Done():
			patience.Stop()
			return nil, ctx.Err()
		}
	}
	return nil, fault.New(fault.LinkUnavailable, nil)
}

// publicOf returns the key of a link from the answer to open.
func publicOf(id sealed.LinkID, answer message) ([]byte, error) {
	switch m := answer.(type) {
	case opened:
		if sealed.IDOf(m.public[:]) == id {
			return bytes.Clone(m.public[:]), nil
		}
	case refused:
		if m.full {
			return nil, fault.Newf(fault.TooFast, "too many guests on one link")
		}
	}
	return nil, fault.New(fault.LinkUnavailable, nil)
}
