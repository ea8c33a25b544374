package client

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Options are the options of a connection to a public relay.
type Options struct {
	// URL is the relay's address, see ParseURL.
	URL string
	// Token is an invitation, or "".
	Token string
	// Key identifies this app to the relay. Make one for each relay, so that
	// relays can't tell that they serve the same host.
	Key ed25519.PrivateKey
	// TLS is for relays whose certificate no authority has signed. nil means the
	// system's authorities.
	TLS *tls.Config
	// OnStatus is called after the status of the connection or of a link has
	// changed. The calls come from one goroutine, for which Close waits. It may
	// be nil.
	OnStatus func(Status)
	// Logger is slog.Default() when nil.
	Logger *slog.Logger

	times *times // for tests of this package
}

// State is the state of the connection.
type State string

// The states.
const (
	StateConnecting State = "connecting"
	StateConnected  State = "connected"
	StateRefused    State = "refused" // the relay does not want this host; it is asked again after a longer pause
)

// Status is the state of the connection, with its details.
type Status struct {
	State State      `json:"state"`
	Code  fault.Code `json:"code,omitempty"` // why it is refused, or why the last try failed
	Retry time.Time  `json:"retry,omitzero"` // when it is dialled again, after a failure
	Offer Offer      `json:"offer"`          // while connected

	// Address is where the relay was reached, while connected. It is the zero
	// Addr if the connection goes through a proxy.
	Address netip.Addr `json:"-"`
}

// Offer is what a relay gives this host.
type Offer struct {
	Links   int      `json:"links"`   // at once
	Guests  int      `json:"guests"`  // at all links at once
	PerLink int      `json:"perLink"` // at one link at once
	Bytes   int64    `json:"bytes"`   // of relayed media in a day
	Turn    bool     `json:"turn"`    // Credentials returns servers
	STUN    []string `json:"stun"`    // "stun:host:port"
}

// times are how long a connection waits for each thing.
type times struct {
	dial     time.Duration // until the relay's Registered
	write    time.Duration // of one message
	ping     time.Duration // between pings
	pong     time.Duration // for the answer to one
	wake     time.Duration // for the answer to a ping of Wake
	look     time.Duration // between looks at this machine's addresses
	firstTry time.Duration // the longest first pause; it doubles
	lastTry  time.Duration // the longest pause between tries
	refused  time.Duration // the longest pause after a refusal that will last
	steady   time.Duration // a connection that lived this long counts as a good one
	moving   time.Duration // the longest pause before moving
	farewell time.Duration // for messages from before Close to be sent
}

var defaultTimes = times{
	dial: 15 * time.Second, write: 10 * time.Second, ping: 10 * time.Second, pong: 8 * time.Second, wake: 4 * time.Second, look: time.Second,
	firstTry: 250 * time.Millisecond, lastTry: 30 * time.Second, refused: 5 * time.Minute, steady: 10 * time.Second,
	moving: 250 * time.Millisecond, farewell: 1500 * time.Millisecond,
}

// Bounds of what a relay can make this app store or do.
const (
	maxNotes    = 256  // of links that have ended, to be told on each connection
	maxRevoked  = 1024 // revocations while there is no connection
	maxAnnounce = 2048 // links at one relay
)

// Client keeps the connection to one public relay. Its methods may be called from
// any goroutine. Only Credentials and Close wait.
type Client struct {
	o        Options
	base     string
	hostName string
	client   *http.Client
	free     func()
	times    times
	log      *slog.Logger
	panics   contain.Panics

	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup // run, notify
	wake    chan struct{}  // buffered 1; full means that it should dial now
	changed chan struct{}  // buffered 1; full means that OnStatus should be called
	closing sync.Once

	mu      sync.Mutex // guards what follows
	status  Status
	conn    *hostConn // the one that links are announced on, or nil
	links   map[sealed.LinkID]*link
	order   []*link // in the order of Announce
	notes   []*note // the newest last
	revoked []string
}

// link is a link that the host wants announced. Client.mu guards it.
type link struct {
	id        sealed.LinkID
	keys      sealed.LinkKeys
	accept    func(switchboard.Frames)
	conn      *hostConn // on which it was asked for; nil if it was not
	proved    bool
	announced bool
	code      fault.Code // why it is not announced
}

// note is the note of a link that has ended. Client.mu guards it.
type note struct {
	id   sealed.LinkID
	keys sealed.LinkKeys // to prove the link once more
	note [sealed.NoteSize]byte
	conn *hostConn // on which it was told and is not proved yet
}

// Open checks the options and dials in the background. Its faults are
// [fault.RelayAddressInvalid], and [fault.Internal] if there is no key.
func Open(o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	c.wg.Go(c.run)
	c.wg.Go(c.notify)
	return c, nil
}

func newClient(o Options) (*Client, error) {
	base, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if len(o.Key) != ed25519.PrivateKeySize {
		return nil, fault.Newf(fault.Internal, "client: no key")
	}
	if len(o.Token) > signalling.MaxInvitation {
		return nil, fault.Newf(fault.InvitationRefused, "client: a token of %d bytes", len(o.Token))
	}
	c := &Client{
		o: o, base: base, times: defaultTimes, log: o.Logger,
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		status: Status{State: StateConnecting}, links: make(map[sealed.LinkID]*link),
	}
	c.o.Token = strings.TrimSpace(o.Token)
	_, c.hostName, _ = strings.Cut(base, "://")
	c.hostName = bareHost(c.hostName)
	if o.times != nil {
		c.times = *o.times
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.panics.Log, c.panics.Part = c.log, "remote"
	c.client, c.free = newHTTPClient(o.TLS, c.times.dial)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Base returns what the addresses of links at this relay begin with.
func (c *Client) Base() string { return c.base }

// Status returns the state of the connection.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Offer.STUN = slices.Clone(s.Offer.STUN)
	return s
}

// LinkStatus reports whether guests find a link at this relay now. If the
// relay has refused it, code says why.
func (c *Client) LinkStatus(id sealed.LinkID) (announced bool, code fault.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.links[id]
	if l == nil {
		return false, ""
	}
	return l.announced, l.code
}

// Announce makes a link reachable whenever the connection is open. accept is
// called once for each guest, on that guest's goroutine. A second Announce of the
// same keys replaces the first.
//
// withdraw takes the link back; its guests' channels close with
// [signalling.CloseHostGone]. A note says that the link has ended for good. The
// relay is told now, and again after each reconnection. Only the first call
// counts.
//
// The error is [fault.ShuttingDown] after Close. ctx is not used, because nothing
// waits.
func (c *Client) Announce(_ context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(*[sealed.NoteSize]byte), err error) {
	l := &link{id: keys.ID(), keys: keys, accept: accept}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	if before := c.links[l.id]; before != nil {
		c.order[slices.Index(c.order, before)] = l
		l.conn, l.proved, l.announced, l.code = before.conn, before.proved, before.announced, before.code
	} else {
		c.order = append(c.order, l)
	}
	c.links[l.id] = l
	c.announceLocked()
	return func(n *[sealed.NoteSize]byte) { c.withdraw(l, n) }, nil
}

// announceLocked announces the links that were not yet announced on this
// connection, as many as the relay takes.
func (c *Client) announceLocked() {
	if c.conn == nil {
		return
	}
	most, taken := min(c.conn.offer.Links, maxAnnounce), 0
	for _, l := range c.order {
		if l.conn == c.conn && l.code == "" {
			taken++
		}
	}
	for _, l := range c.order {
		switch {
		case l.conn == c.conn && l.code != fault.TooManyLinks:
		case taken >= most:
			l.code = fault.TooManyLinks
		default:
			taken++
			l.conn, l.proved, l.announced, l.code = c.conn, false, false, ""
			c.conn.tell(signalling.Announce{Key: b64.EncodeToString(l.keys.Public())})
		}
	}
}

func (c *Client) withdraw(l *link, n *[sealed.NoteSize]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[l.id] != l {
		return
	}
	delete(c.links, l.id)
	c.order = slices.DeleteFunc(c.order, func(o *link) bool { return o == l })
	asked := c.conn != nil && l.conn == c.conn && l.code == ""
	if asked {
		m := signalling.Withdraw{Link: string(l.id)}
		if n != nil && l.announced {
			m.Note = b64.EncodeToString(n[:])
		}
		c.conn.tell(m)
	}
	if n != nil {
		left := &note{id: l.id, keys: l.keys, note: *n}
		c.notes = append(c.notes, left)
		if len(c.notes) > maxNotes {
			c.notes = slices.Delete(c.notes, 0, 1)
		}
		if c.conn != nil && (!asked || !l.announced) {
			c.leaveLocked(left)
		}
	}
	c.announceLocked() // a place is free for another
}

// leaveLocked tells the relay of a link that has ended.
func (c *Client) leaveLocked(n *note) {
	n.conn = c.conn
	c.conn.tell(signalling.Note{Key: b64.EncodeToString(n.keys.Public()), Note: b64.EncodeToString(n.note[:])})
}

// adopt puts a registered connection to use, and tells it of all links and notes.
func (c *Client) adopt(h *hostConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = h
	for _, k := range c.order {
		k.announced, k.code = false, ""
	}
	c.setStatusLocked(Status{State: StateConnected, Offer: h.offer, Address: h.remote})
	c.announceLocked()
	for _, n := range c.notes {
		c.leaveLocked(n)
	}
	for _, u := range c.revoked {
		h.tell(signalling.Revoke{Username: u})
	}
	c.revoked = nil
}

// drop records that the connection has ended, or that a try to get one has
// failed.
func (c *Client) drop(h *hostConn, err error) {
	code := fault.CodeOf(err)
	state := StateConnecting
	if staysRefused(code) {
		state = StateRefused
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != h {
		return // another connection is in use
	}
	c.conn = nil
	for _, k := range c.order {
		k.conn, k.announced, k.code = nil, false, ""
	}
	for _, n := range c.notes {
		n.conn = nil
	}
	c.setStatusLocked(Status{State: state, Code: code})
}

func (c *Client) setStatusLocked(s Status) {
	c.status = s
	c.touch()
}

// touch wakes notify, which calls OnStatus.
func (c *Client) touch() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// notify calls OnStatus whenever touch wakes it.
func (c *Client) notify() {
	for {
		select {
		case <-c.changed:
		case <-c.ctx.Done():
			return
		}
		if c.o.OnStatus != nil {
			c.o.OnStatus(c.Status())
		}
	}
}

// staysRefused reports whether a refusal is one that trying again won't change
// for some time.
func staysRefused(code fault.Code) bool {
	switch code {
	case fault.InvitationWanted, fault.InvitationRefused, fault.HostNotAllowed, fault.RelayVersion, fault.RelayAbsent,
		fault.RelayRefused, fault.LineReplaced, fault.OriginRefused:
		return true
	}
	return false
}

// run keeps a connection open until Close.
func (c *Client) run() {
	var current *hostConn
	defer func() {
		if current != nil {
			current.leave()
		}
	}()
	tries := 0
	for {
		next, err := c.dial(c.ctx, false)
		if c.ctx.Err() != nil {
			if next != nil {
				next.fail(fault.New(fault.ShuttingDown, nil))
				next.wg.Wait()
			}
			return
		}
		most := c.pauseAfter(err, tries)
		if err == nil {
			c.log.Info("relay line: open")
			began := time.Now()
			c.adopt(next)
			if current != nil {
				current.retire()
			}
			current = next
			select {
			case <-current.done:
				if time.Since(began) >= c.times.steady {
					tries = 0
				}
				err, most = current.err, c.pauseAfter(current.err, tries)
			case <-current.moving:
				tries, most = 0, c.times.moving
			case <-c.ctx.Done():
				return
			}
		}
		if current == nil || isDone(current) {
			c.log.Info("relay line: lost", "code", fault.CodeOf(err))
			c.drop(current, err)
			if current != nil {
				current.wg.Wait()
				current = nil
			}
		}
		tries++
		if !c.pause(most, current) {
			return
		}
	}
}

// pauseAfter returns the longest pause after a failure. It doubles with each try
// ("full jitter": the pause is any time up to that).
func (c *Client) pauseAfter(err error, tries int) time.Duration {
	if staysRefused(fault.CodeOf(err)) {
		return c.times.refused
	}
	return min(c.times.firstTry<<min(tries, 16), c.times.lastTry)
}

// pause waits for any time up to most, for Wake, or for the end of a connection
// that is still in use. It reports false if the client closes.
func (c *Client) pause(most time.Duration, current *hostConn) bool {
	var lost chan struct{}
	if current != nil {
		lost = current.done
	}
	wait := rand.N(most + 1)
	if current == nil {
		c.mu.Lock()
		s := c.status
		s.Retry = time.Now().Add(wait)
		c.setStatusLocked(s)
		c.mu.Unlock()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wake:
	case <-lost:
		c.drop(current, current.err)
	case <-c.ctx.Done():
		return false
	}
	return true
}

// Wake says that the network has changed. It ends a pause between tries, and
// pings an open connection, which must answer in 4 s.
func (c *Client) Wake() {
	c.mu.Lock()
	h := c.conn
	c.mu.Unlock()
	if h != nil {
		h.check()
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Credentials asks the relay for TURN servers and credentials, for one guest or
// for this host itself. Its faults are RelayUnreachable while there is no
// connection, TurnUnavailable, TurnUsedUp and TooFast. It also returns ctx's
// error.
func (c *Client) Credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	c.mu.Lock()
	h := c.conn
	c.mu.Unlock()
	switch {
	case h == nil:
		return nil, fault.Newf(fault.RelayUnreachable, "no line")
	case !h.offer.Turn:
		return nil, fault.New(fault.TurnUnavailable, nil)
	}
	return h.credentials(ctx)
}

// Revoke takes credentials back, by their username. The relay is told now, or on
// the next connection.
func (c *Client) Revoke(username string) {
	m := signalling.Revoke{Username: username}
	if m.Validate() != nil {
		return // no relay can have given it out
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.conn != nil:
		c.conn.tell(m)
	case len(c.revoked) < maxRevoked:
		c.revoked = append(c.revoked, username)
	}
}

// Close ends the connection; guests' channels close with
// [signalling.CloseHostGone]. What was sent and withdrawn before has 1.5 s to
// leave. Close waits, and may be called twice.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.mu.Lock()
		c.cancel()
		c.mu.Unlock()
		c.wg.Wait()
		c.free()
	})
	return nil
}

// Probe dials once, registers and returns what the relay offers. It does not
// disturb an open connection of the same key. Its faults are those of Status.
func Probe(ctx context.Context, o Options) (Offer, error) {
	c, err := newClient(o)
	if err != nil {
		return Offer{}, err
	}
	defer c.free()
	defer c.cancel()
	h, err := c.dial(ctx, true)
	if err != nil {
		return Offer{}, err
	}
	return h.offer, nil
}
