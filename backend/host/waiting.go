package host

import (
	"context"
	"errors"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// wait takes the guest through the lobby. ok is false if the session is over. A
// nil seat with ok means that the guest was declined and is still connected. outside
// is the ticket of a guest who was put out of the call, or nil.
func (s *guestSession) wait(ctx context.Context, outside *lobby.Ticket) (st *seat, ok bool) {
	var knock signalling.Knock
	for asked := false; !asked; {
		select {
		case m, open := <-s.in:
			if !open {
				return nil, false
			}
			switch m := m.(type) {
			case signalling.Knock:
				knock, asked = m, true
			case signalling.MediaState: // from a page that was about to resume its seat
			case signalling.Leave:
				if outside != nil {
					s.link.lobby.Leave(outside)
				}
				return nil, false
			default:
				if outside != nil || s.overtaken(m) { // the page said it before it heard that it is outside, or was declined
					continue
				}
				s.refuse(fault.Newf(fault.MessageUnexpected, "%s before a knock", m.Type()))
				return nil, false
			}
		case <-ctx.Done():
			s.end(signalling.EndShutdown)
			return nil, false
		}
	}

	if outside != nil {
		s.backOutside()
	}
	s.narrow()
	return s.waitFor(ctx, knock)
}

// overtaken reports whether a message is of a guest who was waiting, and may have been
// on its way when the host declined.
func (s *guestSession) overtaken(m signalling.Message) bool {
	switch m.(type) {
	case signalling.Word, signalling.Letter, signalling.Piece:
		return s.ticket.Load() != nil
	default:
		return false
	}
}

// waitFor is wait from a guest's knock on.
func (s *guestSession) waitFor(ctx context.Context, knock signalling.Knock) (st *seat, ok bool) {
	defer s.dropLetter()
	ticket, ok := s.knock(ctx, knock)
	knock.Picture = "" // the lobby has it, for as long as the request waits
	if ticket == nil {
		return nil, ok
	}
	for {
		select {
		case bell := <-ticket.Bell():
			_ = s.out.Send(waiting(bell, s.host.now()))
		case <-ticket.Done():
			verdict, err := ticket.Verdict(ctx)
			if err != nil {
				s.end(signalling.EndShutdown)
				return nil, false
			}
			return s.conclude(ctx, ticket, verdict, knock)
		case m, open := <-s.in:
			if !open {
				s.link.lobby.Away(ticket)
				return nil, false
			}
			switch m := m.(type) {
			case signalling.Leave:
				s.link.lobby.Leave(ticket)
				return nil, false
			case signalling.MediaState:
				knock.Muted, knock.CameraOff = m.Muted, m.CameraOff
			case signalling.Word:
				if err := s.hear(ticket, m); fault.CodeOf(err) == fault.MessageUnexpected {
					s.link.lobby.Leave(ticket)
					s.refuse(err)
					return nil, false
				} else if err != nil {
					s.tell(err)
				}
			case signalling.Letter:
				s.beginLetter(ticket, m, knock.Name)
			case signalling.Piece:
				s.piece(m)
			case signalling.Knock: // under another name
				select {
				case <-ticket.Done(): // the host has decided on the name of before
					continue
				default:
				}
				again, ok := s.knock(ctx, m)
				if !ok {
					return nil, false
				}
				if again != nil {
					m.Picture = ""
					ticket, knock = again, m
				}
			default:
				s.link.lobby.Leave(ticket)
				s.refuse(fault.Newf(fault.MessageUnexpected, "%s while waiting", m.Type()))
				return nil, false
			}
		}
	}
}

// knock puts the guest into the lobby. If there is no ticket, ok says whether the
// guest may try again on this channel.
func (s *guestSession) knock(ctx context.Context, k signalling.Knock) (ticket *lobby.Ticket, ok bool) {
	h, o := s.host, s.link
	browser, err := acquaintances.Recognise(k.Key, k.Proof, s.out.binding())
	if err != nil {
		s.refuse(err)
		return nil, false
	}
	s.worked = s.work.Done(k.Work) || s.worked
	if s.blocked(browser) {
		s.end(signalling.EndBlocked)
		return nil, false
	}
	if s.turnedAway(ctx) {
		return nil, false
	}
	if early, ok := s.early(); early {
		return nil, ok
	}
	ticket, err = o.lobby.Knock(ctx, s.ask(k, browser, s.worked))
	if errors.Is(err, lobby.ErrWork) {
		_ = s.out.Send(s.work.Ask()) // a lost path shows in read
		return nil, true
	}
	if err == nil { // what was said of a knock that is refused does not count for the one of before
		s.browser, s.worked = browser, false
		s.words.Store(wordList(k.Takes).has(signalling.TakesWord))
		s.ticket.Store(ticket)
		s.greetAgain(ticket)
		h.background.TryGo(s.recordBrowser)
		if s.turnedAway(ctx) { // while the guest knocked
			o.lobby.Leave(ticket)
			return nil, false
		}
		s.prepareWay()
		s.show(ctx, ticket, k.Picture)
		return ticket, true
	}
	switch fault.CodeOf(err) {
	case fault.DeclinedForGood:
		_ = s.out.Send(signalling.Declined{MayRetry: false})
		return nil, true
	case fault.TooFast, fault.NameInvalid:
		s.tell(err)
		return nil, true
	case fault.LobbyFull:
		s.end(signalling.EndFull)
	case fault.LobbyLocked:
		s.end(signalling.EndLocked)
	case fault.Blocked:
		s.end(signalling.EndBlocked)
	case fault.LinkRemoved:
		s.end(signalling.EndRemoved)
	case fault.LinkSpent:
		s.end(signalling.EndSpent)
	case fault.CallEnded:
		s.end(signalling.EndEnded)
	default:
		s.end(signalling.EndShutdown)
	}
	return nil, false
}

// show gives the host the picture of a guest whose card is in the lobby already.
// Pictures are decoded one at a time, so that many strangers use no more than one
// core, and only for knocks within their pace. Data that is no picture is left
// out.
func (s *guestSession) show(ctx context.Context, ticket *lobby.Ticket, picture string) {
	switch {
	case picture == "":
		s.link.lobby.Picture(ticket, "") // the newest knock counts
		return
	case !ticket.Paced():
		return
	}
	select {
	case s.host.still <- struct{}{}:
	case <-ticket.Done():
		return
	case <-ctx.Done():
		return
	}
	shown := still(picture)
	<-s.host.still
	s.link.lobby.Picture(ticket, shown)
}

// conclude acts on the lobby's verdict. Its results are those of wait.
func (s *guestSession) conclude(ctx context.Context, ticket *lobby.Ticket, v lobby.Verdict, k signalling.Knock) (st *seat, ok bool) {
	switch v.Outcome {
	case lobby.Admitted:
		return s.enter(ctx, ticket, k, v.Standing)
	case lobby.Declined:
		_ = s.out.Send(signalling.Declined{MayRetry: v.MayRetry})
		return nil, true
	case lobby.Left:
		s.frames.Close(signalling.CloseDone)
	default:
		s.end(v.Outcome.EndReason())
	}
	return nil, false
}

// enter brings an admitted guest into the call. standing means that the host has decided
// so beforehand. The guest waits on if the host's removal of the link has come since.
func (s *guestSession) enter(ctx context.Context, ticket *lobby.Ticket, k signalling.Knock, standing bool) (st *seat, ok bool) {
	h, o := s.host, s.link
	s.credentials.Admit()
	s.credentials.Await(ctx)
	once, err := s.useCopy()
	if err != nil {
		h.log.Error("use a copy", "code", fault.CodeOf(err))
		s.end(signalling.EndShutdown)
		return nil, false
	}
	var over *signalling.Ended
	if gone := h.loop.Do(ctx, func() {
		if over = s.shut(); over != nil {
			return
		}
		st, err = o.takeSeat(s, ticket, k)
		s.wide = s.wide && err != nil
		if once {
			h.forgetParts()
			o.turnAway()
		}
	}); gone != nil {
		s.end(signalling.EndShutdown)
		return nil, false
	}
	switch {
	case over != nil:
		s.over(*over)
		return nil, false
	case err == nil:
	case fault.CodeOf(err) == fault.LinkRemoved:
		return s.waitFor(ctx, k)
	case fault.CodeOf(err) == fault.CallFull:
		s.end(signalling.EndFull)
		return nil, false
	default:
		if !errors.Is(err, fault.New(fault.CallEnded, nil)) {
			h.log.Error("admit guest", "error", err)
		}
		s.end(signalling.EndEnded)
		return nil, false
	}
	if standing {
		s.cameByThemselves(st.shown)
	}
	return st, true
}
