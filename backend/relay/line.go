package relay

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
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

// Bounds of one line.
const (
	maxLineMessage  = signalling.ChannelSize + sealed.MaxFrame
	pendingNotes    = 256 // notes whose proof is awaited
	lineMessageCost = 256 // bytes that a message counts for at least
	attachTimeout   = 5 * time.Second
)

// lineQueued is the part of a relay's budget that one host's line may hold: all
// lines of one address can't hold all of it, and a few frames always fit.
func lineQueued(all int64) int64 { return max(all/16, 4<<20) }

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// line is one host's WebSocket from its upgrade to its end. One goroutine
// reads it and acts on what the host says; each guest has another, which
// brings the guest's frames. None of them waits for a guest: Frames.Send never
// blocks, and a guest whose frames the host does not take in time fills their
// own queue, and no other.
type line struct {
	wire
	s        *Server
	hostName string // by which the host dialled this relay
	from     netip.Prefix
	bytes    *rate.Limiter // what the host sends
	proofs   *rate.Limiter // challenges that it asks for
	wants    *rate.Limiter // credentials

	// Set once the host has registered.
	owner string
	grant grant

	// Of tenants.mu.
	shared *usage // nil unless the host is an open one
	used   usage
	places *household.Tally[string] // of all guests, by address
	left   bool

	queued *switchboard.Budget // of its guests' queues
	others sync.WaitGroup      // guests, watchers, the farewell

	mu       sync.Mutex
	ended    bool
	moved    bool
	pending  map[sealed.LinkID]*proof // challenges that are not answered yet
	notes    int                      // of them, notes
	links    map[sealed.LinkID]*lineLink
	channels map[uint32]*lineChannel
	last     uint32 // channel number
}

// proof is what a host must answer before something happens.
type proof struct {
	public []byte
	want   []byte
	note   *[sealed.NoteSize]byte // nil: the link is to be announced
}

// lineLink is a link that a line has announced.
type lineLink struct {
	id         sealed.LinkID
	attachment switchboard.Attachment
	guests     int                      // of tenants.mu, as the next
	places     *household.Tally[string] // of guests, by address
}

// lineChannel is a guest at one of a line's links.
type lineChannel struct {
	number uint32
	link   *lineLink
	frames switchboard.Frames
	told   bool // the host knows that it has ended; of line.mu
}

// serveHost upgrades a host's request. The line lives on when it returns.
func (s *Server) serveHost(w http.ResponseWriter, r *http.Request, c *connection) {
	from := household.Of(c.from)
	refuse := func(status int, code fault.Code) {
		s.meter.Refused(MeteredHosts, code)
		http.Error(w, string(code), status)
	}
	switch {
	case len(r.Header.Values("Origin")) != 0: // no page is a host
		refuse(http.StatusForbidden, fault.OriginRefused)
		return
	case !offersSubprotocol(r, signalling.HostSubprotocol):
		refuse(http.StatusBadRequest, fault.RelayVersion)
		return
	case !s.opens.Allow(from, time.Now()):
		s.meter.Refused(MeteredHosts, fault.TooFast)
		refuseTooFast(w)
		return
	case !s.lines.Take(from):
		refuse(http.StatusServiceUnavailable, fault.RelayFull)
		return
	case !s.enterSocket():
		s.lines.Release(from)
		refuse(http.StatusServiceUnavailable, fault.ShuttingDown)
		return
	}
	l := &line{
		wire: wire{times: &s.times, conn: c}, s: s, hostName: bareHost(r.Host), from: from,
		bytes:  rate.NewLimiter(rate.Limit(s.limits.lineBytes), int(s.limits.lineBurst)),
		wants:  rate.NewLimiter(5, 256),
		proofs: rate.NewLimiter(20, pendingNotes),
		queued: s.queued.Part(lineQueued(s.queued.Most())),
	}
	pings := rate.NewLimiter(rate.Limit(s.limits.pings), int(s.limits.pingBurst))
	upgraded := l.upgrade(w, r, signalling.HostSubprotocol, pings.Allow)
	go func() {
		defer s.wg.Done()
		defer s.lines.Release(from)
		if upgraded {
			defer func() { _ = l.ws.CloseNow() }()
			s.guard(l.run)
		}
	}()
}

// bareHost is a Host header without its port, in small letters.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// run speaks the whole protocol of a line.
func (l *line) run() {
	before, err := l.register()
	if err != nil {
		l.refuse(err)
		return
	}
	if l.owner == "" { // it only asked
		l.close(signalling.CloseDone, "")
		return
	}
	if before != nil {
		before.end(fault.LineReplaced)
	}
	pulse := startPulse(l.ws, l.times.ping, l.times.pong, func() { _ = l.ws.CloseNow() })
	if l.s.isClosing() { // it has ended the lines that it knew
		l.end(fault.ShuttingDown)
	}
	l.listen()
	l.end("")
	l.others.Wait()
	_ = l.ws.CloseNow()
	pulse.stop()
}

// refuse ends a line that has not registered.
func (l *line) refuse(err error) {
	code := fault.CodeOf(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code = fault.TooSlow
	}
	l.s.meter.Refused(MeteredHosts, code)
	if closeOf(err) != signalling.CloseDone { // there is somebody to tell
		l.say(signalling.Refused{Code: string(code)})
	}
	l.close(closeOf(err), code)
}

// register asks who the host is, and takes it in. An owner of "" is a probe.
func (l *line) register() (before *line, err error) {
	l.deadline(time.Now().Add(l.times.open))
	defer l.deadline(time.Time{})
	stop := context.AfterFunc(l.s.lifetime, func() { l.deadline(time.Now()) })
	defer stop()

	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	l.say(signalling.ChallengeHost{Version: signalling.HostVersion, Nonce: b64.EncodeToString(nonce)})
	kind, b, err := l.read(func() int { return signalling.MaxToRelayHost })
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
	if l.grant, err = l.s.hosts.admit(key, r.Token); err != nil {
		return nil, err
	}
	q := l.grant.quotas
	l.proofs.SetBurst(q.Links + pendingNotes)
	if !r.Probe {
		l.owner = OwnerOf(key)
		if before, err = l.s.tenants.enter(l); err != nil {
			return nil, err
		}
		if !l.grant.open { // strangers must not push them out, and have the policy's quota anyhow
			l.s.hosts.remember(l.owner, q.Bytes)
		}
		l.s.log.Info("relay: host registered", "as", l.grant.name)
	}
	l.say(signalling.Registered{
		Links: q.Links, Guests: q.Guests, PerLink: q.PerLink, Bytes: q.Bytes, Turn: l.s.turn != nil, STUN: l.s.stun,
	})
	return before, nil
}

// decoded is the value of a text that Validate has checked.
func decoded(text string) []byte {
	b, _ := b64.DecodeString(text)
	return b
}

// listen acts on what the host sends until the line ends.
func (l *line) listen() {
	for {
		kind, b, err := l.read(func() int { return maxLineMessage })
		if err != nil {
			return
		}
		// A host that sends more than it may is slowed down, and nobody else is.
		if l.bytes.WaitN(l.s.lifetime, max(len(b), lineMessageCost)) != nil {
			return
		}
		if kind == websocket.MessageBinary {
			err = l.frame(b)
		} else {
			err = l.message(b)
		}
		if err != nil {
			l.s.log.Info("relay: host refused", "code", fault.CodeOf(err))
			l.end(fault.CodeOf(err))
			return
		}
	}
}

// frame passes a frame of the host's on. A channel that the line does not have
// has just ended.
func (l *line) frame(b []byte) error {
	if len(b) < signalling.ChannelSize {
		return fault.Newf(fault.FrameTruncated, "a binary message of %d bytes", len(b))
	}
	if c := l.channel(binary.BigEndian.Uint32(b)); c != nil {
		frame := b[signalling.ChannelSize:]
		l.s.meter.Passed(false, len(frame))
		_ = c.frames.Send(frame) // when it has ended, the channel's goroutine says so
	}
	return nil
}

func (l *line) channel(number uint32) *lineChannel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channels[number]
}

// message does what the host asks.
func (l *line) message(b []byte) error {
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
		if l.s.turn != nil {
			l.s.turn.Revoke(l.owner, m.Username)
		}
	default:
		return fault.Newf(fault.MessageUnexpected, "%s on an open line", m.Type())
	}
	return nil
}

// challenge asks the host to prove that it holds a link's private key.
func (l *line) challenge(public []byte, note *[sealed.NoteSize]byte) error {
	if l.proofs.Wait(l.s.lifetime) != nil {
		return fault.New(fault.ShuttingDown, nil)
	}
	id := sealed.IDOf(public)
	challenge, want, err := sealed.NewChallenge(public)
	if err != nil {
		l.say(signalling.Unannounced{Link: string(id), Code: string(fault.CodeOf(err))})
		return nil
	}
	l.mu.Lock()
	if l.pending == nil {
		l.pending = make(map[sealed.LinkID]*proof)
	}
	if before := l.pending[id]; before != nil {
		l.forget(id, before)
	}
	announced, full := l.links[id] != nil, false
	switch {
	case note != nil:
		if full = l.notes >= pendingNotes; !full {
			l.notes++
		}
	case !announced:
		full = len(l.links)+len(l.pending)-l.notes >= l.grant.quotas.Links
	}
	if !full {
		l.pending[id] = &proof{public: public, want: want, note: note}
	}
	l.mu.Unlock()
	if full {
		l.say(signalling.Unannounced{Link: string(id), Code: string(fault.TooManyLinks)})
		return nil
	}
	l.say(signalling.Prove{Link: string(id), Challenge: b64.EncodeToString(challenge)})
	return nil
}

// forget takes a challenge back. It is called with mu.
func (l *line) forget(id sealed.LinkID, p *proof) {
	delete(l.pending, id)
	if p.note != nil {
		l.notes--
	}
}

// proved announces the link of a right answer, or keeps its note.
func (l *line) proved(id sealed.LinkID, answer []byte) {
	l.mu.Lock()
	p := l.pending[id]
	if p != nil {
		l.forget(id, p)
	}
	announced := l.links[id] != nil
	l.mu.Unlock()
	if p == nil {
		return // withdrawn since
	}
	if subtle.ConstantTimeCompare(answer, p.want) != 1 {
		l.unannounced(id, fault.SealBroken)
		return
	}
	switch {
	case p.note != nil:
		l.leave(id, *p.note)
		l.say(signalling.Noted{Link: string(id)})
	case announced:
		l.say(signalling.Announced{Link: string(id)})
	default:
		if err := l.announce(id, p.public); err != nil {
			l.unannounced(id, fault.CodeOf(err))
			return
		}
		l.say(signalling.Announced{Link: string(id)})
	}
}

func (l *line) unannounced(id sealed.LinkID, code fault.Code) {
	l.s.meter.Refused(MeteredLinks, code)
	l.say(signalling.Unannounced{Link: string(id), Code: string(code)})
}

// leave keeps the note of a link that has ended.
func (l *line) leave(id sealed.LinkID, note [sealed.NoteSize]byte) {
	if l.s.onNote != nil {
		l.s.onNote(id, note)
	}
}

// announce takes the id of a link whose keys the host has proved to hold.
func (l *line) announce(id sealed.LinkID, public []byte) error {
	if !l.s.tenants.takeLink(l) {
		return fault.New(fault.TooManyLinks, nil)
	}
	ctx, cancel := context.WithTimeout(l.s.lifetime, attachTimeout)
	defer cancel()
	link := &lineLink{id: id}
	a, err := l.s.board.Attach(ctx, id, public, func(f switchboard.Frames) { l.accept(link, f) })
	if err != nil {
		l.s.tenants.releaseLink(l)
		return err
	}
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		a.Detach()
		return fault.New(fault.ShuttingDown, nil)
	}
	link.attachment = a
	if l.links == nil {
		l.links = make(map[sealed.LinkID]*lineLink)
	}
	l.links[id] = link
	l.others.Add(1)
	l.mu.Unlock()
	switchboard.AfterLost(a, func() {
		defer l.others.Done()
		l.lost(link)
	})
	return nil
}

// lost notices that a link has ended by no act of this line: it was announced
// elsewhere, or the switchboard was cut off.
func (l *line) lost(link *lineLink) {
	l.mu.Lock()
	mine := l.links[link.id] == link
	if mine {
		delete(l.links, link.id)
	}
	l.mu.Unlock()
	if mine {
		l.s.tenants.releaseLink(l)
		l.unannounced(link.id, fault.IdentityTaken)
	}
}

// withdraw takes a link back. A note is kept if the host has proved this link,
// and before the link is gone: nobody may see a moment without either.
func (l *line) withdraw(m signalling.Withdraw) {
	id := sealed.LinkID(m.Link)
	l.mu.Lock()
	link := l.links[id]
	delete(l.links, id)
	if p := l.pending[id]; p != nil && p.note == nil {
		l.forget(id, p)
	}
	l.mu.Unlock()
	if link == nil {
		return
	}
	if m.Note != "" {
		l.leave(id, [sealed.NoteSize]byte(decoded(m.Note)))
	}
	l.s.tenants.releaseLink(l)
	link.attachment.Detach()
}

// accept takes a guest of one of the line's links. It is the Switchboard's
// callback, and does not block.
func (l *line) accept(link *lineLink, f switchboard.Frames) {
	if full, gone := l.s.tenants.takeGuest(l, link, f.Remote().Key); gone {
		f.Close(signalling.CloseHostGone)
		return
	} else if full {
		l.s.meter.Refused(MeteredGuests, fault.TooFast)
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
	l.last++ // a line does not live for 2^32 guests
	c := &lineChannel{number: l.last, link: link, frames: f}
	if l.channels == nil {
		l.channels = make(map[uint32]*lineChannel)
	}
	l.channels[c.number] = c
	l.others.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.others.Done()
		if !l.s.guard(func() { l.bring(c) }) {
			c.frames.Close(signalling.CloseHostGone)
			l.dismiss(c, signalling.CloseHostGone)
		}
	}()
}

// bring tells the host of a guest, and brings the guest's frames until the
// channel ends.
func (l *line) bring(c *lineChannel) {
	remote := c.frames.Remote().Key
	there := l.say(signalling.Guest{Channel: c.number, Link: string(c.link.id), Remote: remote})
	for there {
		frame, err := c.frames.Recv(context.Background()) // ends with the channel
		if err != nil {
			l.dismiss(c, closeOf(err))
			return
		}
		l.s.meter.Passed(true, len(frame))
		b := make([]byte, signalling.ChannelSize, signalling.ChannelSize+len(frame))
		binary.BigEndian.PutUint32(b, c.number)
		there = l.write(websocket.MessageBinary, append(b, frame...))
	}
	// The host does not read, or is gone.
	c.frames.Close(signalling.CloseHostGone)
	l.dismiss(c, signalling.CloseHostGone)
	_ = l.ws.CloseNow()
}

// dismiss lets go of a channel that has ended, and tells the host so unless it
// was the host that ended it.
func (l *line) dismiss(c *lineChannel, code signalling.CloseCode) {
	l.mu.Lock()
	delete(l.channels, c.number)
	told := c.told || l.ended
	l.mu.Unlock()
	l.s.tenants.releaseGuest(l, c.link, c.frames.Remote().Key)
	if !told {
		l.say(signalling.Closed{Channel: c.number, Code: code})
	}
}

// credentials asks for a relayed way.
func (l *line) credentials(m signalling.WantCredentials) signalling.Credentials {
	answer := signalling.Credentials{Request: m.Request}
	switch {
	case l.s.turn == nil:
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
	servers, expires, err := l.s.turn.Credentials(l.turnOwner())
	if err != nil {
		answer.Code = string(fault.TurnUnavailable)
		if fault.CodeOf(err) == fault.TurnUsedUp {
			answer.Code = string(fault.TurnUsedUp)
		} else {
			l.s.log.Error("relay: credentials", "error", err)
		}
		return answer
	}
	answer.Servers, answer.Expires = servers, expires.UnixMilli()
	return answer
}

// turnOwner is by what TURN knows the host: see [SplitOwner].
func (l *line) turnOwner() string {
	if l.grant.open {
		return l.owner + l.s.keyOf(l.from)
	}
	return l.owner
}

// say sends a message and reports whether it left.
func (l *line) say(m signalling.Message) bool {
	b, err := signalling.Encode(m)
	if err != nil {
		l.s.log.Error("relay: encode", "type", m.Type(), "error", err)
		return false
	}
	return l.write(websocket.MessageText, b)
}

// end gives back all that the line holds, and tells the host why, if there is a
// code. It does not wait for the host, and the first call counts.
func (l *line) end(code fault.Code) {
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
		_ = l.ws.CloseNow() // whoever waits to write need not
		return
	}
	go func() {
		defer l.others.Done()
		if code == fault.ShuttingDown {
			l.close(signalling.CloseHostGone, code)
			return
		}
		l.say(signalling.Refused{Code: string(code)})
		l.close(signalling.CloseRefused, code)
	}()
}
