package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// word is a line between the host and a guest who waits.
type word struct {
	host bool // the host said it
	text string
	at   time.Time
}

// How fast a guest who waits may write: a burst, and then one line in this time.
const (
	wordBurst = 5
	wordEvery = 3 * time.Second
)

// WriteTo says a line to a guest who waits, and opens the way for answers. Faults:
// RequestGone (also if the guest's page can't show it, or its connection is lost),
// ChatInvalid.
func (h *Host) WriteTo(ctx context.Context, requestID, text string) error {
	text = signalling.CleanText(text)
	if err := (signalling.Word{Text: text}).Validate(); err != nil {
		return err
	}
	return h.doRequest(ctx, requestID, func(o *openLink, q lobby.Request) error {
		s := o.writable(requestID)
		if s == nil || q.Away {
			return fault.New(fault.RequestGone, nil)
		}
		o.say(requestID, word{host: true, text: text, at: h.now()})
		o.lobby.See([]string{requestID})
		return nil
	})
}

// writable returns the session of a guest who waits and whose page shows lines, nil
// if there is none.
func (o *openLink) writable(requestID string) *guestSession {
	for s := range o.sessions {
		if t := s.ticket.Load(); t != nil && t.ID() == requestID && s.words.Load() {
			return s
		}
	}
	return nil
}

// say adds a line, and sends all of them to the guest.
func (o *openLink) say(requestID string, w word) {
	lines := append(slices.Clone(o.words[requestID]), w)
	if len(lines) > signalling.MaxSaid {
		lines = lines[len(lines)-signalling.MaxSaid:]
	}
	if o.words == nil {
		o.words = make(map[string][]word)
	}
	o.words[requestID] = lines
	o.host.touch()
	if s := o.writable(requestID); s != nil {
		s.tellWords(lines)
	}
}

func (s *guestSession) tellWords(lines []word) {
	s.spoken.Store(true)
	now := s.host.now()
	_ = s.out.Send(signalling.Said{Lines: convert(lines, func(w word) signalling.SaidLine {
		return signalling.SaidLine{Text: w.text, Own: !w.host, Ago: max(0, now.Sub(w.at).Milliseconds())}
	})}) // a lost path shows in read
}

// hear takes a line of a guest who waits. Faults: MessageUnexpected, before the
// host's first one; TooFast; ChatInvalid.
func (s *guestSession) hear(ticket *lobby.Ticket, m signalling.Word) error {
	if !s.spoken.Load() {
		return fault.Newf(fault.MessageUnexpected, "word before the host's")
	}
	if s.wordPace == nil {
		s.wordPace = rate.NewLimiter(rate.Every(wordEvery), wordBurst)
	}
	if !s.wordPace.Allow() {
		return &fault.Error{Code: fault.TooFast, After: wordEvery}
	}
	o := s.link
	at := s.host.now()
	s.lines++ // no line is lost because of another; wordPace bounds them
	s.host.loop.Post(fmt.Sprint("word ", s.lines, " ", ticket.ID()), func() {
		if len(o.words[ticket.ID()]) > 0 { // the request still waits
			o.say(ticket.ID(), word{text: m.Text, at: at})
		}
	})
	return nil
}

// forgetWords drops the lines of requests that no longer wait.
func (o *openLink) forgetWords() {
	for id := range o.words {
		if !slices.ContainsFunc(o.queue.Requests, func(q lobby.Request) bool { return q.ID == id }) {
			delete(o.words, id)
		}
	}
}

// greetAgain repeats the lines to a page that has come back to its place.
func (s *guestSession) greetAgain(ticket *lobby.Ticket) {
	s.host.loop.Post("words "+ticket.ID(), func() {
		if lines := s.link.words[ticket.ID()]; len(lines) > 0 && s.ticket.Load() == ticket {
			s.tellWords(lines)
		}
		if can := s.link.writable(ticket.ID()) != nil; can != s.host.showsWritable(ticket.ID()) {
			s.host.touch()
		}
	})
}

// showsWritable reports whether the window shows that one can write to a guest who
// waits.
func (h *Host) showsWritable(requestID string) bool {
	return slices.ContainsFunc(h.Snapshot().Requests, func(q hoststate.RequestView) bool { return q.ID == requestID && q.CanWrite })
}

func (o *openLink) wordViews(requestID string) []hoststate.WordView {
	return convert(o.words[requestID], func(w word) hoststate.WordView {
		return hoststate.WordView{Own: w.host, Text: w.text, At: hoststate.Millis(w.at)}
	})
}
