package host

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// room is a link that can be opened: who is at it, who waits, who is in. The
// loop owns its fields, unless they never change.
type room struct {
	id     sealed.LinkID
	keys   sealed.LinkKeys // never changes
	secret sealed.Secret   // never changes
	lobby  *lobby.Lobby    // never changes
	relay  string          // base of the public relay on which it lives, "" for none; never changes

	withdraw func() // takes the id back from the relay inside the app
	// line is the way to the relay on which the link lives; nil while there is
	// none. withdrawRemote takes the id back from there, and leaves a note.
	line           *line
	withdrawRemote func(note *[sealed.NoteSize]byte)
	passage        *passage // the host's own in the call
	asking         func()   // ends asking STUN servers ahead of the call; nil while nobody does

	ended    signalling.EndReason
	sessions map[*session]struct{}
	queue    lobby.Snapshot
	shown    map[string]string // the names under which requests are shown, by request

	call     *call.Call // nil while nobody is in
	roster   []signalling.Participant
	guestIn  bool // a guest who has left was in since the app started
	hostIn   bool // the host has been in since the app started
	seats    map[*seat]struct{}
	presence *presence // the host's own part; nil while outside
}

// seatKey is a digest of a seat's token: the token itself is only at the guest.
type seatKey [sha256.Size]byte

const tokenSize = 16

// seat is what an admitted guest holds in a room's call.
type seat struct {
	tokens      seatTokens
	newest      string // base64url: the token that was issued last
	connection  int    // counts the guest's peer connections
	participant *call.Participant
	ticket      *lobby.Ticket // that it was given for
	name        string        // as the guest gave it
	shown       string        // the name in the call
	device      string
	session     *session    // nil while the guest is away
	used        atomic.Bool // the guest has shown that they are in
	passage     *passage
	expiry      *time.Timer
	closing     bool // the page that held it last went away, and said so
}

func digest(b []byte) seatKey { return sha256.Sum256(b) }

// randomID returns 16 random bytes in base64url.
func randomID() string {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// openRoom starts what a link needs to be answered. It does not announce it.
func (h *Host) openRoom(l links.Link) *room {
	r := &room{
		id:             l.ID,
		keys:           l.Keys,
		secret:         l.Secret,
		relay:          l.Relay,
		withdraw:       func() {},
		withdrawRemote: func(*[sealed.NoteSize]byte) {},
		sessions:       make(map[*session]struct{}),
		seats:          make(map[*seat]struct{}),
	}
	r.lobby = lobby.New(lobby.Options{
		OnChange: func(s lobby.Snapshot) {
			h.loop.post("lobby "+string(r.id), func() { h.lobbyChanged(r, s) })
		},
	})
	h.rooms[r.id] = r
	h.touch()
	return r
}

// announce makes a room reachable: on this computer and its network, and at the
// public relay on which the link lives.
func (h *Host) announce(r *room) error {
	withdraw, err := h.relay.Announce(h.ctx, r.keys, func(f switchboard.Frames) { h.accept(r, nil, f) })
	if err != nil {
		return err
	}
	r.withdraw = withdraw
	if ln := h.lineOf(r.relay); ln != nil {
		h.announceAt(r, ln)
	}
	return nil
}

// closeRoom tells everybody at a link that it is over for this reason, and
// takes the link back from the relay. The book has been written before.
func (h *Host) closeRoom(r *room, reason signalling.EndReason) {
	if r.ended != "" {
		return
	}
	r.ended = reason
	delete(h.rooms, r.id)
	if h.enter != nil && h.enter.LinkID == string(r.id) {
		h.enter = nil
	}
	for s := range r.sessions {
		s.end(reason)
	}
	for st := range r.seats {
		st.stopExpiry()
		st.passage.end()
	}
	clear(r.seats)
	r.lobby.Close(outcomeOf(reason))
	if p := r.presence; p != nil {
		r.presence = nil
		h.dismiss(p, reason)
	}
	h.closeCall(r, reason)
	h.depart(r)
	r.stopAsking()
	r.queue = lobby.Snapshot{}
	h.forgetParts()
}

// closeCall ends a room's call, if there is one. The call's goroutines end in
// the background; Host.Close waits for them.
func (h *Host) closeCall(r *room, reason signalling.EndReason) {
	r.passage.end()
	r.passage = nil
	c := r.call
	if c == nil {
		return
	}
	r.call, r.roster = nil, nil
	h.background.Go(func() {
		c.Close(reason)
		h.tally.end(c)
	})
	h.touch()
}

// outcomeOf is what a room's end means to those who wait.
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

// lobbyChanged takes over the newest snapshot of a room's lobby.
func (h *Host) lobbyChanged(r *room, s lobby.Snapshot) {
	if r.ended != "" {
		return
	}
	r.queue = s
	if len(s.Requests) == 0 {
		r.stopAsking()
	}
	h.touch()
}

// ensureCall returns the room's call and begins it if nobody was in.
func (h *Host) ensureCall(r *room) (*call.Call, error) {
	if r.call != nil {
		return r.call, nil
	}
	var c *call.Call
	c, err := h.engine.NewCall(call.Hooks{
		OnRoster: func(ps []signalling.Participant) {
			h.loop.post("roster "+string(r.id), func() {
				if r.call == c {
					h.rosterChanged(r, ps)
				}
			})
		},
	}, h.reachOf(r))
	if err != nil {
		return nil, err
	}
	r.call = c
	r.stopAsking()
	h.tally.begin(c)
	if !h.engine.HasUDP() {
		h.say(string(fault.UDPUnavailable))
	}
	return c, nil
}

// rosterChanged takes over who is in a room's call. Who holds a place and is not
// in it has dropped out because the connection could not go on: the call has told
// them so, and the place is given up.
func (h *Host) rosterChanged(r *room, ps []signalling.Participant) {
	r.roster = ps
	h.touch()
	in := make(map[string]bool, len(ps))
	for _, p := range ps {
		in[p.ID] = true
	}
	dropped := false
	for st := range r.seats {
		if !in[st.participant.ID()] {
			h.freeSeat(r, st, signalling.EndFault)
			dropped = true
		}
	}
	switch {
	case r.presence != nil && !in[codec.HostID]:
		h.leavePresence(r)
	case dropped:
		h.settle(r)
	}
}

// takeSeat lets a session's guest into the call. The lobby has admitted them.
func (h *Host) takeSeat(r *room, s *session, ticket *lobby.Ticket, k signalling.Knock) (*seat, error) {
	if r.ended != "" {
		return nil, fault.New(fault.CallEnded, nil)
	}
	for st := range r.seats { // one that the same browser has lost without knowing
		if st.device == s.device && st.session == nil {
			h.freeSeat(r, st, signalling.EndReplaced)
		}
	}
	c, err := h.ensureCall(r)
	if err != nil {
		return nil, err
	}
	st := &seat{
		ticket:  ticket,
		name:    k.Name,
		shown:   h.nameSeat(r, ticket.ID(), k.Name),
		device:  s.device,
		session: s,
		passage: s.passage,
	}
	id := randomID()
	st.open(s)
	st.participant, err = c.Join(call.Profile{
		ID: id, Name: st.shown, Muted: k.Muted, CameraOff: k.CameraOff,
		Elsewhere: !s.frames.Remote().Loopback,
		Admission: func(resumed bool) signalling.Message {
			servers := st.passage.servers
			if resumed {
				servers = st.passage.renewed
			}
			return signalling.Admitted{
				Participant: id, Seat: st.newest, Resumed: resumed, ICEServers: servers(), Farewell: st.session.farewell,
			}
		},
	}, s.out)
	if err != nil {
		h.settle(r)
		return nil, err
	}
	s.seated = true
	r.seats[st] = struct{}{}
	h.touch()
	return st, nil
}

// open readies a session for being let into the seat: a new token, and wider
// limits.
func (st *seat) open(s *session) {
	var token []byte
	token, s.token = st.tokens.issue(st.connection, s.opening)
	st.newest = base64.RawURLEncoding.EncodeToString(token)
	s.frames.SetLimit(signalling.MaxFrame)
	s.admitted()
}

// recordEntry writes down that a guest is in. It runs on a goroutine of its own,
// so that the disk stands neither between Let in and the first picture nor in
// anybody else's way.
func (h *Host) recordEntry(r *room, device, name string) {
	if _, err := h.book.Enter(r.id); err != nil {
		h.log.Info("mark link live", "code", fault.CodeOf(err)) // ended meanwhile, or the disk is full
	}
	if err := h.book.RecordVisitor(r.id, device, name); err != nil {
		h.log.Error("record visitor", "error", err)
	}
	h.loop.post("visitors", h.forgetParts)
}

// findSeat returns the seat that a token claims.
func (r *room) findSeat(token []byte, s *session) (*seat, claim) {
	key := digest(token)
	for st := range r.seats {
		if c, ok := st.tokens.find(key, s.opening); ok {
			return st, c
		}
	}
	return nil, claim{}
}

// resumeSeat gives a seat to a newer session of the same guest. It returns nil
// and EndSeatGone when the seat is not held, and nil and EndReplaced when a newer
// page has it; it never admits anybody who does not hold one.
func (h *Host) resumeSeat(r *room, s *session, token []byte, resume bool) (*seat, signalling.EndReason) {
	if r.ended != "" {
		return nil, signalling.EndSeatGone
	}
	st, c := r.findSeat(token, s)
	if st == nil {
		return nil, signalling.EndSeatGone
	}
	if c.aside {
		// A replaced page takes nothing from a newer one that is there, or whose media
		// still flows: the relay may have kept this back for long.
		if st.session != nil || !st.closing && st.participant.Alive() {
			return nil, signalling.EndReplaced
		}
		st.tokens.spendAside(digest(token))
	}
	h.displace(st)
	st.stopExpiry()
	st.session, st.device, st.closing = s, s.device, false
	if p := h.passageBack(st, s); p != st.passage {
		st.passage.end()
		st.passage, s.seated = p, true
	}
	st.open(s)
	resumed, err := st.participant.Attach(s.out, resume && c.connection == st.connection)
	if err != nil {
		h.log.Info("resume seat", "code", fault.CodeOf(err))
		st.session = nil
		h.freeSeat(r, st, "")
		h.settle(r)
		return nil, signalling.EndSeatGone
	}
	if !resumed {
		st.connection++
		st.tokens.issued[len(st.tokens.issued)-1].connection = st.connection
	}
	h.touch()
	return st, ""
}

// displace takes a seat from the session that has it, if any. A page that is in
// it learns that a newer one is, and how to come back once that one has gone. A
// session that has not confirmed its token is perhaps none that the guest knows
// of, or the guest's true one while the relay delivers an older: its page tries
// again.
func (h *Host) displace(st *seat) {
	old := st.session
	switch {
	case old == nil:
	case old.confirmed:
		aside := base64.RawURLEncoding.EncodeToString(st.tokens.issueAside())
		_ = old.out.Send(signalling.Ended{Reason: signalling.EndReplaced, Seat: aside}) // a lost path ends as well
		old.frames.Close(signalling.CloseDone)
	default:
		old.frames.Close(signalling.CloseHostGone)
	}
}

// confirm notes that a session's guest has the seat's newest token: the earlier
// ones are void.
func (st *seat) confirm(s *session) {
	if !s.confirmed {
		s.confirmed = true
		st.tokens.confirm(s.token)
	}
}

// loseSeat holds a seat whose path is lost, for a while. One that its guest has
// not taken up is free at once: nobody was in, and the host's decision waits in
// the lobby for the guest's return.
func (h *Host) loseSeat(r *room, st *seat, s *session) {
	if r.ended != "" || st.session != s {
		return // gone, or taken over by a newer page
	}
	if !st.used.Load() {
		h.freeSeat(r, st, "")
		r.lobby.Undelivered(st.ticket)
		h.settle(r)
		return
	}
	st.session, st.closing = nil, s.gone
	st.participant.Detach(s.out)
	h.holdSeat(r, st)
	h.touch()
}

// holdSeat frees a seat in a while, unless its guest is back by then, or their
// media is still there: what a relay's absence takes is the path for messages.
// One whose page went away is held for a reload only.
func (h *Host) holdSeat(r *room, st *seat) {
	hold := h.timing.SeatHold
	if st.closing {
		hold = min(hold, h.timing.Reload)
	}
	st.expiry = time.AfterFunc(hold, func() {
		h.loop.post("seat "+st.participant.ID(), func() {
			_, held := r.seats[st]
			switch {
			case st.session != nil || !held:
			case st.participant.Alive() && !st.closing:
				h.holdSeat(r, st)
			default:
				h.freeSeat(r, st, signalling.EndSeatGone)
				h.settle(r)
			}
		})
	})
}

// freeSeat takes a guest out of the call. "" tells them nothing.
func (h *Host) freeSeat(r *room, st *seat, reason signalling.EndReason) {
	if _, held := r.seats[st]; !held {
		return
	}
	st.stopExpiry()
	st.passage.end()
	delete(r.seats, st)
	r.guestIn = r.guestIn || st.used.Load()
	s := st.session
	st.session = nil
	st.participant.Leave(reason)
	if s != nil && reason != "" {
		s.end(reason)
	}
	h.touch()
}

func (st *seat) stopExpiry() {
	if st.expiry != nil {
		st.expiry.Stop()
		st.expiry = nil
	}
}

// settle ends the call once nobody is in it and no seat is held. The link is
// spent if a guest was ever in and the one who was in last has left: a host who
// looked in alone spends nothing, nor does a join that failed after a restart.
func (h *Host) settle(r *room) {
	if r.ended != "" || len(r.seats) > 0 || r.presence != nil {
		return
	}
	if !r.guestIn && (!r.hostIn || len(h.book.Visitors(r.id)) == 0) {
		h.closeCall(r, "")
		return
	}
	h.spend(r, signalling.EndSpent)
}

// spend uses up a room's link.
func (h *Host) spend(r *room, reason signalling.EndReason) {
	if _, err := h.book.Enter(r.id); err != nil { // a link ended before anybody was in is spent as well
		h.log.Error("mark link live", "error", err)
	}
	if _, err := h.book.Spend(r.id); err != nil {
		h.log.Error("spend link", "error", err)
	}
	h.closeRoom(r, reason)
}
