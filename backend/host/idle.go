package host

import (
	"github.com/porch-call/porch/backend/signalling"
)

// maxIdle is how many guests may be at a link who were welcomed, and neither knock
// nor are in the call. With those who wait they leave places free at the relay.
const maxIdle = 96

// shedIdle closes the channel of the guest who was welcomed first and has not
// knocked, if there are too many of them. The guest's page comes again by itself.
func (o *openLink) shedIdle() {
	if len(o.sessions) <= maxIdle {
		return
	}
	idle := 0
	var oldest *guestSession
	for s := range o.sessions {
		if s.returning || s.shed || s.ticket.Load() != nil || o.hasSeat(s) {
			continue
		}
		if idle++; oldest == nil || s.number < oldest.number {
			oldest = s
		}
	}
	if idle > maxIdle {
		oldest.shed = true
		oldest.frames.Close(signalling.CloseHostGone)
	}
}
