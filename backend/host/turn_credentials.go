package host

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	// credentialsTimeout bounds one request for credentials.
	credentialsTimeout = 10 * time.Second
	// credentialsPause follows a request that failed.
	credentialsPause = 15 * time.Second
	// credentialsMargin is how long credentials must be good for when they are
	// handed out.
	credentialsMargin = time.Minute
	// maxEarly bounds for how many guests who wait credentials are fetched ahead at
	// one relay. The others' are fetched when they are let in: strangers who knock
	// must not use up what the relay gives.
	maxEarly = 16
)

// turnCredentials is what lets one guest, or the host in one call, through networks
// that take no direct way: the STUN addresses of a relay, and credentials for
// its TURN that are for this one only. They are fetched ahead of time, and taken
// back at the end. Nil is that of a guest who came by the
// relay inside the app, and needs none. It is safe for concurrent use.
type turnCredentials struct {
	host        *Host
	publicRelay *publicRelay

	mu      sync.Mutex // a leaf but for background.mu and Remote.Revoke
	have    []signalling.ICEServer
	until   time.Time     // when what is there is not good any more
	pending chan struct{} // closed when the request that is under way has ended
	asked   time.Time     // when the last request failed; zero after one that did not
	renewal *time.Timer   // while nothing was handed out
	given   []string      // usernames that were handed out
	early   bool          // is one of the relay's early ones
	over    bool
}

// newCredentials returns the credentials of a guest who comes by a public relay;
// nil for the relay inside the app.
func (ln *publicRelay) newCredentials() *turnCredentials {
	if ln == nil || ln.remote == nil {
		return nil
	}
	return &turnCredentials{host: ln.host, publicRelay: ln}
}

// prepare has credentials fetched unless there are good ones, and kept fresh
// until they are handed out. It returns at once.
func (p *turnCredentials) prepare() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.pending != nil || p.good() || p.host.now().Sub(p.asked) < credentialsPause {
		return
	}
	done := make(chan struct{})
	p.pending = done
	if !p.host.background.TryGo(func() { p.fetch(done) }) {
		p.pending = nil
		close(done)
	}
}

// prepareEarly is prepare for a guest who still waits: for a few at a time.
func (p *turnCredentials) prepareEarly() {
	if p == nil {
		return
	}
	p.mu.Lock()
	if !p.over && !p.early {
		if p.early = p.publicRelay.early.Add(1) <= maxEarly; !p.early {
			p.publicRelay.early.Add(-1)
		}
	}
	early := p.early
	p.mu.Unlock()
	if early {
		p.prepare()
	}
}

// admit is prepare for a guest who is let in: the place among the early ones is
// another's.
func (p *turnCredentials) admit() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.notEarly()
	p.mu.Unlock()
	p.prepare()
}

func (p *turnCredentials) notEarly() {
	if p.early {
		p.early = false
		p.publicRelay.early.Add(-1)
	}
}

// good tells whether the credentials can be handed out now.
func (p *turnCredentials) good() bool {
	return len(p.have) > 0 && p.host.now().Before(p.until)
}

func (p *turnCredentials) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(p.host.ctx, credentialsTimeout)
	defer cancel()
	got, err := p.publicRelay.remote.Credentials(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
	close(done)
	if p.over {
		return
	}
	next := credentialsPause
	if err != nil {
		p.asked = p.host.now()
		p.host.log.Info("no relayed way for a guest", "code", fault.CodeOf(err))
	} else {
		now := p.host.now()
		next = credentialsLast(got, now) - credentialsMargin
		p.have, p.until, p.asked = got, now.Add(next), time.Time{}
	}
	if len(p.given) == 0 {
		p.stopRenewal()
		p.renewal = time.AfterFunc(next, p.prepare)
	}
}

func (p *turnCredentials) stopRenewal() {
	if p.renewal != nil {
		p.renewal.Stop()
		p.renewal = nil
	}
}

// await waits for a request that is under way, for a moment only: nobody stands
// at an open door because a relay is slow.
func (p *turnCredentials) await(ctx context.Context) {
	if p == nil {
		return
	}
	p.mu.Lock()
	pending := p.pending
	p.mu.Unlock()
	if pending == nil {
		return
	}
	enough := time.NewTimer(p.host.timing.Credentials)
	defer enough.Stop()
	select {
	case <-pending:
	case <-enough.C:
	case <-ctx.Done():
	}
}

// servers hands out what there is: STUN always, and credentials that are good.
func (p *turnCredentials) servers() []signalling.ICEServer {
	if p == nil {
		return nil
	}
	return p.withSTUN(p.relayed())
}

// renewed is what somebody needs who goes on with the connection they have: the
// credentials of before may have expired, and ICE may have to begin anew. nil
// leaves them what they have.
func (p *turnCredentials) renewed() []signalling.ICEServer {
	if p == nil {
		return nil
	}
	relayed := p.relayed()
	if len(relayed) == 0 {
		return nil
	}
	return p.withSTUN(relayed)
}

func (p *turnCredentials) withSTUN(relayed []signalling.ICEServer) []signalling.ICEServer {
	servers := append(p.stun(), relayed...)
	return servers[:min(len(servers), signalling.MaxICEServers)]
}

// relayed hands out the credentials that there are.
func (p *turnCredentials) relayed() []signalling.ICEServer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || !p.good() {
		return nil
	}
	p.stopRenewal()
	for _, s := range p.have {
		p.give(s.Username)
	}
	return p.have
}

// maxGiven bounds how many usernames are remembered of one guest: the seat of a guest
// who comes back again and again gets new ones each time they have expired.
const maxGiven = 16

func (p *turnCredentials) give(username string) {
	if username == "" {
		return
	}
	for _, known := range p.given {
		if known == username {
			return
		}
	}
	if len(p.given) == maxGiven {
		p.publicRelay.remote.Revoke(p.given[0])
		p.given = p.given[1:]
	}
	p.given = append(p.given, username)
}

// stun is the relay's STUN, as one server.
func (p *turnCredentials) stun() []signalling.ICEServer {
	urls := p.publicRelay.remote.Status().Offer.STUN
	if len(urls) == 0 {
		return nil
	}
	return []signalling.ICEServer{{URLs: urls[:min(len(urls), signalling.MaxICEServers)]}}
}

// end takes back what was handed out. It never waits, and may be called again.
func (p *turnCredentials) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.notEarly()
	p.stopRenewal()
	for _, username := range p.given {
		p.publicRelay.remote.Revoke(username)
	}
	p.given, p.have = nil, nil
}

// ownCredentials are the host's own in a link's call.
func (r *openLink) ownCredentials() *turnCredentials {
	if p := r.credentials; p != nil && (p.publicRelay == r.publicRelay || r.call != nil) {
		return p
	}
	r.credentials.end()
	r.credentials = r.publicRelay.newCredentials()
	return r.credentials
}

// reachOf is how a link's call is reached from elsewhere.
func (r *openLink) reachOf() call.ICEConfig {
	own := r.ownCredentials()
	if own == nil {
		return call.ICEConfig{}
	}
	return call.ICEConfig{STUN: r.publicRelay.stun(), Servers: own.turn, Relay: r.publicRelay.address, RelayOnly: r.host.reach.RelayOnly}
}

// stun is the STUN of a relay, which is guessed until the relay has said
// it: a call may begin before the host is connected to it.
func (ln *publicRelay) stun() []string {
	if urls := ln.status.Offer.STUN; len(urls) > 0 || ln.status.State == client.StateConnected {
		return urls
	}
	u, err := url.Parse(ln.url)
	if err != nil { // it was parsed before
		return nil
	}
	return []string{"stun:" + net.JoinHostPort(u.Hostname(), "3478")}
}

// address is where the relay was reached; see [call.ICEConfig].
func (ln *publicRelay) address() netip.Addr {
	if ln.remote == nil {
		return netip.Addr{}
	}
	return ln.remote.Status().Address
}

// turn returns credentials for the host itself, and waits for them: call.ICEConfig.
func (p *turnCredentials) turn(ctx context.Context) ([]signalling.ICEServer, error) {
	p.prepare()
	p.mu.Lock()
	pending := p.pending
	p.mu.Unlock()
	if pending != nil {
		select {
		case <-pending:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	servers := p.relayed()
	if len(servers) == 0 {
		return nil, fault.New(fault.TurnUnavailable, nil)
	}
	return servers, nil
}

// prepareCall has ready what the host needs, ahead of a link's call: what STUN
// servers say, and a relayed way if there is to be no other.
func (r *openLink) prepareCall() {
	if r.ended != "" || r.call != nil || r.publicRelay == nil {
		return
	}
	if r.host.reach.RelayOnly {
		r.ownCredentials().prepare()
		return
	}
	if r.asking == nil {
		r.asking = r.host.engine.Prepare(r.publicRelay.stun(), r.publicRelay.address)
	}
}

// stopAsking undoes prepareCall once the call asks itself, or nobody waits.
func (r *openLink) stopAsking() {
	if r.asking != nil {
		r.asking()
		r.asking = nil
	}
}

// prepareWay has ready what a guest who knocks, and the host, need to get
// through, so that nobody waits for it once the guest is let in.
func (s *guestSession) prepareWay() {
	if s.credentials == nil {
		return
	}
	s.credentials.prepareEarly()
	h, r := s.host, s.link
	h.loop.Post("prepare "+string(r.id), func() { r.prepareCall() })
}

// prepareReturn has credentials ready for a guest who comes back into a seat. It
// waits only where those of before have expired.
func (s *guestSession) prepareReturn(ctx context.Context, token []byte) error {
	if s.credentials == nil {
		return nil
	}
	var p *turnCredentials
	if err := s.host.loop.Do(ctx, func() {
		if st, _ := s.link.findSeat(token, s); st != nil {
			p = st.credentialsBack(s)
		}
	}); err != nil {
		return err
	}
	p.prepare()
	p.await(ctx)
	return nil
}

// credentialsBack are the credentials of a seat that a session takes up: the seat's, as
// long as the guest comes by the same relay.
func (st *seat) credentialsBack(s *guestSession) *turnCredentials {
	if st.credentials == nil || s.credentials != nil && s.credentials.publicRelay != st.credentials.publicRelay {
		return s.credentials
	}
	return st.credentials
}
