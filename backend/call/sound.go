package call

import (
	"time"

	"github.com/porch-call/porch/backend/media/share"
)

// planSound decides whose sound is forwarded, and what is done for receivers who lose
// it: it is sent twice to those who take that and have room. For the others, publishers
// are told to expect loss, so that they add forward error correction.
func (c *Call) planSound(members []*member, in *share.Input, now time.Time) {
	voices := 0
	for _, m := range members {
		m.assumed = 0
		if !m.muted {
			voices++
		}
	}
	places := share.Places(len(members), voices, in.Ways, in.Receivers)
	c.planner.places = places
	c.loudest.SetPlaces(places)
	for r, m := range c.planner.members {
		if m.peer == nil { // our engine loses none
			continue
		}
		twice, assumed := m.redundancy.Decide(m.peer.out.Estimator().Lost(), m.peer.takesRED.Load(),
			share.Sound(voices, places, true), in.Receivers[r], in.Ways[in.Receivers[r].Way], now)
		m.peer.out.SetRedundant(twice)
		for _, o := range members {
			if o != m {
				o.assumed = max(o.assumed, assumed)
			}
		}
	}
	for _, m := range members {
		m.audio.AssumeLoss(m.assumed)
		if m.local != nil {
			m.local.sink.LossAssumed(m.assumed)
		}
	}
}
