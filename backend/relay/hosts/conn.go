package hosts

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/wire"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Bounds of one connection.
const (
	maxLineMessage  = signalling.ChannelSize + sealed.MaxFrame
	pendingNotes    = 256 // notes whose proof has not come yet
	lineMessageCost = 256 // bytes that a message counts for at the least
	attachTimeout   = 5 * time.Second
)

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// hostConn is one host's WebSocket from its upgrade to its end. One goroutine
// reads it and acts on what the host says. Each guest has another, which carries
// the guest's frames to the host. None of them waits for a guest, because
// Frames.Send never blocks. If the host does not take a guest's frames in time,
// they fill that guest's queue and no other.
type hostConn struct {
	wire.Wire
	s        *Server
	hostName string // the name by which the host dialled this relay
	from     netip.Prefix
	bytes    *rate.Limiter // for what the host sends
	proofs   *rate.Limiter // for challenges that it asks for
	wants    *rate.Limiter // for credentials

	// Set when the host has registered.
	owner string
	grant grant
	gone  bool // it understands CloseGone

	// Guarded by tenants.mu.
	shared *usage // nil unless the relay is open to this host
	used   usage
	places *household.Tally[string] // of all its guests, by address
	left   bool

	queued *switchboard.Budget // bounds its guests' queues
	others sync.WaitGroup      // counts guests, watchers, and the farewell

	mu       sync.Mutex // guards what follows
	ended    bool
	moved    bool
	pending  map[sealed.LinkID]*proof // challenges without an answer yet
	notes    int                      // how many of pending are for notes
	links    map[sealed.LinkID]*hostLink
	channels map[uint32]*hostChannel
	last     uint32 // the newest channel's number
}

// hostChannel is a guest at one of a connection's links.
type hostChannel struct {
	number uint32
	link   *hostLink
	frames switchboard.Frames
	told   bool // the host knows that it has ended; guarded by hostConn.mu
}

// run speaks the whole protocol of a host connection.
func (h *hostConn) run() {
	before, err := h.register()
	if err != nil {
		h.refuse(err)
		return
	}
	if h.owner == "" { // it was a probe
		h.Close(signalling.CloseDone, "")
		return
	}
	if before != nil {
		before.end(fault.LineReplaced)
	}
	pulse := h.Pulse(func() { h.CloseNow() })
	if h.s.o.Closing() { // Close has ended only the connections that it knew
		h.end(fault.ShuttingDown)
	}
	h.listen()
	h.end("")
	h.others.Wait()
	h.CloseNow()
	pulse.Stop()
}

// refuse ends a connection that has not registered.
func (h *hostConn) refuse(err error) {
	code := fault.CodeOf(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code = fault.TooSlow
	}
	h.s.o.Meter.Refused(metering.Hosts, code)
	if switchboard.CloseOf(err) != signalling.CloseDone { // the host is still there to be told
		h.say(signalling.Refused{Code: string(code)})
	}
	h.Close(switchboard.CloseOf(err), code)
}

// register asks the host for its key, and admits it. An owner of "" is a probe.
func (h *hostConn) register() (before *hostConn, err error) {
	h.Deadline(time.Now().Add(h.s.o.Register))
	defer h.Deadline(time.Time{})
	stop := context.AfterFunc(h.s.o.Lifetime, func() { h.Deadline(time.Now()) })
	defer stop()

	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	h.say(signalling.ChallengeHost{Version: signalling.HostVersion, Nonce: b64.EncodeToString(nonce)})
	kind, b, err := h.Read(func() int { return signalling.MaxToRelayHost })
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		return nil, fault.Newf(fault.MessageUnexpected, "a binary message before Register")
	}
	m, err := signalling.DecodeToRelayHost(b)
	if err != nil {
		return nil, err
	}
	r, ok := m.(signalling.Register)
	if !ok {
		return nil, fault.Newf(fault.MessageUnexpected, "%s before Register", m.Type())
	}
	key, signature := decoded(r.Key), decoded(r.Signature)
	signed := append([]byte(signalling.RegisterContext+h.hostName), nonce...)
	if !ed25519.Verify(key, signed, signature) {
		return nil, fault.Newf(fault.RelayRefused, "register: bad signature")
	}
	if h.grant, err = h.s.o.Policy.admit(key, r.Token); err != nil {
		return nil, err
	}
	h.gone = r.Gone
	q := h.grant.quotas
	h.proofs.SetBurst(q.Links + pendingNotes)
	if !r.Probe {
		h.owner = OwnerOf(key)
		if before, err = h.s.tenants.enter(h); err != nil {
			return nil, err
		}
		if !h.grant.open { // strangers must not push other hosts out of the memory, and have the policy's quota anyhow
			h.s.o.Policy.remember(h.owner, q.Bytes)
		}
		h.s.o.Log.Info("relay: host registered", "as", h.grant.name)
	}
	h.say(signalling.Registered{
		Links: q.Links, Guests: q.Guests, PerLink: q.PerLink, Bytes: q.Bytes, Turn: h.s.o.Turn != nil, STUN: h.s.o.STUN,
	})
	return before, nil
}

// decoded returns the value of a text that Validate has checked.
func decoded(text string) []byte {
	b, _ := b64.DecodeString(text)
	return b
}

// listen acts on what the host sends until the connection ends.
func (h *hostConn) listen() {
	for {
		kind, b, err := h.Read(func() int { return maxLineMessage })
		if err != nil {
			return
		}
		// Slows down a host that sends more than it may, and no other host.
		if h.bytes.WaitN(h.s.o.Lifetime, max(len(b), lineMessageCost)) != nil {
			return
		}
		if kind == websocket.MessageBinary {
			err = h.frame(b)
		} else {
			err = h.message(b)
		}
		if err != nil {
			h.s.o.Log.Info("relay: host refused", "code", fault.CodeOf(err))
			h.end(fault.CodeOf(err))
			return
		}
	}
}

// frame passes on a frame of the host's. An unknown channel has just ended, so
// its frame is dropped.
func (h *hostConn) frame(b []byte) error {
	if len(b) < signalling.ChannelSize {
		return fault.Newf(fault.FrameTruncated, "a binary message of %d bytes", len(b))
	}
	if c := h.channel(binary.BigEndian.Uint32(b)); c != nil {
		frame := b[signalling.ChannelSize:]
		h.s.o.Meter.Passed(false, len(frame))
		_ = c.frames.Send(frame) // if it has ended, the channel's goroutine reports it
	}
	return nil
}

func (h *hostConn) channel(number uint32) *hostChannel {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels[number]
}

// message acts on a message of the host.
func (h *hostConn) message(b []byte) error {
	m, err := signalling.DecodeToRelayHost(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case signalling.Announce:
		return h.challenge(decoded(m.Key), nil)
	case signalling.Note:
		note := [sealed.NoteSize]byte(decoded(m.Note))
		return h.challenge(decoded(m.Key), &note)
	case signalling.Proof:
		h.proved(sealed.LinkID(m.Link), decoded(m.Answer))
	case signalling.Withdraw:
		h.withdraw(m)
	case signalling.Limit:
		if c := h.channel(m.Channel); c != nil {
			c.frames.SetLimit(m.Bytes)
		}
	case signalling.Closed:
		if m.Code == signalling.CloseGone {
			return fault.Newf(fault.MessageInvalid, "closed: a guest's code")
		}
		if c := h.channel(m.Channel); c != nil {
			h.mu.Lock()
			c.told = true
			h.mu.Unlock()
			c.frames.Close(m.Code)
		}
	case signalling.WantCredentials:
		h.say(h.credentials(m))
	case signalling.Revoke:
		if h.s.o.Turn != nil {
			h.s.o.Turn.Revoke(h.owner, m.Username)
		}
	default:
		return fault.Newf(fault.MessageUnexpected, "%s on an open hostConn", m.Type())
	}
	return nil
}

// accept takes a guest of one of the host's links. It is the Switchboard's
// callback, and does not block.
func (h *hostConn) accept(link *hostLink, f switchboard.Frames) {
	if full, gone := h.s.tenants.takeGuest(h, link, f.Remote().Key); gone {
		f.Close(signalling.CloseHostGone)
		return
	} else if full {
		h.s.o.Meter.Refused(metering.Guests, fault.TooFast)
		f.Close(signalling.CloseTooFast)
		return
	}
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		h.s.tenants.releaseGuest(h, link, f.Remote().Key)
		f.Close(signalling.CloseHostGone)
		return
	}
	switchboard.Charge(f, h.queued)
	h.last++ // no connection lives for 2^32 guests
	c := &hostChannel{number: h.last, link: link, frames: f}
	if h.channels == nil {
		h.channels = make(map[uint32]*hostChannel)
	}
	h.channels[c.number] = c
	h.others.Add(1)
	h.mu.Unlock()
	go func() {
		defer h.others.Done()
		if !h.s.o.Panics.Run(func() { h.bring(c) }) {
			c.frames.Close(signalling.CloseHostGone)
			h.dismiss(c, signalling.CloseHostGone)
		}
	}()
}

// bring tells the host of a guest, and carries the guest's frames to it until the
// channel ends.
func (h *hostConn) bring(c *hostChannel) {
	remote := c.frames.Remote().Key
	there := h.say(signalling.Guest{Channel: c.number, Link: string(c.link.id), Remote: remote})
	for there {
		frame, err := c.frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			h.dismiss(c, switchboard.CloseOf(err))
			return
		}
		h.s.o.Meter.Passed(true, len(frame))
		b := make([]byte, signalling.ChannelSize, signalling.ChannelSize+len(frame))
		binary.BigEndian.PutUint32(b, c.number)
		there = h.Write(websocket.MessageBinary, append(b, frame...))
	}
	// The host does not read, or is gone.
	c.frames.Close(signalling.CloseHostGone)
	h.dismiss(c, signalling.CloseHostGone)
	h.CloseNow()
}

// dismiss removes a channel that has ended, and tells the host, unless the host
// ended it.
func (h *hostConn) dismiss(c *hostChannel, code signalling.CloseCode) {
	h.mu.Lock()
	delete(h.channels, c.number)
	told := c.told || h.ended
	h.mu.Unlock()
	h.s.tenants.releaseGuest(h, c.link, c.frames.Remote().Key)
	if code == signalling.CloseGone && !h.gone {
		code = signalling.CloseDone
	}
	if !told {
		h.say(signalling.Closed{Channel: c.number, Code: code})
	}
}

// credentials answers a request for TURN servers and credentials.
func (h *hostConn) credentials(m signalling.WantCredentials) signalling.Credentials {
	answer := signalling.Credentials{Request: m.Request}
	switch {
	case h.s.o.Turn == nil:
		answer.Code = string(fault.TurnUnavailable)
		return answer
	case !h.wants.Allow():
		answer.Code = string(fault.TooFast)
		return answer
	}
	if !h.s.tenants.takeCredential(h, time.Now()) {
		answer.Code = string(fault.TurnUsedUp)
		return answer
	}
	servers, expires, err := h.s.o.Turn.Credentials(h.turnOwner())
	if err != nil {
		answer.Code = string(fault.TurnUnavailable)
		if fault.CodeOf(err) == fault.TurnUsedUp {
			answer.Code = string(fault.TurnUsedUp)
		} else {
			h.s.o.Log.Error("relay: credentials", "error", err)
		}
		return answer
	}
	answer.Servers, answer.Expires = servers, expires.UnixMilli()
	return answer
}

// turnOwner returns the name by which TURN knows the host: see [SplitOwner].
func (h *hostConn) turnOwner() string {
	if h.grant.open {
		return h.owner + h.s.o.KeyOf(h.from)
	}
	return h.owner
}

// say sends a message and reports whether it was written.
func (h *hostConn) say(m signalling.Message) bool {
	b, err := signalling.Encode(m)
	if err != nil {
		h.s.o.Log.Error("relay: encode", "type", m.Type(), "error", err)
		return false
	}
	return h.Write(websocket.MessageText, b)
}

// end gives back all that the connection holds, and tells the host code, unless
// that is "". It does not wait for the host. Only the first call counts.
func (h *hostConn) end(code fault.Code) {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return
	}
	h.ended = true
	links := h.links
	h.links, h.pending = nil, nil
	if code != "" {
		h.others.Add(1)
	}
	h.mu.Unlock()
	for _, link := range links {
		link.attachment.Detach()
	}
	h.s.tenants.leave(h)
	if code == "" {
		h.CloseNow() // writers that wait can stop
		return
	}
	go func() {
		defer h.others.Done()
		if code == fault.ShuttingDown {
			h.Close(signalling.CloseHostGone, code)
			return
		}
		h.say(signalling.Refused{Code: string(code)})
		h.Close(signalling.CloseRefused, code)
	}()
}

// move asks the host, once, to open another connection.
func (h *hostConn) move() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || h.moved {
		return
	}
	h.moved = true
	h.others.Add(1)
	go func() {
		defer h.others.Done()
		h.say(signalling.Moving{})
	}()
}
