package host

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/call/foresight"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// openLink is a link that can be opened: the guests at it, waiting or in the call.
// The loop owns its fields, except those that never change.
type openLink struct {
	host  *Host // never changes
	id    sealed.LinkID
	keys  sealed.LinkKeys // never changes
	lobby *lobby.Lobby    // never changes
	ways  *ways.Link      // never changes

	ended     signalling.EndReason
	removeAt  time.Time   // when the host's removal takes hold; zero for none; set by removeWhen
	notBefore time.Time   // when ending it at its time is tried again, after the disk has failed
	leaving   atomic.Bool // removeAt is set; any goroutine may read it
	sessions  map[*guestSession]struct{}
	newest    uint64 // number of the newest session
	queue     lobby.Snapshot
	words     map[string][]word // by request: what was said with guests who wait
	shown     map[string]string // by request: the names under which requests are shown

	call     *call.Call // nil while nobody is in the call
	calls    int        // that have begun since the app started
	began    time.Time  // when the call began
	roster   []signalling.Participant
	forecast foresight.Forecast // of letting one more guest in
	doorDue  bool               // co-hosts are about to hear who waits
	guestIn  bool               // since the app started, a guest was in who has left
	hostIn   bool               // since the app started, the host has been in
	seats    map[*seat]struct{}
	hostSeat *hostSeat // the host's own part; nil while the host is not in
}

// addLink makes all that a link needs before guests can open it. It does not
// announce the link.
func (h *Host) addLink(l links.Link) *openLink {
	o := &openLink{
		host:     h,
		id:       l.ID,
		keys:     l.Keys,
		sessions: make(map[*guestSession]struct{}),
		seats:    make(map[*seat]struct{}),
	}
	o.ways = h.ways.Link(l, o.accept)
	o.queue.Locked = h.acquaintances.Locked(string(o.id))
	o.lobby = lobby.New(lobby.Options{
		Locked:   o.queue.Locked,
		Declines: func(device string) int { return h.acquaintances.Declined(string(o.id), device) },
		OnChange: func(s lobby.Snapshot) {
			h.loop.Post("lobby "+string(o.id), func() { o.lobbyChanged(s) })
		},
	})
	h.openLinks[o.id] = o
	h.touch()
	return o
}

// close tells all guests at a link that it is over, with the reason, and takes the
// link back from the relays. The book has been written before.
func (o *openLink) close(reason signalling.EndReason) {
	h := o.host
	if o.ended != "" {
		return
	}
	o.ended = reason
	delete(h.openLinks, o.id)
	if h.enter != nil && h.enter.LinkID == string(o.id) {
		h.enter = nil
	}
	for s := range o.sessions {
		s.end(reason)
	}
	for st := range o.seats {
		st.stopExpiry()
		st.credentials.End()
	}
	clear(o.seats)
	o.lobby.Close(outcomeOf(reason))
	if s := o.hostSeat; s != nil {
		o.hostSeat = nil
		s.dismiss(reason)
	}
	o.closeCall(reason)
	if note, ok := Note(h.book, o.id); ok {
		o.ways.Depart(&note)
		h.forgetDecisions()
	} else {
		o.ways.Depart(nil)
	}
	o.queue = lobby.Snapshot{}
	h.forgetParts()
}

// closeCall ends a link's call, if there is one. The call's goroutines end in the
// background. Host.Close waits for them.
func (o *openLink) closeCall(reason signalling.EndReason) {
	h := o.host
	o.ways.CallEnded()
	c := o.call
	if c == nil {
		return
	}
	o.call, o.roster = nil, nil
	began := o.began
	h.background.Go(func() {
		o.recordCall(c, began)
		c.Close(reason)
		h.totals.End(c)
	})
	h.touch()
}

// outcomeOf returns what a link's end means for guests who wait.
func outcomeOf(reason signalling.EndReason) lobby.Outcome {
	switch reason {
	case signalling.EndRemoved:
		return lobby.Removed
	case signalling.EndSpent:
		return lobby.Spent
	case signalling.EndEnded:
		return lobby.Ended
	default:
		return lobby.Shutdown
	}
}

// lobbyChanged stores the newest snapshot of a link's lobby.
func (o *openLink) lobbyChanged(s lobby.Snapshot) {
	if o.ended != "" {
		return
	}
	o.queue = s
	o.forgetWords()
	if len(s.Requests) == 0 {
		o.ways.StopAsking()
	}
	if o.call != nil {
		o.call.Expect(len(s.Requests) > 0)
	}
	o.doorChanged()
	o.host.touch()
}

// ensureCall returns the link's call. If there is none, it begins one.
func (o *openLink) ensureCall() (*call.Call, error) {
	h := o.host
	if o.call != nil {
		return o.call, nil
	}
	o.calls++
	ofCall := fmt.Sprint(" ", o.calls, " ", o.id) // so that a call that ends says nothing in place of the next
	var c *call.Call
	c, err := h.engine.NewCall(call.Hooks{
		OnRoster: func(ps []signalling.Participant) {
			h.loop.Post("roster"+ofCall, func() {
				if o.call == c {
					o.rosterChanged(ps)
				}
			})
		},
		OnForecast: func(f foresight.Forecast) {
			h.loop.Post("forecast"+ofCall, func() {
				if o.call == c {
					o.forecast = f
					h.touch()
				}
			})
		},
		OnRecording: func(people []call.Recorded) {
			h.loop.Post("recording"+ofCall, func() { h.recordings.Changed(c, people) })
		},
	}, o.ways.ForCall())
	if err != nil {
		return nil, err
	}
	o.call, o.began, o.forecast = c, h.now(), foresight.Forecast{}
	c.Expect(len(o.queue.Requests) > 0)
	o.ways.StopAsking()
	h.totals.Begin(c)
	if !h.engine.HasUDP() {
		h.say(string(fault.UDPUnavailable))
	}
	return c, nil
}

// rosterChanged stores who is in a link's call. If the holder of a seat is missing,
// their connection could not go on. The call has told them so, and the seat is
// given up.
func (o *openLink) rosterChanged(ps []signalling.Participant) {
	o.roster = ps
	o.host.touch()
	in := make(map[string]bool, len(ps))
	for _, p := range ps {
		in[p.ID] = true
	}
	dropped := false
	for st := range o.seats {
		if !in[st.participant.ID()] {
			o.freeSeat(st, signalling.EndFault)
			dropped = true
		}
	}
	switch {
	case o.hostSeat != nil && !in[codec.HostID]:
		o.leaveHostSeat()
	case dropped:
		o.endIfEmpty()
	}
}

// recordEntry records that a guest is in. It runs on its own goroutine, so that the
// disk delays neither the first picture after Let in nor the loop.
func (o *openLink) recordEntry(st *seat, began time.Time, device string) {
	h, name := o.host, st.name
	if _, err := h.book.Enter(o.id); err != nil {
		h.log.Info("mark link live", "code", fault.CodeOf(err)) // the link has ended in the meantime, or the disk is full
	}
	if err := h.book.RecordVisitor(o.id, device, name); err != nil {
		h.log.Error("record visitor", "error", err)
	}
	visit, err := h.book.Come(o.id, began, name)
	if err != nil {
		h.log.Error("record visit", "code", fault.CodeOf(err))
	}
	st.visit <- visit
	h.loop.Post("visitors "+string(o.id), func() {
		h.forgetParts()
		o.restIfEmpty()
	})
}

// restIfEmpty ends the use of a link that stays, if its last guest left before their
// entry was recorded.
func (o *openLink) restIfEmpty() {
	if o.ended != "" || len(o.seats) > 0 || o.hostSeat != nil {
		return
	}
	if l, err := o.host.book.Get(o.id); err != nil || l.State != links.StateLive || !l.Stays(o.host.now()) {
		return
	}
	if _, err := o.host.book.Spend(o.id); err != nil {
		o.host.log.Error("rest link", "error", err)
	}
	o.host.touch()
}

// endIfEmpty ends the call once it is empty and no seat is held. The link is spent
// if a guest was ever in and the last participant has left. It is not spent by a
// host who was in alone, or by a join that failed after a restart.
func (o *openLink) endIfEmpty() {
	if o.ended != "" || len(o.seats) > 0 || o.hostSeat != nil {
		return
	}
	l, _ := o.host.book.Get(o.id)
	if !l.Over(o.host.now()) && !o.guestIn && (!o.hostIn || len(o.host.book.Visitors(o.id)) == 0) {
		o.closeCall("")
		return
	}
	o.spend(signalling.EndSpent)
}

// spend ends an open link for good, or only its call if the link stays.
func (o *openLink) spend(reason signalling.EndReason) {
	h := o.host
	if _, err := h.book.Enter(o.id); err != nil { // a link that ends before anybody was in is spent as well
		h.log.Error("mark link live", "error", err)
	}
	l, err := h.book.Spend(o.id)
	if err != nil {
		h.log.Error("spend link", "error", err)
	}
	if err == nil && !l.State.Ended() {
		o.rest(reason)
		return
	}
	o.close(reason)
}
