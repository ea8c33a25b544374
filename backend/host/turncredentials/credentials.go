package turncredentials

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	// credentialsTimeout bounds one request for credentials.
	credentialsTimeout = 10 * time.Second
	// Pause is the time after a failed request until the next one.
	Pause = 15 * time.Second
	// credentialsMargin is how long credentials must still be good when they are
	// handed out.
	credentialsMargin = time.Minute
	// MaxEarly is the number of waiting guests at one relay for whom credentials
	// are fetched early. Those of other guests are fetched when they are let in,
	// because strangers who knock must not use up what the relay gives.
	MaxEarly = 16
)

// Giver is a relay that gives credentials.
type Giver interface {
	Status() client.Status
	Credentials(context.Context) ([]signalling.ICEServer, error)
	Revoke(username string)
}

// Source is where credentials come from. Its exported fields never change.
type Source struct {
	Relay    Giver
	Context  context.Context // ends with the host
	Now      func() time.Time
	Log      *slog.Logger
	Patience time.Duration     // how long Await waits for credentials
	TryGo    func(func()) bool // runs a request in the background; reports false once the host closes

	early atomic.Int32 // guests who wait and have credentials ready; at most MaxEarly
}

// Credentials let one guest, or the host in one call, connect through networks that
// allow no direct path. They are the STUN addresses of a relay, and credentials for
// its TURN that are for this guest only. They are fetched early, and taken back in
// the end. nil is for a guest who came through the relay inside the app, and needs
// none. It is safe for concurrent use.
type Credentials struct {
	source *Source

	mu      sync.Mutex // guards what follows; held while Giver.Revoke and TryGo run
	have    []signalling.ICEServer
	until   time.Time     // when the credentials in have expire
	pending chan struct{} // closed when the request that is under way has ended
	asked   time.Time     // when the last request failed; zero after a success
	renewal *time.Timer   // runs while nothing was handed out
	given   []string      // usernames that were handed out
	early   bool          // counts in Source.early
	over    bool
}

// From returns new credentials of a relay, or nil if s is nil.
func From(s *Source) *Credentials {
	if s == nil {
		return nil
	}
	return &Credentials{source: s}
}

// Anew returns new credentials of the same relay, or nil if c is nil.
func (c *Credentials) Anew() *Credentials {
	if c == nil {
		return nil
	}
	return From(c.source)
}

// IsFrom reports whether the credentials come from s.
func (c *Credentials) IsFrom(s *Source) bool { return c.source == s }

// SameRelay reports whether both come from one relay.
func (c *Credentials) SameRelay(other *Credentials) bool { return c.source == other.source }

// Prepare fetches credentials unless there are good ones, and keeps them fresh
// until they are handed out. It returns at once.
func (c *Credentials) Prepare() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.pending != nil || c.good() || c.source.Now().Sub(c.asked) < Pause {
		return
	}
	done := make(chan struct{})
	c.pending = done
	if !c.source.TryGo(func() { c.fetch(done) }) {
		c.pending = nil
		close(done)
	}
}

// PrepareEarly is Prepare for a guest who still waits. It does so for MaxEarly
// guests at a time.
func (c *Credentials) PrepareEarly() {
	if c == nil {
		return
	}
	c.mu.Lock()
	if !c.over && !c.early {
		if c.early = c.source.early.Add(1) <= MaxEarly; !c.early {
			c.source.early.Add(-1)
		}
	}
	early := c.early
	c.mu.Unlock()
	if early {
		c.Prepare()
	}
}

// Admit is Prepare for a guest who is let in. The guest no longer counts among the
// early ones.
func (c *Credentials) Admit() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.notEarly()
	c.mu.Unlock()
	c.Prepare()
}

func (c *Credentials) notEarly() {
	if c.early {
		c.early = false
		c.source.early.Add(-1)
	}
}

// good reports whether the credentials can be handed out now.
func (c *Credentials) good() bool {
	return len(c.have) > 0 && c.source.Now().Before(c.until)
}

func (c *Credentials) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(c.source.Context, credentialsTimeout)
	defer cancel()
	got, err := c.source.Relay.Credentials(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
	close(done)
	if c.over {
		return
	}
	next := Pause
	if err != nil {
		c.asked = c.source.Now()
		c.source.Log.Info("no relayed way for a guest", "code", fault.CodeOf(err))
	} else {
		now := c.source.Now()
		next = credentialsLast(got, now) - credentialsMargin
		c.have, c.until, c.asked = got, now.Add(next), time.Time{}
	}
	if len(c.given) == 0 {
		c.stopRenewal()
		c.renewal = time.AfterFunc(next, c.Prepare)
	}
}

func (c *Credentials) stopRenewal() {
	if c.renewal != nil {
		c.renewal.Stop()
		c.renewal = nil
	}
}

// Await waits for a request that is under way, at most for Patience, so that a slow
// relay does not hold up a guest who is let in.
func (c *Credentials) Await(ctx context.Context) {
	if c == nil {
		return
	}
	c.mu.Lock()
	pending := c.pending
	c.mu.Unlock()
	if pending == nil {
		return
	}
	enough := time.NewTimer(c.source.Patience)
	defer enough.Stop()
	select {
	case <-pending:
	case <-enough.C:
	case <-ctx.Done():
	}
}

// Servers hands out what there is: the STUN servers, and credentials if they are
// good.
func (c *Credentials) Servers() []signalling.ICEServer {
	if c == nil {
		return nil
	}
	return c.withSTUN(c.relayed())
}

// Renewed returns credentials for a guest who keeps their connection. The earlier
// ones may have expired, and ICE may have to restart. nil means that the guest
// keeps those they have.
func (c *Credentials) Renewed() []signalling.ICEServer {
	if c == nil {
		return nil
	}
	relayed := c.relayed()
	if len(relayed) == 0 {
		return nil
	}
	return c.withSTUN(relayed)
}

func (c *Credentials) withSTUN(relayed []signalling.ICEServer) []signalling.ICEServer {
	servers := append(c.stun(), relayed...)
	return servers[:min(len(servers), signalling.MaxICEServers)]
}

// relayed hands out the credentials that are there.
func (c *Credentials) relayed() []signalling.ICEServer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || !c.good() {
		return nil
	}
	c.stopRenewal()
	for _, s := range c.have {
		c.give(s.Username)
	}
	return c.have
}

// maxGiven bounds how many usernames of one guest are remembered. A guest who comes
// back to their seat again and again gets new ones each time they have expired.
const maxGiven = 16

func (c *Credentials) give(username string) {
	if username == "" {
		return
	}
	for _, known := range c.given {
		if known == username {
			return
		}
	}
	if len(c.given) == maxGiven {
		c.source.Relay.Revoke(c.given[0])
		c.given = c.given[1:]
	}
	c.given = append(c.given, username)
}

// stun returns the relay's STUN addresses as one server.
func (c *Credentials) stun() []signalling.ICEServer {
	urls := c.source.Relay.Status().Offer.STUN
	if len(urls) == 0 {
		return nil
	}
	return []signalling.ICEServer{{URLs: urls[:min(len(urls), signalling.MaxICEServers)]}}
}

// End takes back what was handed out. It never waits, and may be called twice.
func (c *Credentials) End() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.notEarly()
	c.stopRenewal()
	for _, username := range c.given {
		c.source.Relay.Revoke(username)
	}
	c.given, c.have = nil, nil
}

// Own returns credentials for the host itself, and waits for them. It is the
// Servers of a call.ICEConfig.
func (c *Credentials) Own(ctx context.Context) ([]signalling.ICEServer, error) {
	c.Prepare()
	c.mu.Lock()
	pending := c.pending
	c.mu.Unlock()
	if pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	servers := c.relayed()
	if len(servers) == 0 {
		return nil, fault.New(fault.TurnUnavailable, nil)
	}
	return servers, nil
}

// Limits of how long new credentials count as good. Their username begins with the
// end in Unix seconds (draft-uberti-behave-turn-rest). The limits are there because
// the clocks of the relay and of this computer may differ.
const (
	credentialsShortest = 3 * time.Minute
	credentialsDefault  = 10 * time.Minute
	credentialsLongest  = 6 * time.Hour
)

// credentialsLast returns how long the servers' credentials are good from now on.
func credentialsLast(servers []signalling.ICEServer, now time.Time) time.Duration {
	last := credentialsLongest
	for _, s := range servers {
		if s.Username == "" {
			continue
		}
		end, _, _ := strings.Cut(s.Username, ":")
		seconds, err := strconv.ParseInt(end, 10, 64)
		if err != nil {
			last = min(last, credentialsDefault)
			continue
		}
		last = min(last, time.Unix(seconds, 0).Sub(now))
	}
	return max(last, credentialsShortest)
}
