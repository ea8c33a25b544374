package call

import "github.com/porch-call/porch/backend/media/forward"

// Stats counts what a call has done since it began.
type Stats struct {
	Participants int `json:"participants"`
	forward.Counts
	// Estimates is how much each receiver believes that it can receive, in
	// bit/s (REMB), by participant.
	Estimates map[string]uint64 `json:"estimates,omitempty"`
}
