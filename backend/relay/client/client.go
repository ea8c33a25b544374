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
	// OnStatus is called after the status of the line or of a link has changed.
	// The calls come from one goroutine, for which Close waits. It may be nil.
	OnStatus func(Status)
	// Logger is slog.Default() when nil.
	Logger *slog.Logger

	times *times // for tests of this package
}

// State is the state of the line.
type State string

// The states.
const (
	StateConnecting State = "connecting"
	StateConnected  State = "connected"
	StateRefused    State = "refused" // the relay does not want this host; it is asked again after a longer pause
)

// Status is the state of the line, with its details.
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

// times are how long a line waits for each thing.
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
	steady   time.Duration // a line that lived this long counts as a good one
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
	maxNotes    = 256  // of links that have ended, to be told on each line
	maxRevoked  = 1024 // revocations while there is no line
	maxAnnounce = 2048 // links at one relay
)

// Client keeps the line to one public relay. Its methods may be called from any
// goroutine. Only Credentials and Close wait.
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
	line    *line // the one that links are announced on, or nil
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
	line      *line // on which it was asked for; nil if it was not
	proved    bool
	announced bool
	code      fault.Code // why it is not announced
}

// note is the note of a link that has ended. Client.mu guards it.
type note struct {
	id   sealed.LinkID
	keys sealed.LinkKeys // to prove the link once more
	note [sealed.NoteSize]byte
	line *line // on which it was told and is not proved yet
}

// Open checks the options and dials in the background. Its faults are
// [fault.RelayAddressInvalid], and [fault.Internal] if there is no key.
func Open(o Options) (*Client, error) {
	r, err := newClient(o)
	if err != nil {
		return nil, err
	}
	r.wg.Go(r.run)
	r.wg.Go(r.notify)
	return r, nil
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
	r := &Client{
		o: o, base: base, times: defaultTimes, log: o.Logger,
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		status: Status{State: StateConnecting}, links: make(map[sealed.LinkID]*link),
	}
	r.o.Token = strings.TrimSpace(o.Token)
	_, r.hostName, _ = strings.Cut(base, "://")
	r.hostName = bareHost(r.hostName)
	if o.times != nil {
		r.times = *o.times
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	r.panics.Log, r.panics.Part = r.log, "remote"
	r.client, r.free = newHTTPClient(o.TLS, r.times.dial)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Base returns what the addresses of links at this relay begin with.
func (r *Client) Base() string { return r.base }

// Status returns the state of the line.
func (r *Client) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Offer.STUN = slices.Clone(s.Offer.STUN)
	return s
}

// LinkStatus reports whether guests find a link at this relay now. If the
// relay has refused it, code says why.
func (r *Client) LinkStatus(id sealed.LinkID) (announced bool, code fault.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	if l == nil {
		return false, ""
	}
	return l.announced, l.code
}

// Announce makes a link reachable whenever the line is open. accept is called
// once for each guest, on that guest's goroutine. A second Announce of the same
// keys replaces the first.
//
// withdraw takes the link back; its guests' channels close with
// [signalling.CloseHostGone]. A note says that the link has ended for good. The
// relay is told now, and again after each reconnection. Only the first call
// counts.
//
// The error is [fault.ShuttingDown] after Close. ctx is not used, because nothing
// waits.
func (r *Client) Announce(_ context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(*[sealed.NoteSize]byte), err error) {
	l := &link{id: keys.ID(), keys: keys, accept: accept}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	if before := r.links[l.id]; before != nil {
		r.order[slices.Index(r.order, before)] = l
		l.line, l.proved, l.announced, l.code = before.line, before.proved, before.announced, before.code
	} else {
		r.order = append(r.order, l)
	}
	r.links[l.id] = l
	r.announceLocked()
	return func(n *[sealed.NoteSize]byte) { r.withdraw(l, n) }, nil
}

// announceLocked announces the links that were not yet announced on this line, as
// many as the relay takes.
func (r *Client) announceLocked() {
	if r.line == nil {
		return
	}
	most, taken := min(r.line.offer.Links, maxAnnounce), 0
	for _, l := range r.order {
		if l.line == r.line && l.code == "" {
			taken++
		}
	}
	for _, l := range r.order {
		switch {
		case l.line == r.line && l.code != fault.TooManyLinks:
		case taken >= most:
			l.code = fault.TooManyLinks
		default:
			taken++
			l.line, l.proved, l.announced, l.code = r.line, false, false, ""
			r.line.tell(signalling.Announce{Key: b64.EncodeToString(l.keys.Public())})
		}
	}
}

func (r *Client) withdraw(l *link, n *[sealed.NoteSize]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.links[l.id] != l {
		return
	}
	delete(r.links, l.id)
	r.order = slices.DeleteFunc(r.order, func(o *link) bool { return o == l })
	asked := r.line != nil && l.line == r.line && l.code == ""
	if asked {
		m := signalling.Withdraw{Link: string(l.id)}
		if n != nil && l.announced {
			m.Note = b64.EncodeToString(n[:])
		}
		r.line.tell(m)
	}
	if n != nil {
		left := &note{id: l.id, keys: l.keys, note: *n}
		r.notes = append(r.notes, left)
		if len(r.notes) > maxNotes {
			r.notes = slices.Delete(r.notes, 0, 1)
		}
		if r.line != nil && (!asked || !l.announced) {
			r.leaveLocked(left)
		}
	}
	r.announceLocked() // a place is free for another
}

// leaveLocked tells the relay of a link that has ended.
func (r *Client) leaveLocked(n *note) {
	n.line = r.line
	r.line.tell(signalling.Note{Key: b64.EncodeToString(n.keys.Public()), Note: b64.EncodeToString(n.note[:])})
}

// adopt puts a registered line to use, and tells it of all links and notes.
func (r *Client) adopt(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line = l
	for _, k := range r.order {
		k.announced, k.code = false, ""
	}
	r.setStatusLocked(Status{State: StateConnected, Offer: l.offer, Address: l.remote})
	r.announceLocked()
	for _, n := range r.notes {
		r.leaveLocked(n)
	}
	for _, u := range r.revoked {
		l.tell(signalling.Revoke{Username: u})
	}
	r.revoked = nil
}

// drop records that the line has ended, or that a try to get one has failed.
func (r *Client) drop(l *line, err error) {
	code := fault.CodeOf(err)
	state := StateConnecting
	if staysRefused(code) {
		state = StateRefused
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.line != l {
		return // another line is in use
	}
	r.line = nil
	for _, k := range r.order {
		k.line, k.announced, k.code = nil, false, ""
	}
	for _, n := range r.notes {
		n.line = nil
	}
	r.setStatusLocked(Status{State: state, Code: code})
}

func (r *Client) setStatusLocked(s Status) {
	r.status = s
	r.touch()
}

// touch wakes notify, which calls OnStatus.
func (r *Client) touch() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// notify calls OnStatus whenever touch wakes it.
func (r *Client) notify() {
	for {
		select {
		case <-r.changed:
		case <-r.ctx.Done():
			return
		}
		if r.o.OnStatus != nil {
			r.o.OnStatus(r.Status())
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

// run keeps a line open until Close.
func (r *Client) run() {
	var current *line
	defer func() {
		if current != nil {
			current.leave()
		}
	}()
	tries := 0
	for {
		next, err := r.dial(r.ctx, false)
		if r.ctx.Err() != nil {
			if next != nil {
				next.fail(fault.New(fault.ShuttingDown, nil))
				next.wg.Wait()
			}
			return
		}
		most := r.pauseAfter(err, tries)
		if err == nil {
			r.log.Info("relay line: open")
			began := time.Now()
			r.adopt(next)
			if current != nil {
				current.retire()
			}
			current = next
			select {
			case <-current.done:
				if time.Since(began) >= r.times.steady {
					tries = 0
				}
				err, most = current.err, r.pauseAfter(current.err, tries)
			case <-current.moving:
				tries, most = 0, r.times.moving
			case <-r.ctx.Done():
				return
			}
		}
		if current == nil || isDone(current) {
			r.log.Info("relay line: lost", "code", fault.CodeOf(err))
			r.drop(current, err)
			if current != nil {
				current.wg.Wait()
				current = nil
			}
		}
		tries++
		if !r.pause(most, current) {
			return
		}
	}
}

// pauseAfter returns the longest pause after a failure. It doubles with each try
// ("full jitter": the pause is any time up to that).
func (r *Client) pauseAfter(err error, tries int) time.Duration {
	if staysRefused(fault.CodeOf(err)) {
		return r.times.refused
	}
	return min(r.times.firstTry<<min(tries, 16), r.times.lastTry)
}

// pause waits for any time up to most, for Wake, or for the end of a line that is
// still in use. It reports false if the client closes.
func (r *Client) pause(most time.Duration, current *line) bool {
	var lost chan struct{}
	if current != nil {
		lost = current.done
	}
	wait := rand.N(most + 1)
	if current == nil {
		r.mu.Lock()
		s := r.status
		s.Retry = time.Now().Add(wait)
		r.setStatusLocked(s)
		r.mu.Unlock()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.wake:
	case <-lost:
		r.drop(current, current.err)
	case <-r.ctx.Done():
		return false
	}
	return true
}

// Wake says that the network has changed. It ends a pause between tries, and
// pings an open line, which must answer in 4 s.
func (r *Client) Wake() {
	r.mu.Lock()
	l := r.line
	r.mu.Unlock()
	if l != nil {
		l.check()
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Credentials asks the relay for TURN servers and credentials, for one guest or
// for this host itself. Its faults are RelayUnreachable while there is no line,
// TurnUnavailable, TurnUsedUp and TooFast. It also returns ctx's error.
func (r *Client) Credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	r.mu.Lock()
	l := r.line
	r.mu.Unlock()
	switch {
	case l == nil:
		return nil, fault.Newf(fault.RelayUnreachable, "no line")
	case !l.offer.Turn:
		return nil, fault.New(fault.TurnUnavailable, nil)
	}
	return l.credentials(ctx)
}

// Revoke takes credentials back, by their username. The relay is told now, or on
// the next line.
func (r *Client) Revoke(username string) {
	m := signalling.Revoke{Username: username}
	if m.Validate() != nil {
		return // no relay can have given it out
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.line != nil:
		r.line.tell(m)
	case len(r.revoked) < maxRevoked:
		r.revoked = append(r.revoked, username)
	}
}

// Close ends the line; guests' channels close with [signalling.CloseHostGone].
// What was sent and withdrawn before has 1.5 s to leave. Close waits, and may be
// called twice.
func (r *Client) Close() error {
	r.closing.Do(func() {
		r.mu.Lock()
		r.cancel()
		r.mu.Unlock()
		r.wg.Wait()
		r.free()
	})
	return nil
}

// Probe dials once, registers and returns what the relay offers. It does not
// disturb an open line of the same key. Its faults are those of Status.
func Probe(ctx context.Context, o Options) (Offer, error) {
	r, err := newClient(o)
	if err != nil {
		return Offer{}, err
	}
	defer r.free()
	defer r.cancel()
	l, err := r.dial(ctx, true)
	if err != nil {
		return Offer{}, err
	}
	return l.offer, nil
}
