package links

import "github.com/porch-call/porch/backend/fault"

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

func (s State) valid() bool { _, ok := transitions[s]; return ok }

// Event is what moves a link from state to state.
type Event string

// The events.
const (
	EventEntered Event = "entered" // somebody is in the call
	EventEmptied Event = "emptied" // the last participant has left for good
	EventRemoved Event = "removed" // the host removed the link
)

// transitions is the life of a link. What is not in it is refused; a state that
// leads to itself is an event that comes late or again and changes nothing.
var transitions = map[State]map[Event]State{
	StateOpen: {
		EventEntered: StateLive,
		EventEmptied: StateOpen, // nobody was in: not used up
		EventRemoved: StateRemoved,
	},
	StateLive: {
		EventEntered: StateLive,
		EventEmptied: StateSpent,
		EventRemoved: StateRemoved,
	},
	StateSpent: {
		EventEmptied: StateSpent,
		EventRemoved: StateRemoved,
	},
	StateRemoved: {
		EventEmptied: StateRemoved,
		EventRemoved: StateRemoved,
	},
}

// Next returns the state after an event. Faults: LinkSpent and LinkRemoved for
// entering a link that has ended.
func Next(s State, e Event) (State, error) {
	next, ok := transitions[s][e]
	switch {
	case ok:
		return next, nil
	case s == StateSpent:
		return s, fault.New(fault.LinkSpent, nil)
	case s == StateRemoved:
		return s, fault.New(fault.LinkRemoved, nil)
	}
	return s, fault.Newf(fault.Internal, "links: no event %q in state %q", e, s)
}
