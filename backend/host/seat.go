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

// seatKey is a digest of a seat's token: the token itself is only at the guest.
type seatKey [sha256.Size]byte

const tokenSize = 16

// seat is what an admitted guest holds in a link's call.
type seat struct {
	tokens      seatTokens
	newest      string // base64url: the token that was issued last
	connection  int    // counts the guest's peer connections
	participant *call.Participant
	ticket      *lobby.Ticket // that it was given for
	name        string        // as the guest gave it
	shown       string        // the name in the call
	device      string
	session     *guestSession // nil while the guest is away
	used        atomic.Bool   // the guest has shown that they are in
	credentials *turncredentials.Credentials
	expiry      *time.Timer
	closing     bool // the page that held it last went away, and said so
}

// takeSeat lets a session's guest into the call. The lobby has admitted them.
func (o *openLink) takeSeat(s *guestSession, ticket *lobby.Ticket, k signalling.Knock) (*seat, error) {
	if o.ended != "" {
		return nil, fault.New(fault.CallEnded, nil)
	}
	for st := range o.seats { // one that the same browser has lost without knowing
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
		shown:       o.nameSeat(ticket.ID(), k.Name),
		device:      s.device,
		session:     s,
		credentials: s.credentials,
	}
	id := randomID()
	st.open(s)
	st.participant, err = c.Join(call.Profile{
		ID: id, Name: st.shown, Muted: k.Muted, CameraOff: k.CameraOff,
		Elsewhere: !s.frames.Remote().Loopback,
		Admission: func(resumed bool) signalling.Message {
			servers := st.credentials.Servers
			if resumed {
				servers = st.credentials.Renewed
			}
			return signalling.Admitted{
				Participant: id, Seat: st.newest, Resumed: resumed, ICEServers: servers(), Farewell: st.session.farewell,
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

// open readies a session for being let into the seat: a new token, and wider
// limits.
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
		if c, ok := st.tokens.find(key, s.opening); ok {
			return st, c
		}
	}
	return nil, claim{}
}

// resumeSeat gives a seat to a newer session of the same guest. It returns nil
// and EndSeatGone when the seat is not held, and nil and EndReplaced when a newer
// page has it; it never admits anybody who does not hold one.
func (o *openLink) resumeSeat(s *guestSession, token []byte, resume bool) (*seat, signalling.EndReason) {
	if o.ended != "" {
		return nil, signalling.EndSeatGone
	}
	st, c := o.findSeat(token, s)
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
	st.displace()
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
	o.host.touch()
	return st, ""
}

// displace takes a seat from the session that has it, if any. A page that is in
// it learns that a newer one is, and how to come back once that one has gone. A
// session that has not confirmed its token is perhaps none that the guest knows
// of, or the guest's true one while the relay delivers an older: its page tries
// again.
func (st *seat) displace() {
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
func (st *seat) confirm(s *guestSession) {
	if !s.confirmed {
		s.confirmed = true
		st.tokens.confirm(s.token)
	}
}

// loseSeat holds a seat whose path is lost, for a while. One that its guest has
// not taken up is free at once: nobody was in, and the host's decision waits in
// the lobby for the guest's return.
func (o *openLink) loseSeat(st *seat, s *guestSession) {
	if o.ended != "" || st.session != s {
		return // gone, or taken over by a newer page
	}
	if !st.used.Load() {
		o.freeSeat(st, "")
		o.lobby.Undelivered(st.ticket)
		o.endIfEmpty()
		return
	}
	st.session, st.closing = nil, s.gone
	st.participant.Detach(s.out)
	o.holdSeat(st)
	o.host.touch()
}

// holdSeat frees a seat in a while, unless its guest is back by then, or their
// media is still there: what a relay's absence takes is the path for messages.
// One whose page went away is held for a reload only.
func (o *openLink) holdSeat(st *seat) {
	h := o.host
	hold := h.timing.SeatHold
	if st.closing {
		hold = min(hold, h.timing.Reload)
	}
	st.expiry = time.AfterFunc(hold, func() {
		h.loop.Post("seat "+st.participant.ID(), func() {
			_, held := o.seats[st]
			switch {
			case st.session != nil || !held:
			case st.participant.Alive() && !st.closing:
				o.holdSeat(st)
			default:
				o.freeSeat(st, signalling.EndSeatGone)
				o.endIfEmpty()
			}
		})
	})
}

// freeSeat takes a guest out of the call. "" tells them nothing.
func (o *openLink) freeSeat(st *seat, reason signalling.EndReason) {
	if _, held := o.seats[st]; !held {
		return
	}
	st.stopExpiry()
	st.credentials.End()
	delete(o.seats, st)
	o.guestIn = o.guestIn || st.used.Load()
	s := st.session
	st.session = nil
	st.participant.Leave(reason)
	if s != nil && reason != "" {
		s.end(reason)
	}
	o.host.touch()
}

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
	// maxClaims bounds how often one seat can be taken up again before its guest
	// has said that they are in it.
	maxClaims = 1024
	// maxAsides bounds how many replaced pages may take one seat back.
	maxAsides = 16
)

// seatTokens are the tokens by which one seat can be claimed. Each is used once:
// whoever claims the seat gets a new one, and once that one has certainly arrived,
// the earlier ones are void. Only digests are kept: the tokens are at the guest.
type seatTokens struct {
	// issued is oldest first. All of them count until the guest confirms a later
	// one: an answer that was lost on its way must not lose the seat.
	issued []seatToken
	// asides were given to pages that a newer one replaced, oldest first.
	asides []seatKey
}

type seatToken struct {
	key seatKey
	// opening is the digest of what opened the channel that got the token: a
	// recorded guest claims nothing.
	opening seatKey
	// connection counts the peer connections of the seat: a page can only resume
	// the one that it had when it got the token.
	connection int
}

// claim is what a token stands for.
type claim struct {
	aside      bool
	connection int
}

// issue makes a new token for a seat's peer connection, for the channel with this
// opening.
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

// find returns what a token stands for. ok is false for one that is void, and for
// a channel that has claimed the seat before.
func (t *seatTokens) find(key, opening seatKey) (c claim, ok bool) {
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
	return claim{}, false
}

// spendAside makes the token void by which a page has taken its seat back.
func (t *seatTokens) spendAside(key seatKey) {
	t.asides = slices.DeleteFunc(t.asides, func(a seatKey) bool { return a == key })
}

// confirm makes the tokens void that were issued before key: its guest has it.
func (t *seatTokens) confirm(key seatKey) {
	for i, issued := range t.issued {
		if issued.key == key {
			t.issued = slices.Clone(t.issued[i:])
			return
		}
	}
}

func newSeatToken() []byte {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return b
}
