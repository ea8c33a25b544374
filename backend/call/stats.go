package call

// Stats counts what a call has done since it began.
type Stats struct {
	Participants int `json:"participants"`
	Counts
	// Estimates are how much each receiver believes it can receive, in bit/s
	// (REMB), by participant.
	Estimates map[string]uint64 `json:"estimates,omitempty"`
}
