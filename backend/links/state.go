package links

// State is where a link is in its life.
type State string

// The states. Spent and Removed are ends.
const (
	StateOpen    State = "open"    // shared, and nobody has been in
	StateLive    State = "live"    // somebody is in, or was and may come back
	StateSpent   State = "spent"   // the last participant has left
	StateRemoved State = "removed" // the host removed it
)

// Ended tells whether the link answers no more.
func (s State) Ended() bool { return s == StateSpent || s == StateRemoved }
