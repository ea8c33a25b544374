package host

import (
	"context"

	"github.com/porch-call/porch/backend/host/turncredentials"
)

// prepareWay prepares what the host and a knocking guest need to connect, so that
// they don't wait for it once the guest is let in.
func (s *guestSession) prepareWay() {
	if s.credentials == nil {
		return
	}
	s.credentials.PrepareEarly()
	h, o := s.host, s.link
	h.loop.Post("prepare "+string(o.id), func() {
		if o.ended == "" && o.call == nil {
			o.ways.Prepare(h.engine)
		}
	})
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
