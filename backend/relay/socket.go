package relay

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// socket is one guest's WebSocket from its upgrade to its end. Of its two
// goroutines one reads and one writes.
type socket struct {
	wire
	s *Server
}

// serveSocket upgrades a request. The socket lives on when it returns: the
// request and all that net/http keeps for it need not.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request, c *connection) {
	from := household.Of(c.from)
	switch {
	case !originAllowed(r):
		http.Error(w, string(fault.OriginRefused), http.StatusForbidden)
		return
	case !offersSubprotocol(r, signalling.Subprotocol):
		http.Error(w, "the subprotocol is "+signalling.Subprotocol, http.StatusBadRequest)
		return
	case !s.opens.Allow(from, time.Now()) || !s.sockets.Take(from):
		s.meter.Refused(MeteredGuests, fault.TooFast)
		refuseTooFast(w)
		return
	case !s.enterSocket():
		s.sockets.Release(from)
		http.Error(w, string(fault.ShuttingDown), http.StatusServiceUnavailable)
		return
	}
	k := &socket{wire: wire{times: &s.times, conn: c}, s: s}
	// A pong costs a system call; a browser never asks for one.
	pings := rate.NewLimiter(rate.Limit(s.limits.pings), int(s.limits.pingBurst))
	upgraded := k.upgrade(w, r, signalling.Subprotocol, pings.Allow)
	go func() {
		defer s.wg.Done()
		defer s.sockets.Release(from)
		if upgraded {
			defer func() { _ = k.ws.CloseNow() }()
			s.guard(k.run)
		}
	}()
}

// enterSocket counts a socket in wg, unless the server is closing or drains.
func (s *Server) enterSocket() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining {
		return false
	}
	s.wg.Add(1)
	return true
}

func offersSubprotocol(r *http.Request, subprotocol string) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		if slices.ContainsFunc(strings.Split(v, ","), func(p string) bool {
			return strings.TrimSpace(p) == subprotocol
		}) {
			return true
		}
	}
	return false
}

// run speaks the whole protocol. See the package's documentation.
func (k *socket) run() {
	s := k.s
	id, err := k.question()
	asked := time.Now()
	if err != nil {
		k.close(closeOf(err), fault.CodeOf(err))
		return
	}
	ctx, cancel := context.WithTimeout(s.lifetime, s.times.open)
	public, frames, err := s.board.Dial(ctx, id, s.remoteOf(k.conn))
	cancel()
	switch {
	case fault.CodeOf(err) == fault.TooFast:
		s.meter.Refused(MeteredGuests, fault.TooFast)
		k.close(signalling.CloseTooFast, fault.TooFast)
		return
	case err != nil:
		k.refuse(id, asked)
		return
	}
	defer frames.Close(signalling.CloseDone)
	if k.say(signalling.Opened{PublicKey: base64.RawURLEncoding.EncodeToString(public)}) {
		k.pass(frames)
	}
}

// question reads the guest's Open.
func (k *socket) question() (sealed.LinkID, error) {
	const limit = signalling.MaxRelayMessage
	k.conn.budget.Store(&budget{limit: func() int { return limit }, fill: k.s.limits.fill})
	k.deadline(time.Now().Add(k.s.times.open))
	defer k.deadline(time.Time{})
	stop := context.AfterFunc(k.s.lifetime, func() { k.deadline(time.Now()) })
	defer stop()

	kind, b, err := k.read(func() int { return limit })
	if err != nil {
		return "", err
	}
	if kind != websocket.MessageText {
		return "", fault.Newf(fault.MessageUnexpected, "a binary frame before Open")
	}
	m, err := signalling.DecodeToRelay(b)
	if err != nil {
		return "", err
	}
	open, ok := m.(signalling.Open)
	if !ok {
		return "", fault.Newf(fault.MessageUnexpected, "not an Open")
	}
	return sealed.ParseLinkID(open.Link)
}

// refuse gives the one answer. It comes at one distance from the question, so
// that how long was looked for the link doesn't show.
func (k *socket) refuse(id sealed.LinkID, asked time.Time) {
	s := k.s
	s.meter.Unanswered()
	note := s.noise(id)
	if s.notes != nil {
		if real, ok := s.notes(id); ok {
			note = real
		}
	}
	wait := time.NewTimer(time.Until(asked.Add(s.times.unavailable)))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-s.lifetime.Done():
		k.close(signalling.CloseHostGone, fault.ShuttingDown)
		return
	}
	if k.say(signalling.Unavailable{Note: base64.RawURLEncoding.EncodeToString(note[:])}) {
		k.close(signalling.CloseUnavailable, fault.LinkUnavailable)
	}
}

// noise is the note of a link that has none: always the same for one id, and
// nobody without this relay's key can tell it from a sealed one.
func (s *Server) noise(id sealed.LinkID) (note [sealed.NoteSize]byte) {
	mac := hmac.New(sha512.New, s.noteKey)
	mac.Write([]byte(id))
	copy(note[:], mac.Sum(nil))
	return note
}

// A note is one HMAC-SHA-512 long.
var _ = [1]struct{}{}[sha512.Size-sealed.NoteSize]

// pass carries frames both ways until either side ends. Whoever notices the
// end closes the channel; fromHost then closes the socket, and that ends
// fromGuest.
func (k *socket) pass(frames switchboard.Frames) {
	k.conn.budget.Store(&budget{limit: frames.Limit, fill: k.s.limits.fill})
	stop := context.AfterFunc(k.s.lifetime, func() { frames.Close(signalling.CloseHostGone) })
	defer stop()
	pulse := startPulse(k.ws, k.times.ping, k.times.pong, func() { frames.Close(signalling.CloseTooSlow) })
	var writer sync.WaitGroup
	writer.Go(func() { k.fromHost(frames) })
	k.fromGuest(frames)
	writer.Wait()
	pulse.stop()
}

// fromGuest reads until the socket ends.
func (k *socket) fromGuest(frames switchboard.Frames) {
	pace := rate.NewLimiter(rate.Limit(k.s.limits.frames), int(k.s.limits.frameBurst))
	// Who says nothing after Opened is not a guest.
	silent := time.AfterFunc(k.s.times.open, func() { frames.Close(signalling.CloseTooSlow) })
	defer silent.Stop()
	for {
		kind, b, err := k.read(frames.Limit)
		silent.Stop()
		switch {
		case err != nil:
			frames.Close(closeOf(err))
			return
		case kind != websocket.MessageBinary:
			frames.Close(signalling.CloseRefused)
		case !pace.Allow():
			frames.Close(signalling.CloseTooFast)
		default:
			_ = frames.Send(b) // when it has ended, fromHost ends the socket
		}
	}
}

// fromHost writes until the channel ends, and then ends the socket.
func (k *socket) fromHost(frames switchboard.Frames) {
	for {
		frame, err := frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			k.close(closeOf(err), fault.CodeOf(err))
			return
		}
		if !k.write(websocket.MessageBinary, frame) {
			frames.Close(signalling.CloseTooSlow)
			_ = k.ws.CloseNow() // a slow guest's connection; a broken one is closed
			return
		}
	}
}

// say sends a message in the clear and reports whether it left.
func (k *socket) say(m signalling.Message) bool {
	b, err := signalling.Encode(m)
	if err != nil {
		k.s.log.Error("relay: encode", "type", m.Type(), "error", err)
		k.close(signalling.CloseHostGone, fault.Internal)
		return false
	}
	return k.write(websocket.MessageText, b)
}

// closeOf is the code that ends a socket or a channel after err.
func closeOf(err error) signalling.CloseCode {
	var closed switchboard.Closed
	switch {
	case errors.As(err, &closed):
		return closed.Code
	case errors.Is(err, errTooFast):
		return signalling.CloseTooFast
	case errors.Is(err, os.ErrDeadlineExceeded):
		return signalling.CloseTooSlow
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return signalling.CloseDone // the guest has closed the socket, or its network has
	}
	if f.Code == fault.FrameTooLarge {
		return signalling.CloseTooLarge
	}
	return signalling.CloseRefused
}
