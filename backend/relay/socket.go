package relay

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/wire"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// socket is one guest's WebSocket from its upgrade to its end. One goroutine
// reads it and one writes it.
type socket struct {
	wire.Wire
	s *Server
	v visit
}

// serveSocket upgrades a request. The socket lives on after it returns, so that
// the request and all that net/http keeps for it can be freed.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request, c *oneport.Conn, v visit) {
	from := household.Of(v.from)
	switch {
	case !originAllowed(r, v.outside):
		http.Error(w, string(fault.OriginRefused), http.StatusForbidden)
		return
	case !wire.Offers(r, signalling.Subprotocol):
		http.Error(w, "the subprotocol is "+signalling.Subprotocol, http.StatusBadRequest)
		return
	case !s.opens.Allow(from, time.Now()) || !s.sockets.Take(from):
		s.meter.Refused(metering.Guests, fault.TooFast)
		wire.RefuseTooFast(w)
		return
	case !s.enterSocket():
		s.sockets.Release(from)
		http.Error(w, string(fault.ShuttingDown), http.StatusServiceUnavailable)
		return
	}
	k := &socket{Wire: wire.Wire{Times: s.times.wire(), Conn: c}, s: s, v: v}
	// A pong costs a system call, and a browser never asks for one.
	pings := rate.NewLimiter(rate.Limit(s.limits.pings), int(s.limits.pingBurst))
	upgraded := k.Upgrade(w, r, signalling.Subprotocol, pings.Allow)
	go func() {
		defer s.wg.Done()
		defer s.sockets.Release(from)
		if upgraded {
			defer k.CloseNow()
			s.guard(k.run)
		}
	}()
}

// enterSocket counts a socket in wg, unless the server closes or drains.
func (s *Server) enterSocket() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining {
		return false
	}
	s.wg.Add(1)
	return true
}

// run speaks the whole protocol. See the package's documentation.
func (k *socket) run() {
	s := k.s
	id, err := k.question()
	asked := time.Now()
	if err != nil {
		k.Close(switchboard.CloseOf(err), fault.CodeOf(err))
		return
	}
	ctx, cancel := context.WithTimeout(s.lifetime, s.times.open)
	public, frames, err := s.board.Dial(ctx, id, s.remoteOf(k.v))
	cancel()
	switch {
	case fault.CodeOf(err) == fault.TooFast:
		s.meter.Refused(metering.Guests, fault.TooFast)
		k.Close(signalling.CloseTooFast, fault.TooFast)
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

// budget limits the bytes that arrive from one guest, in proportion to the frames
// that it may send now: at once three quarters of what may wait for the host, and
// as much again in the time fill. One goroutine reads at a time.
type budget struct {
	limit func() int // Frames.Limit
	fill  time.Duration

	of int
	l  *rate.Limiter
}

func (b *budget) allow(n int, now time.Time) bool {
	if limit := b.limit(); b.l == nil || limit != b.of {
		burst := switchboard.Held(limit) * 3 / 4
		b.of, b.l = limit, rate.NewLimiter(rate.Limit(float64(burst)/b.fill.Seconds()), burst)
	}
	return b.l.AllowN(now, n)
}

// question reads the guest's Open.
func (k *socket) question() (sealed.LinkID, error) {
	const limit = signalling.MaxRelayMessage
	k.Conn.Limit((&budget{limit: func() int { return limit }, fill: k.s.limits.fill}).allow)
	k.Deadline(time.Now().Add(k.s.times.open))
	defer k.Deadline(time.Time{})
	defer k.s.silent.add(k)()
	stop := context.AfterFunc(k.s.lifetime, func() { k.Deadline(time.Now()) })
	defer stop()

	kind, b, err := k.Read(func() int { return limit })
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

// refuse gives the one answer. It comes at times.unavailable after the question,
// so that the time of the look-up doesn't show.
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
		k.Close(signalling.CloseHostGone, fault.ShuttingDown)
		return
	}
	if k.say(signalling.Unavailable{Note: base64.RawURLEncoding.EncodeToString(note[:])}) {
		k.Close(signalling.CloseUnavailable, fault.LinkUnavailable)
	}
}

// noise returns the note for a link that has none. It is always the same for one
// id, and only with this relay's key can it be told from a sealed one.
func (s *Server) noise(id sealed.LinkID) (note [sealed.NoteSize]byte) {
	mac := hmac.New(sha512.New, s.noteKey)
	mac.Write([]byte(id))
	copy(note[:], mac.Sum(nil))
	return note
}

// A note is as long as one HMAC-SHA-512.
var _ = [1]struct{}{}[sha512.Size-sealed.NoteSize]

// pass carries frames both ways until either side ends. The side that notices the
// end closes the channel; fromHost then closes the socket, which ends fromGuest.
func (k *socket) pass(frames switchboard.Frames) {
	k.Conn.Limit((&budget{limit: frames.Limit, fill: k.s.limits.fill}).allow)
	stop := context.AfterFunc(k.s.lifetime, func() { frames.Close(signalling.CloseHostGone) })
	defer stop()
	pulse := k.Pulse(func() { frames.Close(signalling.CloseTooSlow) })
	var writer sync.WaitGroup
	writer.Go(func() { k.fromHost(frames) })
	k.fromGuest(frames)
	writer.Wait()
	pulse.Stop()
}

// fromGuest reads until the socket ends.
func (k *socket) fromGuest(frames switchboard.Frames) {
	pace := rate.NewLimiter(rate.Limit(k.s.limits.frames), int(k.s.limits.frameBurst))
	// A client that says nothing after Opened is not a guest.
	silent := time.AfterFunc(k.s.times.open, func() { frames.Close(signalling.CloseTooSlow) })
	defer silent.Stop()
	for {
		kind, b, err := k.Read(frames.Limit)
		silent.Stop()
		switch {
		case err != nil:
			frames.Close(endOf(err))
			return
		case kind != websocket.MessageBinary:
			frames.Close(signalling.CloseRefused)
		case !pace.Allow():
			frames.Close(signalling.CloseTooFast)
		default:
			_ = frames.Send(b) // when the channel has ended, fromHost ends the socket
		}
	}
}

// endOf returns the code of a channel after err of its guest's socket.
func endOf(err error) signalling.CloseCode {
	if websocket.CloseStatus(err) == websocket.StatusGoingAway {
		return signalling.CloseGone
	}
	return switchboard.CloseOf(err)
}

// fromHost writes until the channel ends, and then ends the socket.
func (k *socket) fromHost(frames switchboard.Frames) {
	for {
		frame, err := frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			k.Close(switchboard.CloseOf(err), fault.CodeOf(err))
			return
		}
		if !k.Write(websocket.MessageBinary, frame) {
			k.CloseNow() // cuts a slow guest's connection; fromGuest reports why it has ended
			return
		}
	}
}

// say sends a message in the clear and reports whether it was written.
func (k *socket) say(m signalling.Message) bool {
	b, err := signalling.Encode(m)
	if err != nil {
		k.s.log.Error("relay: encode", "type", m.Type(), "error", err)
		k.Close(signalling.CloseHostGone, fault.Internal)
		return false
	}
	return k.Write(websocket.MessageText, b)
}
