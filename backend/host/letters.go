package host

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// Messages of a guest while a letter arrives: a second, and at once.
const (
	rateLetter  = 12
	burstLetter = 24
)

// How often a guest may begin a door message: a burst, and then one in this time. A
// page that is told to try again does so after five seconds.
const (
	letterBurst = 4
	letterEvery = 4 * time.Second
)

// letter begins a guest's door message. The session's goroutine calls it.
func (s *guestSession) beginLetter(ticket *lobby.Ticket, m signalling.Letter, name string) {
	s.dropLetter()
	w, err := s.makeRoom(ticket, m, name)
	if err != nil {
		s.narrow() // what was on its way of an earlier one has come
		s.refuseLetter(err)
		return
	}
	s.letter = w
	if !s.wide {
		s.wide = true
		s.limit.Store(signalling.MaxLetterFrame)
		s.frames.SetLimit(signalling.MaxLetterFrame)
		s.pace.Store(s.piecePace)
	}
	_ = s.out.Send(signalling.Got{}) // a lost path shows in read
}

// narrow takes back the room for pieces of a door message.
func (s *guestSession) narrow() {
	if s.wide {
		s.limitsOfWait()
	}
}

// makeRoom checks whether the guest has waited for long enough, and whether there is
// room. Faults: MessagesFull, TooFast, MessageUnexpected.
func (s *guestSession) makeRoom(ticket *lobby.Ticket, m signalling.Letter, name string) (*doormessages.Writer, error) {
	h, o := s.host, s.link
	if h.messages == nil {
		return nil, fault.New(fault.MessageUnexpected, nil)
	}
	if !s.letterPace.Allow() {
		return nil, &fault.Error{Code: fault.TooFast, After: letterEvery}
	}
	for _, q := range o.lobby.Snapshot().Requests {
		if q.ID != ticket.ID() {
			continue
		}
		if wait := h.timing.Letter - h.now().Sub(q.Since); wait > 0 {
			return nil, &fault.Error{Code: fault.TooFast, After: wait}
		}
		return h.messages.Begin(doormessages.Message{
			Link: string(o.id), Device: s.device, Name: name,
			Kind: doormessages.Kind(m.Kind), Seconds: m.Seconds, Size: m.Size,
		})
	}
	return nil, fault.New(fault.RequestGone, nil)
}

// piece takes the next part of a door message.
func (s *guestSession) piece(m signalling.Piece) {
	w := s.letter
	if w == nil { // of one that was refused
		if s.late -= len(m.Data); s.late <= 0 {
			s.narrow()
		}
		return
	}
	data, err := base64.RawURLEncoding.DecodeString(m.Data)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil && w.Whole() {
		if err = w.End(); err == nil {
			s.letter = nil
			s.narrow()
			_ = s.out.Send(signalling.Got{Bytes: w.Got, Saved: true})
			s.host.loop.Post("door message", s.host.touch)
			return
		}
	}
	if err != nil {
		s.dropLetter()
		s.refuseLetter(err)
		return
	}
	_ = s.out.Send(signalling.Got{Bytes: w.Got})
}

func (s *guestSession) refuseLetter(err error) {
	code := fault.CodeOf(err)
	s.host.log.Info("door message refused", "code", code)
	_ = s.out.Send(signalling.Got{Refused: string(code)})
}

// dropLetter gives up a door message that is not whole. The room for its pieces stays,
// because some may be on their way. What the page says once it has heard of the end
// comes after them, and takes the room back.
func (s *guestSession) dropLetter() {
	if s.letter == nil {
		return
	}
	s.letter.Abort()
	s.letter = nil
	s.late = base64.RawURLEncoding.EncodedLen(signalling.LetterWindow)
}

// DoorMessages returns what guests have left at the door; nil for none. Whoever changes
// it calls MessagesChanged.
func (h *Host) DoorMessages() *doormessages.Box { return h.messages }

// MessagesChanged shows the door messages anew.
func (h *Host) MessagesChanged() { h.loop.Post("door messages", h.touch) }

// messagesOf returns a link's door messages, the oldest first.
func messagesOf(all []doormessages.Message, link string) []hoststate.MessageView {
	views := []hoststate.MessageView{}
	for _, m := range all {
		if m.Link == link {
			views = append(views, hoststate.MessageView{
				ID: m.ID, Name: m.Name, Kind: string(m.Kind), Type: m.Type, Seconds: m.Seconds,
				At: hoststate.Millis(m.At), Kept: m.Kept,
			})
		}
	}
	return views
}

// expireMessages deletes door messages whose time is over, once an hour.
func (h *Host) expireMessages(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if h.messages.Expire() {
				h.MessagesChanged()
			}
		case <-ctx.Done():
			return
		}
	}
}

// takesOutside is what a guest at the door may send beyond the messages of every host.
func (h *Host) takesOutside() []string {
	if h.messages == nil {
		return []string{signalling.TakesRename}
	}
	return []string{signalling.TakesRename, signalling.TakesLetter}
}
