package call

import "github.com/porch-call/porch/backend/media/forward"

// Stats counts what a call has done since it began.
type Stats struct {
	Participants int `json:"participants"`
	forward.Counts
	// Estimates is how much the line to each receiver is estimated to carry, in
	// bit/s, by participant.
	Estimates map[string]uint64 `json:"estimates,omitempty"`
}
