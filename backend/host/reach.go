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

// newCredentials returns the credentials of a guest who comes through a public
// relay, or nil for the relay inside the app.
func (r *publicRelay) newCredentials() *turncredentials.Credentials {
	if r == nil {
		return nil
	}
	return turncredentials.From(r.source)
}

// sourceOf returns the source of credentials of a public relay.
func sourceOf(h *Host, relay turncredentials.Giver) *turncredentials.Source {
	return &turncredentials.Source{
		Relay: relay, Context: h.ctx, Now: h.now, Log: h.log, Patience: h.timing.Credentials, TryGo: h.background.TryGo,
	}
}

// ownCredentials returns the host's own credentials in a link's call.
func (o *openLink) ownCredentials() *turncredentials.Credentials {
	if p := o.credentials; p != nil && (o.publicRelay != nil && p.IsFrom(o.publicRelay.source) || o.call != nil) {
		return p
	}
	o.credentials.End()
	o.credentials = o.publicRelay.newCredentials()
	return o.credentials
}

// reachOf returns how a link's call is reached from outside.
func (o *openLink) reachOf() call.ICEConfig {
	own := o.ownCredentials()
	if own == nil {
		return call.ICEConfig{}
	}
	return call.ICEConfig{STUN: o.publicRelay.stun(), Servers: own.Own, Relay: o.publicRelay.address, RelayOnly: o.host.reach.RelayOnly}
}

// stun returns the STUN servers of a relay. Until the relay has named them they are
// guessed, because a call may begin before the host is connected to it.
func (r *publicRelay) stun() []string {
	if urls := r.status.Offer.STUN; len(urls) > 0 || r.status.State == client.StateConnected {
		return urls
	}
	u, err := url.Parse(r.url)
	if err != nil { // can't be, because it was parsed before
		return nil
	}
	return []string{"stun:" + net.JoinHostPort(u.Hostname(), "3478")}
}

// address returns where the relay was reached; see [call.ICEConfig].
func (r *publicRelay) address() netip.Addr {
	if r.remote == nil {
		return netip.Addr{}
	}
	return r.remote.Status().Address
}

// prepareCall prepares what the host will need for a link's call: the answers of
// STUN servers, or credentials for TURN if the call may use no other address.
func (o *openLink) prepareCall() {
	if o.ended != "" || o.call != nil || o.publicRelay == nil {
		return
	}
	if o.host.reach.RelayOnly {
		o.ownCredentials().Prepare()
		return
	}
	if o.asking == nil {
		o.asking = o.host.engine.Prepare(o.publicRelay.stun(), o.publicRelay.address)
	}
}

// stopAsking undoes prepareCall, once the call asks by itself or no guest waits.
func (o *openLink) stopAsking() {
	if o.asking != nil {
		o.asking()
		o.asking = nil
	}
}

// prepareWay prepares what the host and a knocking guest need to connect, so that
// they don't wait for it once the guest is let in.
func (s *guestSession) prepareWay() {
	if s.credentials == nil {
		return
	}
	s.credentials.PrepareEarly()
	h, o := s.host, s.link
	h.loop.Post("prepare "+string(o.id), func() { o.prepareCall() })
}

// prepareReturn prepares credentials for a guest who comes back into a seat. It
// waits only if the earlier ones have expired.
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

// credentialsBack returns the credentials for a session that takes up a seat. They
// are the seat's, as long as the guest comes through the same relay.
func (st *seat) credentialsBack(s *guestSession) *turncredentials.Credentials {
	if st.credentials == nil || s.credentials != nil && !s.credentials.SameRelay(st.credentials) {
		return s.credentials
	}
	return st.credentials
}
