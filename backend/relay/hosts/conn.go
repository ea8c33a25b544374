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

// hostConn is one host's WebSocket from its upgrade to its end (a "line" in the
// protocol). One goroutine reads it and acts on what the host says. Each guest
// has another, which carries the guest's frames to the host. None of them waits
// for a guest, because Frames.Send never blocks. If the host does not take a
// guest's frames in time, they fill that guest's queue and no other.
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
func (l *hostConn) run() {
	before, err := l.register()
	if err != nil {
		l.refuse(err)
		return
	}
	if l.owner == "" { // it was a probe
		l.Close(signalling.CloseDone, "")
		return
	}
	if before != nil {
		before.end(fault.LineReplaced)
	}
	pulse := l.Pulse(func() { l.CloseNow() })
	if l.s.o.Closing() { // Close has ended only the connections that it knew
		l.end(fault.ShuttingDown)
	}
	l.listen()
	l.end("")
	l.others.Wait()
	l.CloseNow()
	pulse.Stop()
}

// refuse ends a connection that has not registered.
func (l *hostConn) refuse(err error) {
	code := fault.CodeOf(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code = fault.TooSlow
	}
	l.s.o.Meter.Refused(metering.Hosts, code)
	if wire.CloseOf(err) != signalling.CloseDone { // the host is still there to be told
		l.say(signalling.Refused{Code: string(code)})
	}
	l.Close(wire.CloseOf(err), code)
}

// register asks the host for its key, and admits it. An owner of "" is a probe.
func (l *hostConn) register() (before *hostConn, err error) {
	l.Deadline(time.Now().Add(l.s.o.Register))
	defer l.Deadline(time.Time{})
	stop := context.AfterFunc(l.s.o.Lifetime, func() { l.Deadline(time.Now()) })
	defer stop()

	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	l.say(signalling.ChallengeHost{Version: signalling.HostVersion, Nonce: b64.EncodeToString(nonce)})
	kind, b, err := l.Read(func() int { return signalling.MaxToRelayHost })
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
	signed := append([]byte(signalling.RegisterContext+l.hostName), nonce...)
	if !ed25519.Verify(key, signed, signature) {
		return nil, fault.Newf(fault.RelayRefused, "register: bad signature")
	}
	if l.grant, err = l.s.o.Policy.admit(key, r.Token); err != nil {
		return nil, err
	}
	q := l.grant.quotas
	l.proofs.SetBurst(q.Links + pendingNotes)
	if !r.Probe {
		l.owner = OwnerOf(key)
		if before, err = l.s.tenants.enter(l); err != nil {
			return nil, err
		}
		if !l.grant.open { // strangers must not push other hosts out of the memory, and have the policy's quota anyhow
			l.s.o.Policy.remember(l.owner, q.Bytes)
		}
		l.s.o.Log.Info("relay: host registered", "as", l.grant.name)
	}
	l.say(signalling.Registered{
		Links: q.Links, Guests: q.Guests, PerLink: q.PerLink, Bytes: q.Bytes, Turn: l.s.o.Turn != nil, STUN: l.s.o.STUN,
	})
	return before, nil
}

// decoded returns the value of a text that Validate has checked.
func decoded(text string) []byte {
	b, _ := b64.DecodeString(text)
	return b
}

// listen acts on what the host sends until the connection ends.
func (l *hostConn) listen() {
	for {
		kind, b, err := l.Read(func() int { return maxLineMessage })
		if err != nil {
			return
		}
		// Slows down a host that sends more than it may, and no other host.
		if l.bytes.WaitN(l.s.o.Lifetime, max(len(b), lineMessageCost)) != nil {
			return
		}
		if kind == websocket.MessageBinary {
			err = l.frame(b)
		} else {
			err = l.message(b)
		}
		if err != nil {
			l.s.o.Log.Info("relay: host refused", "code", fault.CodeOf(err))
			l.end(fault.CodeOf(err))
			return
		}
	}
}

// frame passes on a frame of the host's. An unknown channel has just ended, so
// its frame is dropped.
func (l *hostConn) frame(b []byte) error {
	if len(b) < signalling.ChannelSize {
		return fault.Newf(fault.FrameTruncated, "a binary message of %d bytes", len(b))
	}
	if c := l.channel(binary.BigEndian.Uint32(b)); c != nil {
		frame := b[signalling.ChannelSize:]
		l.s.o.Meter.Passed(false, len(frame))
		_ = c.frames.Send(frame) // if it has ended, the channel's goroutine reports it
	}
	return nil
}

func (l *hostConn) channel(number uint32) *hostChannel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channels[number]
}

// message acts on a message of the host.
func (l *hostConn) message(b []byte) error {
	m, err := signalling.DecodeToRelayHost(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case signalling.Announce:
		return l.challenge(decoded(m.Key), nil)
	case signalling.Note:
		note := [sealed.NoteSize]byte(decoded(m.Note))
		return l.challenge(decoded(m.Key), &note)
	case signalling.Proof:
		l.proved(sealed.LinkID(m.Link), decoded(m.Answer))
	case signalling.Withdraw:
		l.withdraw(m)
	case signalling.Limit:
		if c := l.channel(m.Channel); c != nil {
			c.frames.SetLimit(m.Bytes)
		}
	case signalling.Closed:
		if c := l.channel(m.Channel); c != nil {
			l.mu.Lock()
			c.told = true
			l.mu.Unlock()
			c.frames.Close(m.Code)
		}
	case signalling.WantCredentials:
		l.say(l.credentials(m))
	case signalling.Revoke:
		if l.s.o.Turn != nil {
			l.s.o.Turn.Revoke(l.owner, m.Username)
		}
	default:
		return fault.Newf(fault.MessageUnexpected, "%s on an open hostConn", m.Type())
	}
	return nil
}

// accept takes a guest of one of the host's links. It is the Switchboard's
// callback, and does not block.
func (l *hostConn) accept(link *hostLink, f switchboard.Frames) {
	if full, gone := l.s.tenants.takeGuest(l, link, f.Remote().Key); gone {
		f.Close(signalling.CloseHostGone)
		return
	} else if full {
		l.s.o.Meter.Refused(metering.Guests, fault.TooFast)
		f.Close(signalling.CloseTooFast)
		return
	}
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		l.s.tenants.releaseGuest(l, link, f.Remote().Key)
		f.Close(signalling.CloseHostGone)
		return
	}
	switchboard.Charge(f, l.queued)
	l.last++ // no connection lives for 2^32 guests
	c := &hostChannel{number: l.last, link: link, frames: f}
	if l.channels == nil {
		l.channels = make(map[uint32]*hostChannel)
	}
	l.channels[c.number] = c
	l.others.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.others.Done()
		if !l.s.o.Panics.Run(func() { l.bring(c) }) {
			c.frames.Close(signalling.CloseHostGone)
			l.dismiss(c, signalling.CloseHostGone)
		}
	}()
}

// bring tells the host of a guest, and carries the guest's frames to it until the
// channel ends.
func (l *hostConn) bring(c *hostChannel) {
	remote := c.frames.Remote().Key
	there := l.say(signalling.Guest{Channel: c.number, Link: string(c.link.id), Remote: remote})
	for there {
		frame, err := c.frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			l.dismiss(c, wire.CloseOf(err))
			return
		}
		l.s.o.Meter.Passed(true, len(frame))
		b := make([]byte, signalling.ChannelSize, signalling.ChannelSize+len(frame))
		binary.BigEndian.PutUint32(b, c.number)
		there = l.Write(websocket.MessageBinary, append(b, frame...))
	}
	// The host does not read, or is gone.
	c.frames.Close(signalling.CloseHostGone)
	l.dismiss(c, signalling.CloseHostGone)
	l.CloseNow()
}

// dismiss removes a channel that has ended, and tells the host, unless the host
// ended it.
func (l *hostConn) dismiss(c *hostChannel, code signalling.CloseCode) {
	l.mu.Lock()
	delete(l.channels, c.number)
	told := c.told || l.ended
	l.mu.Unlock()
	l.s.tenants.releaseGuest(l, c.link, c.frames.Remote().Key)
	if !told {
		l.say(signalling.Closed{Channel: c.number, Code: code})
	}
}

// credentials answers a request for TURN servers and credentials.
func (l *hostConn) credentials(m signalling.WantCredentials) signalling.Credentials {
	answer := signalling.Credentials{Request: m.Request}
	switch {
	case l.s.o.Turn == nil:
		answer.Code = string(fault.TurnUnavailable)
		return answer
	case !l.wants.Allow():
		answer.Code = string(fault.TooFast)
		return answer
	}
	if !l.s.tenants.takeCredential(l, time.Now()) {
		answer.Code = string(fault.TurnUsedUp)
		return answer
	}
	servers, expires, err := l.s.o.Turn.Credentials(l.turnOwner())
	if err != nil {
		answer.Code = string(fault.TurnUnavailable)
		if fault.CodeOf(err) == fault.TurnUsedUp {
			answer.Code = string(fault.TurnUsedUp)
		} else {
			l.s.o.Log.Error("relay: credentials", "error", err)
		}
		return answer
	}
	answer.Servers, answer.Expires = servers, expires.UnixMilli()
	return answer
}

// turnOwner returns the name by which TURN knows the host: see [SplitOwner].
func (l *hostConn) turnOwner() string {
	if l.grant.open {
		return l.owner + l.s.o.KeyOf(l.from)
	}
	return l.owner
}

// say sends a message and reports whether it was written.
func (l *hostConn) say(m signalling.Message) bool {
	b, err := signalling.Encode(m)
	if err != nil {
		l.s.o.Log.Error("relay: encode", "type", m.Type(), "error", err)
		return false
	}
	return l.Write(websocket.MessageText, b)
}

// end gives back all that the connection holds, and tells the host code, unless
// that is "". It does not wait for the host. Only the first call counts.
func (l *hostConn) end(code fault.Code) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended = true
	links := l.links
	l.links, l.pending = nil, nil
	if code != "" {
		l.others.Add(1)
	}
	l.mu.Unlock()
	for _, link := range links {
		link.attachment.Detach()
	}
	l.s.tenants.leave(l)
	if code == "" {
		l.CloseNow() // writers that wait can stop
		return
	}
	go func() {
		defer l.others.Done()
		if code == fault.ShuttingDown {
			l.Close(signalling.CloseHostGone, code)
			return
		}
		l.say(signalling.Refused{Code: string(code)})
		l.Close(signalling.CloseRefused, code)
	}()
}

// move asks the host, once, to open another connection.
func (l *hostConn) move() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.moved {
		return
	}
	l.moved = true
	l.others.Add(1)
	go func() {
		defer l.others.Done()
		l.say(signalling.Moving{})
	}()
}
