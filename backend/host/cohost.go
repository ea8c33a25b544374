package host

import (
	"context"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// LetWaitOutside puts a guest out of the call, to wait until the host lets them in
// again. Fault: ParticipantGone.
func (h *Host) LetWaitOutside(ctx context.Context, linkID, participantID string) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		st := o.seatOf(participantID)
		if st == nil {
			return fault.New(fault.ParticipantGone, nil)
		}
		o.putOutside(st)
		return nil
	})
}

// putOutside ends a guest's part in the call, and then puts them back into the
// queue. The call stays, even if nobody is in it: the guest outside may be let in
// again.
func (o *openLink) putOutside(st *seat) {
	s := st.session
	o.keepOut(st)
	if s == nil {
		o.freeSeat(st, "")
		o.lobby.Return(lobby.Knock{Device: st.device, Key: st.browser, Name: st.name})
		return
	}
	s.wasIn.Store(true)
	s.putOut.Store(true)
	own := s.seated
	o.freeSeat(st, "")
	if s.browser == "" && s.device == st.device && len(st.devices) == 0 { // it has come back without a knock
		s.browser = st.browser
	}
	ticket := o.lobby.Return(s.ask(signalling.Knock{Name: st.name}, s.browser, false))
	s.ticket.Store(ticket)
	if own {
		s.credentials, s.seated = s.credentials.Anew(), false
	}
	s.confirmed = false
	if s.takes.has(signalling.TakesOutside) {
		_ = s.out.Send(signalling.Outside{}) // a lost path shows in read
	} else { // this page knocks again by itself as well
		_ = s.out.Send(signalling.Ended{Reason: signalling.EndSeatGone})
	}
	s.outside <- ticket // there is room, because a session has one seat at a time
}

// SetCoHost names a guest in the call a co-host, or takes that back. It ends with
// the seat. Faults: ParticipantGone, PageTooOld.
func (h *Host) SetCoHost(ctx context.Context, linkID, participantID string, on bool) error {
	return h.doLink(ctx, linkID, func(o *openLink) error {
		st := o.seatOf(participantID)
		switch {
		case st == nil:
			return fault.New(fault.ParticipantGone, nil)
		case on && (st.session == nil || !st.session.takes.has(signalling.TakesDoor)):
			return fault.New(fault.PageTooOld, nil)
		case st.coHost == on:
			return nil
		}
		st.coHost = on
		st.participant.SetCoHost(on)
		if on {
			st.tellDoor(o.door())
		} else if st.session != nil {
			_ = st.session.out.Send(signalling.Door{Over: true}) // a lost path shows in read
		}
		return nil
	})
}

// doorEvery is how long changes at the door are gathered before co-hosts hear of
// them.
const doorEvery = 100 * time.Millisecond

// doorChanged tells the co-hosts soon.
func (o *openLink) doorChanged() {
	if o.doorDue {
		return
	}
	for st := range o.seats {
		o.doorDue = o.doorDue || st.coHost
	}
	if !o.doorDue {
		return
	}
	time.AfterFunc(doorEvery, func() {
		o.host.loop.Post("door "+string(o.id), func() {
			o.doorDue = false
			d := o.door()
			for st := range o.seats {
				st.tellDoor(d)
			}
		})
	})
}

// tellDoor tells a co-host who waits. It tells other guests nothing.
func (st *seat) tellDoor(d signalling.Door) {
	if st.coHost && st.session != nil && st.session.takes.has(signalling.TakesDoor) {
		_ = st.session.out.Send(d) // a lost path shows in read
	}
}

// door returns what co-hosts are told of who waits.
func (o *openLink) door() (d signalling.Door) {
	o.nameRequests()
	now := o.host.now()
	for _, q := range o.queue.Requests {
		if len(d.Requests) == signalling.MaxRequests {
			d.More = len(o.queue.Requests) - signalling.MaxRequests
			break
		}
		inCall, like := o.resembles(q)
		d.Requests = append(d.Requests, signalling.Request{
			ID: q.ID, Name: o.shown[q.ID], Since: max(0, now.Sub(q.Since).Milliseconds()),
			TimesLetIn: q.Known.TimesLetIn, Away: q.Away,
			Careful: inCall || like != "" || q.Known.TimesLetIn == 0 && q.Known.NameKnown,
		})
	}
	return d
}

// act does what a co-host asks for, and tells the host. Only a guest is muted or
// removed, and no co-host is removed. Faults: NotCoHost, RequestGone,
// ParticipantGone, NotInCall.
func (o *openLink) act(ctx context.Context, s *guestSession, st *seat, a signalling.Act) error {
	return o.doSeat(ctx, s, st, func() error {
		if !st.coHost {
			return fault.New(fault.NotCoHost, nil)
		}
		var name string
		var err error
		switch a.Deed {
		case signalling.DeedAdmit, signalling.DeedDecline:
			i := slices.IndexFunc(o.queue.Requests, func(q lobby.Request) bool { return q.ID == a.Of })
			if i < 0 {
				return fault.New(fault.RequestGone, nil)
			}
			name = o.shown[a.Of]
			err = o.answer(a.Deed == signalling.DeedAdmit, a.Of)
		case signalling.DeedMute, signalling.DeedRemove:
			other := o.seatOf(a.Of)
			switch {
			case other == nil:
				return fault.New(fault.ParticipantGone, nil)
			case a.Deed == signalling.DeedMute:
				err = o.call.Mute(a.Of)
			case other.coHost:
				return fault.New(fault.NotCoHost, nil)
			default:
				o.keepOut(other)
				o.freeSeat(other, signalling.EndKicked)
			}
			name = other.shown
		}
		if err == nil {
			o.record(st.shown, string(a.Deed), name)
		}
		return err
	})
}

// maxDeeds is how many deeds the window is shown.
const maxDeeds = 20

// record tells the host what somebody else has done at a link. name is whom it was
// done to, "" for none.
func (o *openLink) record(by, deed, name string) {
	h := o.host
	h.deedCount++
	h.deeds = lastOf(append(slices.Clone(h.deeds), hoststate.DeedView{
		ID: h.deedCount, LinkID: string(o.id), By: by, Deed: deed, Name: name, At: hoststate.Millis(h.now()),
	}), maxDeeds)
	h.touch()
}
