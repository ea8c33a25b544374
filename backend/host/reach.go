package host

import (
	"context"
	"net"
	"net/netip"
	"net/url"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/relay/client"
)

// newCredentials returns the credentials of a guest who comes by a public relay;
// nil for the relay inside the app.
func (ln *publicRelay) newCredentials() *turncredentials.Credentials {
	if ln == nil {
		return nil
	}
	return turncredentials.From(ln.source)
}

// sourceOf returns the source of credentials of a public relay.
func sourceOf(h *Host, relay turncredentials.Giver) *turncredentials.Source {
	return &turncredentials.Source{
		Relay: relay, Context: h.ctx, Now: h.now, Log: h.log, Patience: h.timing.Credentials, TryGo: h.background.TryGo,
	}
}

// ownCredentials are the host's own in a link's call.
func (r *openLink) ownCredentials() *turncredentials.Credentials {
	if p := r.credentials; p != nil && (r.publicRelay != nil && p.IsFrom(r.publicRelay.source) || r.call != nil) {
		return p
	}
	r.credentials.End()
	r.credentials = r.publicRelay.newCredentials()
	return r.credentials
}

// reachOf is how a link's call is reached from elsewhere.
func (r *openLink) reachOf() call.ICEConfig {
	own := r.ownCredentials()
	if own == nil {
		return call.ICEConfig{}
	}
	return call.ICEConfig{STUN: r.publicRelay.stun(), Servers: own.Own, Relay: r.publicRelay.address, RelayOnly: r.host.reach.RelayOnly}
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

// prepareCall has ready what the host needs, ahead of a link's call: what STUN
// servers say, and a relayed way if there is to be no other.
func (r *openLink) prepareCall() {
	if r.ended != "" || r.call != nil || r.publicRelay == nil {
		return
	}
	if r.host.reach.RelayOnly {
		r.ownCredentials().Prepare()
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
	s.credentials.PrepareEarly()
	h, r := s.host, s.link
	h.loop.Post("prepare "+string(r.id), func() { r.prepareCall() })
}

// prepareReturn has credentials ready for a guest who comes back into a seat. It
// waits only where those of before have expired.
func (s *guestSession) prepareReturn(ctx context.Context, token []byte) error {
	if s.credentials == nil {
		return nil
	}
	var p *turncredentials.Credentials
	if err := s.host.loop.Do(ctx, func() {
		if st, _ := s.link.findSeat(token, s); st != nil {
			p = st.credentialsBack(s)
		}
	}); err != nil {
		return err
	}
	p.Prepare()
	p.Await(ctx)
	return nil
}

// credentialsBack are the credentials of a seat that a session takes up: the seat's, as
// long as the guest comes by the same relay.
func (st *seat) credentialsBack(s *guestSession) *turncredentials.Credentials {
	if st.credentials == nil || s.credentials != nil && !s.credentials.SameRelay(st.credentials) {
		return s.credentials
	}
	return st.credentials
}
