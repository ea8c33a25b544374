package host

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/host/work"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Messages that a guest may send: a burst at first, and then so many a second. A
// guest in a call sends candidates in bursts.
const (
	rateBefore, burstBefore = 4, 16
	rateInCall, burstInCall = 40, 256
)

// guestSession is one guest's channel, from the first frame to the last. Its run
// goroutine owns it, and a second goroutine reads.
type guestSession struct {
	host        *Host
	link        *openLink
	frames      switchboard.Frames
	credentials *turncredentials.Credentials // the seat's, once the guest has a seat
	out         *outbox
	opening     seatKey // digest of the frame that opened the channel
	device      string
	secret      sealed.Secret                // which the guest has shown; set by begin
	ticket      atomic.Pointer[lobby.Ticket] // of the newest knock; nil before
	returning   bool                         // a seat is claimed, and the loop has not answered yet; owned by the loop
	takes       wordList                     // what the page takes beyond the messages of every page
	seated      bool                         // the credentials belong to the seat; owned by the loop
	number      uint64                       // grows with each session of the link; owned by the loop
	shed        bool                         // it made room for others; owned by the loop

	token     seatKey // digest of the seat token that this session was given; owned by the loop
	confirmed bool    // the guest has that token; owned by the loop
	farewell  string  // base64url; the page says it when it goes away; set before parting
	parting   atomic.Pointer[[tokenSize]byte]
	gone      bool // the page has said it; set before in is closed
	unloaded  bool // the browser, or a relay in its name, has; set before in is closed

	browser  string      // how the browser is known by its key; "" for none; owned by run
	words    atomic.Bool // the page shows lines of the host while it waits
	spoken   atomic.Bool // the host has said a line
	wordPace *rate.Limiter
	lines    int            // that the guest has said
	work     work.Challenge // that was asked for last; owned by run
	worked   bool           // it was done, and no knock was taken since; owned by run

	letter     *doormessages.Writer // that is arriving; nil for none; owned by run
	wide       bool                 // there is room for pieces of one, which may still be on their way; owned by run
	late       int                  // characters of pieces that may come after the end of one; owned by run
	letterPace *rate.Limiter        // of beginnings
	piecePace  *rate.Limiter        // in place of waitPace while there is room for pieces
	waitPace   *rate.Limiter        // of messages of a guest who waits

	outside chan *lobby.Ticket // buffered 1; gets the ticket of a guest who is put out of the call to wait
	putOut  atomic.Bool        // set before that; the guest's messages from inside the call come to nothing
	wasIn   atomic.Bool        // set with putOut; the address by which the guest came need not open the link any more

	in    chan signalling.Message // closed when the path is lost or the guest was refused
	pace  atomic.Pointer[rate.Limiter]
	limit atomic.Int64 // largest message, bytes
}

// wordList is a list of words by which a page says what it takes beyond the messages of
// every page.
type wordList []string

func (l wordList) has(word string) bool { return slices.Contains(l, word) }

// accept takes a guest's channel. credentials are nil for a guest who needs none.
func (o *openLink) accept(f switchboard.Frames, credentials *turncredentials.Credentials) {
	h := o.host
	s := &guestSession{
		host:        h,
		link:        o,
		frames:      f,
		credentials: credentials,
		out:         &outbox{frames: f},
		in:          make(chan signalling.Message),
		outside:     make(chan *lobby.Ticket, 1),
		letterPace:  rate.NewLimiter(rate.Every(letterEvery), letterBurst),
		piecePace:   rate.NewLimiter(rateLetter, burstLetter),
		waitPace:    rate.NewLimiter(rateBefore, burstBefore),
	}
	s.pace.Store(s.waitPace)
	s.limit.Store(signalling.MaxFrameBefore)
	if !h.background.TryGo(s.run) {
		f.Close(signalling.CloseHostGone)
	}
}

// end tells the guest why they are out, and then closes the channel. It never
// blocks and may be called from any goroutine. The first reason stands.
func (s *guestSession) end(reason signalling.EndReason) {
	_ = s.out.Send(signalling.Ended{Reason: reason}) // fails only if the path is lost, which also ends the session
	s.frames.Close(signalling.CloseDone)
}

// refuse ends the channel of a guest who broke the protocol, and tells them how.
func (s *guestSession) refuse(err error) {
	code := fault.CodeOf(err)
	s.host.log.Info("guest refused", "code", code)
	s.tell(err)
	_ = s.out.Send(signalling.Ended{Reason: signalling.EndFault})
	s.frames.Close(switchboard.CloseOf(err))
}

func (s *guestSession) run() {
	ctx := s.host.ctx
	hello, err := s.begin(ctx)
	if err != nil { // a guest who has not shown the secret is told nothing
		s.host.log.Info("channel dropped", "code", fault.CodeOf(err))
		s.frames.Close(switchboard.CloseOf(err))
		return
	}
	if !s.enroll(ctx, hello.Seat != "") {
		return
	}
	defer s.forget()

	reader := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(reader)
		s.read(ctx)
	}()
	defer func() {
		cancel()
		<-reader
	}()

	st, ok := s.resume(ctx, hello)
	var outside *lobby.Ticket
	for ok {
		for ok && st == nil {
			st, ok = s.wait(ctx, outside)
			outside = nil
		}
		if ok {
			outside, ok = s.take(ctx, st)
			st = nil
		}
	}
}

// begin takes the opening of the channel and Hello, and checks the secret.
func (s *guestSession) begin(ctx context.Context) (signalling.Hello, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.host.timing.Hello, fault.New(fault.TooSlow, nil))
	defer cancel()
	frame, err := s.frames.Recv(ctx)
	if err != nil {
		return signalling.Hello{}, cause(ctx, err)
	}
	channel, err := sealed.OpenHost(s.link.keys, frame)
	if err != nil {
		return signalling.Hello{}, err
	}
	s.opening = digest(frame)
	if frame, err = s.frames.Recv(ctx); err != nil {
		return signalling.Hello{}, cause(ctx, err)
	}
	plain, err := channel.Open(frame)
	if err != nil {
		return signalling.Hello{}, err
	}
	m, err := signalling.DecodeFromGuest(plain, signalling.MaxFrameBefore)
	if fault.CodeOf(err) == fault.VersionUnsupported {
		// The page is of another version, and the guest would wait in vain. The
		// answer reveals no more than opening the channel did.
		s.out.begin(channel)
		s.refuse(err)
	}
	if err != nil {
		return signalling.Hello{}, err
	}
	hello, ok := m.(signalling.Hello)
	if !ok {
		return signalling.Hello{}, fault.Newf(fault.MessageUnexpected, "%s before hello", m.Type())
	}
	secret, err := sealed.ParseSecret(hello.Secret)
	s.secret = secret
	if _, known := s.through(); err != nil || !known {
		return signalling.Hello{}, fault.New(fault.SecretWrong, nil)
	}
	s.device, s.takes = hello.Device, hello.Takes
	s.out.begin(channel)
	return hello, nil
}

// cause returns why ctx ended, or err if it has not ended. A context that nothing but the
// host's end can cancel is ShuttingDown.
func cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case fault.CodeOf(context.Cause(ctx)) == fault.TooSlow:
		return context.Cause(ctx)
	default:
		return fault.New(fault.ShuttingDown, nil)
	}
}

// enroll registers the session at its link and welcomes the guest. An address that
// no longer opens the link still leads back to a seat.
func (s *guestSession) enroll(ctx context.Context, returning bool) bool {
	h, o := s.host, s.link
	over := &signalling.Ended{Reason: signalling.EndShutdown}
	var welcome signalling.Welcome
	if err := h.loop.Do(ctx, func() {
		if over.Reason = o.ended; o.ended != "" {
			return
		}
		if over = nil; !returning {
			if over = s.shut(); over != nil {
				return
			}
		}
		link, _ := h.book.Get(o.id) // an open link is in the book
		if !returning && link.Over(h.now()) {
			over = &signalling.Ended{Reason: signalling.EndSpent}
			return
		}
		s.returning, welcome = returning, s.welcome(link)
		o.sessions[s] = struct{}{}
		o.newest++
		s.number = o.newest
		o.shedIdle()
	}); err != nil || over != nil {
		s.over(*over)
		return false
	}
	_ = s.out.Send(welcome) // a lost path shows in read
	return true
}

func (s *guestSession) forget() {
	s.frames.Close(signalling.CloseDone)
	_ = s.host.loop.Do(context.WithoutCancel(s.host.ctx), func() {
		delete(s.link.sessions, s)
		if !s.seated {
			s.credentials.End()
		}
	})
}

// admitted widens the limits, just before the guest is told of the admission.
func (s *guestSession) admitted() {
	farewell := [tokenSize]byte(newSeatToken())
	s.farewell = base64.RawURLEncoding.EncodeToString(farewell[:])
	s.parting.Store(&farewell)
	s.limit.Store(signalling.MaxFrame)
	// A new bucket is full. The old one would have to fill first, but the guest's
	// candidates come at once.
	s.pace.Store(rate.NewLimiter(rateInCall, burstInCall))
}

// backOutside brings back the limits of a guest who waits, once the guest has heard
// that they are out of the call.
func (s *guestSession) backOutside() {
	s.parting.Store(nil)
	s.limitsOfWait()
	s.putOut.Store(false)
}

// limitsOfWait sets the limits of a guest who waits. The bucket is the one of before:
// a new one would be full each time.
func (s *guestSession) limitsOfWait() {
	s.wide = false
	s.limit.Store(signalling.MaxFrameBefore)
	s.frames.SetLimit(signalling.MaxFrameBefore)
	s.pace.Store(s.waitPace)
}

// read decrypts, checks and passes on what the guest sends. It closes in when the
// path is lost, the page goes away, ctx ends or the guest breaks the protocol.
func (s *guestSession) read(ctx context.Context) {
	defer close(s.in)
	for {
		frame, err := s.frames.Recv(ctx)
		if err != nil {
			s.unloaded = errors.Is(err, switchboard.Closed{Code: signalling.CloseGone})
			return
		}
		if p := s.parting.Load(); p != nil && subtle.ConstantTimeCompare(p[:], frame) == 1 {
			s.gone = true
			s.frames.Close(signalling.CloseDone)
			return
		}
		plain, err := s.out.open(frame)
		if err != nil { // the channel is broken in both directions
			s.host.log.Info("channel broken", "code", fault.CodeOf(err))
			s.frames.Close(switchboard.CloseOf(err))
			return
		}
		if !s.pace.Load().Allow() {
			s.refuse(&fault.Error{Code: fault.TooFast, After: time.Second})
			return
		}
		m, err := signalling.DecodeFromGuest(plain, int(s.limit.Load()))
		if _, ping := m.(signalling.Ping); ping {
			_ = s.out.Send(signalling.Pong{})
			continue
		}
		switch {
		case err == nil:
		case isSlip(err):
			s.tell(err)
			continue
		default:
			s.refuse(err)
			return
		}
		select {
		case s.in <- m:
		case <-ctx.Done():
			return
		}
	}
}

// isSlip reports whether an error is a person's mistake, not that of a broken page. The channel then goes on.
func isSlip(err error) bool {
	switch fault.CodeOf(err) {
	case fault.NameInvalid, fault.ChatInvalid:
		return true
	default:
		return false
	}
}

// tell sends guests an error that they have made themselves. The channel goes on.
func (s *guestSession) tell(err error) {
	code := fault.CodeOf(err)
	_ = s.out.Send(signalling.Fault{
		Code: string(code), Message: fault.Sentence(code),
		RetryAfter: (fault.AfterOf(err) + time.Millisecond - 1).Milliseconds(),
	})
}

// resume gives a guest who comes back their seat. ok is false if the session is
// over. A nil seat means that the guest has to knock.
func (s *guestSession) resume(ctx context.Context, hello signalling.Hello) (st *seat, ok bool) {
	if hello.Seat == "" {
		return nil, true
	}
	token, err := base64.RawURLEncoding.DecodeString(hello.Seat)
	if err != nil {
		s.refuse(fault.New(fault.MessageInvalid, err))
		return nil, false
	}
	if err := s.prepareReturn(ctx, token); err != nil {
		s.end(signalling.EndShutdown)
		return nil, false
	}
	var reason signalling.EndReason
	if err := s.host.loop.Do(ctx, func() {
		st, reason = s.link.resumeSeat(s, token, hello.Resume)
		s.returning = false
	}); err != nil {
		s.end(signalling.EndShutdown)
		return nil, false
	}
	switch reason {
	case signalling.EndSeatGone:
		_ = s.out.Send(signalling.Ended{Reason: reason})
	case signalling.EndMoved: // another device has the seat
		s.end(reason)
		return nil, false
	case signalling.EndReplaced: // a newer session holds the seat; the token is still good for later
		_ = s.out.Send(signalling.Ended{Reason: reason, Seat: hello.Seat})
		s.frames.Close(signalling.CloseDone)
		return nil, false
	}
	return st, true
}

// take handles the guest's messages while they hold a seat. It gives the seat up
// when they leave, and keeps it for them when their path is lost. If the host puts
// them out of the call, ok is true, and they wait with the ticket.
func (s *guestSession) take(ctx context.Context, st *seat) (outside *lobby.Ticket, ok bool) {
	h, o := s.host, s.link
	left, confirmed := false, false
	for !left {
		var m signalling.Message
		var open bool
		select {
		case m, open = <-s.in: // closed by read, also when ctx ends
		case outside = <-s.outside:
			return outside, true
		}
		if !open {
			break
		}
		if _, left = m.(signalling.Leave); left {
			break
		}
		if err := s.handle(ctx, st, m); err != nil && !s.putOut.Load() {
			s.tell(err)
		}
		if _, early := m.(signalling.MediaState); early { // a guest who still waits may have sent it
			continue
		}
		if !confirmed {
			confirmed = h.loop.Do(ctx, func() { st.confirm(s) }) == nil
		}
		if st.used.CompareAndSwap(false, true) {
			h.background.Go(func() {
				if err := h.acquaintances.Met(st.browser, st.name); err != nil {
					h.log.Error("record an acquaintance", "code", fault.CodeOf(err))
				}
				o.recordEntry(st, st.began, s.device)
			})
		}
	}
	_ = h.loop.Do(context.WithoutCancel(ctx), func() {
		if left && st.session == s {
			o.freeSeat(st, "")
			o.endIfEmpty()
			return
		}
		o.loseSeat(st, s)
	})
	select {
	case outside = <-s.outside: // and then the path was lost, or the guest has left
		if left {
			o.lobby.Leave(outside)
		}
	default:
	}
	return nil, false
}

// handle takes one message of a guest who holds a seat.
func (s *guestSession) handle(ctx context.Context, st *seat, m signalling.Message) error {
	switch m := m.(type) {
	case signalling.Seated, signalling.Letter, signalling.Piece: // the last two from a page that has just been let in
		return nil
	case signalling.Act:
		return s.link.act(ctx, s, st, m)
	case signalling.Move:
		return s.link.givePass(ctx, s, st)
	default:
		return st.participant.Handle(m)
	}
}
