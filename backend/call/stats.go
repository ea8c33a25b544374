package call

import "github.com/porch-call/porch/backend/media/forward"

// Stats counts what a call has done since it began.
type Stats struct {
	Participants int `json:"participants"`
	forward.Counts
	// Estimates is how much the line to each receiver is estimated to carry, in bit/s, by participant.
	Estimates map[string]uint64 `json:"estimates,omitempty"`
}

// Stats returns what has been counted since the call began. It works after Close, too.
func (c *Call) Stats() Stats {
	s := Stats{Counts: c.counters.Counts()}
	members := *c.members.Load()
	s.Participants = len(members)
	if err := c.do(func() {
		for _, m := range members {
			if m.peer == nil {
				continue
			}
			if n := m.peer.out.Estimate(); n > 0 {
				if s.Estimates == nil {
					s.Estimates = make(map[string]uint64)
				}
				s.Estimates[m.profile.ID] = n
			}
		}
	}); err != nil {
		return s
	}
	return s
}
