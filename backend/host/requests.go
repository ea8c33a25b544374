package host

import (
	"cmp"
	"context"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/call/figures"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/signalling"
)

// doRequest runs fn on the loop with a request and the link at which it waits.
// Fault: RequestGone.
func (h *Host) doRequest(ctx context.Context, requestID string, fn func(*openLink, lobby.Request) error) error {
	return h.do(ctx, func() error {
		for _, o := range h.openLinks {
			for _, q := range o.queue.Requests {
				if q.ID == requestID {
					return fn(o, q)
				}
			}
		}
		return fault.New(fault.RequestGone, nil)
	})
}

// Admit lets a guest in. If the host is not in the call, it asks the window that
// called Attend last to enter. Fault: RequestGone.
func (h *Host) Admit(ctx context.Context, requestID string) error {
	return h.doRequest(ctx, requestID, func(o *openLink, _ lobby.Request) error {
		return o.letIn(requestID)
	})
}

// Decline refuses a guest, who may ask once more. Fault: RequestGone.
func (h *Host) Decline(ctx context.Context, requestID string) error {
	return h.doRequest(ctx, requestID, func(o *openLink, _ lobby.Request) error {
		return o.answer(false, requestID)
	})
}

// AskToWait tells a guest that the host has seen the request. After so many
// minutes the bell rings for it again, with 0 it does not. Faults: RequestGone,
// MessageInvalid (more than signalling.MaxWaitMinutes).
func (h *Host) AskToWait(ctx context.Context, requestID string, minutes int) error {
	if minutes < 0 || minutes > signalling.MaxWaitMinutes {
		return fault.Newf(fault.MessageInvalid, "wait of %d minutes", minutes)
	}
	return h.doRequest(ctx, requestID, func(o *openLink, _ lobby.Request) error {
		return o.lobby.AskToWait(requestID, time.Duration(minutes)*time.Minute)
	})
}

// See says that the host has looked at these requests. The bell does not go on
// for them, and their guests are told.
func (h *Host) See(ctx context.Context, requestIDs []string) error {
	return h.do(ctx, func() error {
		for _, o := range h.openLinks {
			if len(o.queue.Requests) > 0 {
				o.lobby.See(requestIDs)
			}
		}
		return nil
	})
}

// waiting returns what a guest is told of the bell.
func waiting(b lobby.BellState, now time.Time) signalling.Waiting {
	since := b.Since.UnixMilli()
	w := signalling.Waiting{
		Bell: b.Bell, Since: since, Ago: max(0, now.UnixMilli()-since),
		Rings: b.Rings, Seen: b.Seen,
	}
	if !b.Until.IsZero() {
		w.Minutes = int(b.Until.Sub(b.Since).Minutes())
	}
	return w
}

// Block refuses a guest. Their browser can't ask again at this link. Fault:
// RequestGone.
func (h *Host) Block(ctx context.Context, requestID string) error {
	return h.doRequest(ctx, requestID, func(o *openLink, q lobby.Request) error {
		if err := o.lobby.Block(requestID); err != nil {
			return err
		}
		return o.block(q.Device, q.Key)
	})
}

// AdmitAll lets in those of the requests that still wait at a link. The window
// names the ones that it shows, so that a knock which arrives as the host
// presses the button is not let in with the others. Fault: RequestGone, if none
// waits any more.
func (h *Host) AdmitAll(ctx context.Context, linkID string, requestIDs []string) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		return o.letIn(requestIDs...)
	})
}

// DeclineAll declines those of the requests that still wait at a link. Fault:
// RequestGone, if none waits any more.
func (h *Host) DeclineAll(ctx context.Context, linkID string, requestIDs []string) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		return o.answer(false, requestIDs...)
	})
}

// SilenceRequests stops the bell of a link, or lets it ring again.
func (h *Host) SilenceRequests(ctx context.Context, linkID string, on bool) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		o.lobby.SetSilenced(on)
		return nil
	})
}

// LockCall refuses new join requests at a link, or takes them again, also after a
// restart. Guests who wait already are not affected.
func (h *Host) LockCall(ctx context.Context, linkID string, on bool) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		o.lobby.SetLocked(on)
		return h.acquaintances.SetLocked(linkID, on)
	})
}

// RemoveParticipant takes a guest out of the call. With block, the guest's
// browser can't ask again at this link. Fault: ParticipantGone.
func (h *Host) RemoveParticipant(ctx context.Context, linkID, participantID string, block bool) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		st := o.seatOf(participantID)
		if st == nil {
			return fault.New(fault.ParticipantGone, nil)
		}
		var err error
		reason := signalling.EndKicked
		if block {
			reason = signalling.EndBlocked
			for _, device := range st.heldBy() {
				o.lobby.BlockDevice(device)
				err = cmp.Or(o.block(device, st.browser), err)
			}
		} else {
			o.keepOut(st)
		}
		o.freeSeat(st, reason)
		o.endIfEmpty()
		return err
	})
}

func (o *openLink) seatOf(participantID string) *seat {
	for st := range o.seats {
		if st.participant.ID() == participantID {
			return st
		}
	}
	return nil
}

// MuteParticipant asks a participant's page to mute itself. Faults: NotInCall,
// ParticipantGone.
func (h *Host) MuteParticipant(ctx context.Context, linkID, participantID string) error {
	c, err := callOf(ctx, h, linkID)
	if err != nil {
		return err
	}
	return c.Mute(participantID)
}

// CallFigures returns what is known of the lines of a link's call. Faults:
// NotInCall, CallEnded.
func (h *Host) CallFigures(ctx context.Context, linkID string) (figures.Call, error) {
	c, err := callOf(ctx, h, linkID)
	if err != nil {
		return figures.Call{}, err
	}
	return c.Figures()
}

// callOf returns a link's call. Fault: NotInCall, if there is none.
func callOf(ctx context.Context, h *Host, linkID string) (c *call.Call, err error) {
	err = h.doLink(ctx, linkID, func(o *openLink) error {
		if c = o.call; c == nil {
			return fault.New(fault.NotInCall, nil)
		}
		return nil
	})
	return c, err
}

// bringIn asks the window that called Attend last to enter a link's call.
func (o *openLink) bringIn() {
	h := o.host
	if o.hostSeat != nil || h.client == "" {
		return
	}
	h.enter = &hoststate.EnterView{LinkID: string(o.id), Client: h.client}
	h.touch()
}

// pressed acts on a notification. It does nothing if the request has been
// decided before.
func (h *Host) pressed(d notify.Decision) {
	h.background.TryGo(func() {
		var err error
		switch d.Action {
		case notify.ActionLetIn:
			h.attention()
			err = h.Admit(h.ctx, d.Request)
		case notify.ActionDecline:
			err = h.Decline(h.ctx, d.Request)
		case notify.ActionOpen:
			h.attention()
			err = h.See(h.ctx, []string{d.Request})
		case notify.ActionDismiss:
			err = h.See(h.ctx, []string{d.Request})
		}
		if err != nil {
			h.log.Info("notification pressed", "action", d.Action, "code", fault.CodeOf(err))
		}
	})
}

// notes returns what the system's notifications say of guests who wait.
func notes(requests []hoststate.RequestView) (waiting []notify.Request) {
	for _, q := range requests {
		waiting = append(waiting, notify.Request{
			ID:         q.ID,
			Name:       q.Shown,
			LinkName:   q.LinkName,
			NameInCall: q.NameInCall,
			NameKnown:  q.Known == hoststate.KnownName,
			LooksLike:  q.LooksLike,
			Quiet:      q.Bell != string(signalling.BellRung),
			Rings:      q.Rings,
			Seen:       q.Seen,
		})
	}
	return waiting
}
