package host

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// passFor is how long a pass is good.
const passFor = 2 * time.Minute

// maxLeft bounds how many of a seat's earlier devices are remembered.
const maxLeft = 8

// seatPass lets another device take a seat once. It is void once that device has
// confirmed its own token, so that an answer that was lost on its way does not lose
// the seat.
type seatPass struct {
	key     seatKey
	until   time.Time // the zero time for no pass
	claimed bool
}

func (p *seatPass) is(key seatKey, now time.Time) bool {
	return now.Before(p.until) && subtle.ConstantTimeCompare(p.key[:], key[:]) == 1
}

// takesMoves is what a guest is told of moving to another device.
func (h *Host) takesMoves() []string {
	if h.settings.SeatsMove {
		return []string{signalling.TakesMove}
	}
	return nil
}

// givePass gives a guest a pass, which voids the one before. Faults: MoveForbidden,
// NotInCall.
func (o *openLink) givePass(ctx context.Context, s *guestSession, st *seat) error {
	return o.doSeat(ctx, s, st, func() error {
		if !o.host.settings.SeatsMove {
			return fault.New(fault.MoveForbidden, nil)
		}
		token := newSeatToken()
		st.tokens.pass = seatPass{key: digest(token), until: o.host.now().Add(passFor)}
		return s.out.Send(signalling.Pass{
			Token: base64.RawURLEncoding.EncodeToString(token), For: passFor.Milliseconds(),
		})
	})
}

// doSeat runs fn on the loop, if the session still has the seat. Fault: NotInCall.
func (o *openLink) doSeat(ctx context.Context, s *guestSession, st *seat, fn func() error) error {
	return o.host.do(ctx, func() error {
		if _, held := o.seats[st]; !held || st.session != s {
			return fault.New(fault.NotInCall, nil)
		}
		return fn()
	})
}

// moveSeat takes a seat from the page that gave a pass for it, and tells that page
// and the host.
func (o *openLink) moveSeat(st *seat, s *guestSession) {
	if old := st.session; old != nil {
		old.end(signalling.EndMoved)
	}
	t := &st.tokens
	if !t.pass.claimed {
		t.pass.claimed = true
		t.left = lastOf(append(t.left, t.issued[len(t.issued)-1].key), maxLeft)
		if st.device != s.device {
			st.devices = lastOf(append(st.devices, st.device), maxLeft)
		}
		o.record(st.shown, hoststate.DeedMoved, "")
	}
}

// lastOf returns at most the n last of a list.
func lastOf[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }
