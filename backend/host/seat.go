package host

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// seatKey is a digest of a seat's token. Only the guest has the token itself.
type seatKey [sha256.Size]byte

const tokenSize = 16

// seat is what an admitted guest holds in a link's call.
type seat struct {
	tokens      seatTokens
	newest      string // base64url; the token that was issued last
	connection  int    // counts the guest's peer connections
	participant *call.Participant
	ticket      *lobby.Ticket    // for which it was given
	name        string           // as the guest gave it
	shape       signalling.Shape // of that
	shown       string           // the name in the call
	device      string
	browser     string        // how its browser is known by its key; "" for none
	session     *guestSession // nil while the guest is away
	used        atomic.Bool   // the guest has shown that they are in
	visit       chan int      // buffered 1; gets the number of the visit once it is recorded, if used
	began       time.Time     // when the call began
	credentials *turncredentials.Credentials
	expiry      *time.Timer
	coHost      bool
	devices     []string // that held it before this one, the latest last
	closing     bool     // the page that held it last has said that it goes away
	unloaded    bool     // its browser, or a relay in its name, has closed the page's socket
}

// takeSeat lets a session's guest into the call. The lobby has admitted them. Faults:
// CallEnded, CallFull; LinkRemoved while the host's removal of the link is to take
// hold, which may be taken back.
func (o *openLink) takeSeat(s *guestSession, ticket *lobby.Ticket, k signalling.Knock) (*seat, error) {
	if o.ended != "" {
		return nil, fault.New(fault.CallEnded, nil)
	}
	if !o.removeAt.IsZero() {
		return nil, fault.New(fault.LinkRemoved, nil)
	}
	for st := range o.seats { // the same browser may have lost a seat without knowing it
		if st.device == s.device && st.session == nil {
			o.freeSeat(st, signalling.EndReplaced)
		}
	}
	c, err := o.ensureCall()
	if err != nil {
		return nil, err
	}
	st := &seat{
		ticket:      ticket,
		name:        k.Name,
		shape:       signalling.ShapeOf(k.Name),
		shown:       o.nameSeat(ticket.ID(), k.Name),
		device:      s.device,
		browser:     s.browser,
		session:     s,
		credentials: s.credentials,
		visit:       make(chan int, 1),
		began:       o.began,
	}
	id := randomID()
	st.open(s)
	st.participant, err = c.Join(call.Profile{
		ID: id, Name: st.shown, Muted: k.Muted, CameraOff: k.CameraOff,
		Layers: s.takes.has(signalling.TakesSimulcast), Elsewhere: !s.frames.Remote().Loopback, Direct: s.frames.Remote().Direct,
		Admission: func(resumed bool) signalling.Message {
			servers := st.credentials.Servers
			if resumed {
				servers = st.credentials.Renewed
			}
			return signalling.Admitted{
				Participant: id, Seat: st.newest, Resumed: resumed, ICEServers: servers(), Farewell: st.session.farewell,
				Takes: o.host.takesMoves(),
			}
		},
	}, s.out)
	if err != nil {
		o.endIfEmpty()
		return nil, err
	}
	s.seated = true
	o.seats[st] = struct{}{}
	o.host.touch()
	return st, nil
}

// open prepares a session for its seat: a new token, and wider limits.
func (st *seat) open(s *guestSession) {
	var token []byte
	token, s.token = st.tokens.issue(st.connection, s.opening)
	st.newest = base64.RawURLEncoding.EncodeToString(token)
	s.frames.SetLimit(signalling.MaxFrame)
	s.admitted()
}

// findSeat returns the seat that a token claims.
func (o *openLink) findSeat(token []byte, s *guestSession) (*seat, claim) {
	key := digest(token)
	for st := range o.seats {
		if c, ok := st.tokens.find(key, s.opening, o.host.now()); ok {
			return st, c
		}
	}
	return nil, claim{}
}

// resumeSeat gives a seat to a newer session of the same guest. It returns nil and
// EndSeatGone if the seat is not held, and nil and EndReplaced if a newer page has
// it. It never admits a guest who holds no seat.
func (o *openLink) resumeSeat(s *guestSession, token []byte, resume bool) (*seat, signalling.EndReason) {
	if o.ended != "" {
		return nil, signalling.EndSeatGone
	}
	st, c := o.findSeat(token, s)
	if st == nil {
		return nil, signalling.EndSeatGone
	}
	if c.aside {
		// A replaced page does not get the seat back while a newer page is there,
		// or its media still flows. The relay may have held the older page's frame
		// back for long.
		if st.session != nil || !st.closing && st.participant.Alive() {
			return nil, signalling.EndReplaced
		}
		st.tokens.spendAside(digest(token))
	}
	switch {
	case c.left:
		return nil, signalling.EndMoved
	case c.pass && !o.host.settings.SeatsMove:
		return nil, signalling.EndSeatGone
	case c.pass:
		o.moveSeat(st, s)
	default:
		st.displace()
	}
	st.stopExpiry()
	st.session, st.device, st.closing = s, s.device, false
	if p := st.credentialsBack(s); p != st.credentials {
		st.credentials.End()
		st.credentials, s.seated = p, true
	}
	st.open(s)
	resumed, err := st.participant.Attach(s.out, resume && c.connection == st.connection)
	if err != nil {
		o.host.log.Info("resume seat", "code", fault.CodeOf(err))
		st.session = nil
		o.freeSeat(st, "")
		o.endIfEmpty()
		return nil, signalling.EndSeatGone
	}
	if !resumed {
		st.connection++
		st.tokens.issued[len(st.tokens.issued)-1].connection = st.connection
	}
	if st.coHost {
		st.tellDoor(o.door())
	}
	o.host.touch()
	return st, ""
}

// displace takes a seat from the session that has it, if any. If that session has
// confirmed its token, its page is told that a newer one has the seat, and gets a
// token with which it can come back later. If it has not, the guest may not know of
// the session, or it may be the true one while the relay delivers an older one. Its
// page then tries again.
func (st *seat) displace() {
	old := st.session
	switch {
	case old == nil:
	case old.confirmed:
		aside := base64.RawURLEncoding.EncodeToString(st.tokens.issueAside())
		_ = old.out.Send(signalling.Ended{Reason: signalling.EndReplaced, Seat: aside}) // fails only if the path is lost, which also ends the session
		old.frames.Close(signalling.CloseDone)
	default:
		old.frames.Close(signalling.CloseHostGone)
	}
}

// confirm notes that a session's guest has the seat's newest token. Earlier tokens
// are void from now on.
func (st *seat) confirm(s *guestSession) {
	if !s.confirmed {
		s.confirmed = true
		st.tokens.confirm(s.token)
	}
}

// loseSeat holds a seat whose path is lost, for Timing.SeatHold. A seat that its
// guest has not used yet is free at once, because the guest never was in. The
// host's decision then waits in the lobby for the guest's return.
func (o *openLink) loseSeat(st *seat, s *guestSession) {
	if o.ended != "" || st.session != s {
		return // the seat is gone, or a newer page has taken it over
	}
	if !st.used.Load() {
		o.freeSeat(st, "")
		o.lobby.Undelivered(st.ticket)
		o.endIfEmpty()
		return
	}
	st.session, st.closing, st.unloaded = nil, s.gone, s.unloaded
	st.participant.Detach(s.out)
	o.holdSeat(st)
	o.host.touch()
}

// holdSeat frees a seat after a time, unless its guest is back by then or their
// media still flows. Media may flow although the path for messages is lost, for
// example because a relay is down. A seat whose page has gone away is held only for
// a reload. Media that still flows then shows that an unloaded page is there.
func (o *openLink) holdSeat(st *seat) {
	h := o.host
	hold := h.timing.SeatHold
	if st.closing || st.unloaded {
		hold = min(hold, h.timing.Reload)
	}
	st.expiry = time.AfterFunc(hold, func() {
		h.loop.Post("seat "+st.participant.ID(), func() {
			_, held := o.seats[st]
			switch {
			case st.session != nil || !held:
			case st.participant.Alive() && !st.closing:
				st.unloaded = false
				o.holdSeat(st)
			default:
				o.freeSeat(st, signalling.EndSeatGone)
				o.endIfEmpty()
			}
		})
	})
}

// freeSeat takes a guest out of the call. With "" the guest is told nothing.
func (o *openLink) freeSeat(st *seat, reason signalling.EndReason) {
	if _, held := o.seats[st]; !held {
		return
	}
	st.stopExpiry()
	st.credentials.End()
	delete(o.seats, st)
	if st.used.Load() {
		o.guestIn = true
		h := o.host
		h.background.Go(func() {
			if err := h.book.Go(o.id, st.began, <-st.visit); err != nil {
				h.log.Error("record visit", "code", fault.CodeOf(err))
			}
		})
	}
	s := st.session
	st.session = nil
	st.participant.Leave(reason)
	if s != nil && reason != "" {
		s.end(reason)
	}
	o.host.touch()
}

// heldBy returns the devices that have held a seat, the present one last.
func (st *seat) heldBy() []string { return append(slices.Clone(st.devices), st.device) }

func (st *seat) stopExpiry() {
	if st.expiry != nil {
		st.expiry.Stop()
		st.expiry = nil
	}
}

func digest(b []byte) seatKey { return sha256.Sum256(b) }

// randomID returns 16 random bytes in base64url.
func randomID() string {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

const (
	// maxClaims bounds how often a seat can be claimed before its guest has
	// confirmed a token.
	maxClaims = 1024
	// maxAsides bounds how many replaced pages can take a seat back.
	maxAsides = 16
)

// seatTokens are the tokens with which one seat can be claimed. Each is used once.
// Whoever claims the seat gets a new token, and once that one has certainly
// arrived, the earlier ones are void. Only digests are stored here, because the
// tokens are at the guest.
type seatTokens struct {
	// issued is in order, the oldest first. All of them are good until the guest
	// confirms a later one, so that an answer that was lost on its way does not
	// lose the seat.
	issued []seatToken
	// asides were given to pages that a newer one replaced, the oldest first.
	asides []seatKey
	pass   seatPass
	left   []seatKey // the newest tokens of pages whose seat another device has taken, the oldest first
}

type seatToken struct {
	key seatKey
	// opening is the digest of what opened the channel that got the token. A
	// replayed recording of that channel can't claim the seat.
	opening seatKey
	// connection is the number of the seat's peer connection. A page can only
	// resume the one that it had when it got the token.
	connection int
}

// claim is what a token stands for.
type claim struct {
	aside      bool
	pass       bool // it lets another device take the seat
	left       bool // another device has the seat
	connection int
}

// issue makes a new token for a peer connection of the seat, for the channel with
// this opening.
func (t *seatTokens) issue(connection int, opening seatKey) (token []byte, key seatKey) {
	token = newSeatToken()
	key = digest(token)
	t.issued = append(t.issued, seatToken{key: key, opening: opening, connection: connection})
	return token, key
}

// issueAside makes a token for a page that is replaced.
func (t *seatTokens) issueAside() (token []byte) {
	token = newSeatToken()
	t.asides = append(t.asides, digest(token))
	if extra := len(t.asides) - maxAsides; extra > 0 {
		t.asides = t.asides[extra:]
	}
	return token
}

// find returns what a token stands for. ok is false if the token is void, or if
// this channel has claimed the seat before.
func (t *seatTokens) find(key, opening seatKey, now time.Time) (c claim, ok bool) {
	if len(t.issued) >= maxClaims {
		return claim{}, false
	}
	for _, i := range t.issued {
		if i.opening == opening {
			return claim{}, false
		}
		if subtle.ConstantTimeCompare(i.key[:], key[:]) == 1 {
			c, ok = claim{connection: i.connection}, true
		}
	}
	if ok {
		return c, true
	}
	for _, a := range t.asides {
		if subtle.ConstantTimeCompare(a[:], key[:]) == 1 {
			return claim{aside: true}, true
		}
	}
	for _, a := range t.left {
		if subtle.ConstantTimeCompare(a[:], key[:]) == 1 {
			return claim{left: true}, true
		}
	}
	if t.pass.is(key, now) {
		return claim{pass: true, connection: -1}, true
	}
	return claim{}, false
}

// spendAside voids the token with which a page has taken its seat back.
func (t *seatTokens) spendAside(key seatKey) {
	t.asides = slices.DeleteFunc(t.asides, func(a seatKey) bool { return a == key })
}

// confirm voids the tokens that were issued before key, because the guest has key.
func (t *seatTokens) confirm(key seatKey) {
	for i, issued := range t.issued {
		if issued.key == key {
			t.issued = slices.Clone(t.issued[i:])
			if t.pass.claimed {
				t.pass = seatPass{}
			}
			return
		}
	}
}

func newSeatToken() []byte {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return b
}
