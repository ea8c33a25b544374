package links

import "github.com/porch-call/porch/backend/fault"

// State is a stage in the life of a link.
type State string

// The states of a link. StateSpent and StateRemoved are final.
const (
	StateOpen    State = "open"    // shared; no guest has entered yet
	StateLive    State = "live"    // a guest is in the call, or was and may come back
	StateSpent   State = "spent"   // the last participant has left
	StateRemoved State = "removed" // the host removed it
)

// Ended reports whether the link no longer answers.
func (s State) Ended() bool { return s == StateSpent || s == StateRemoved }

func (s State) valid() bool { _, ok := transitions[s]; return ok }

// Event moves a link from one state to another.
type Event string

// The events that change a link's state.
const (
	EventEntered Event = "entered" // a guest has entered the call
	EventEmptied Event = "emptied" // the last participant has left for good
	EventRested  Event = "rested"  // the last participant has left a link that stays after a call
	EventOver    Event = "over"    // the time is past until which the link takes guests
	EventRemoved Event = "removed" // the host removed the link
)

// transitions lists the allowed events of each state. Any other event is refused. A state that leads to itself means
// that the event comes late or repeatedly, and changes nothing.
var transitions = map[State]map[Event]State{
	StateOpen: {
		EventEntered: StateLive,
		EventEmptied: StateOpen, // no guest was in, so the link is not used up
		EventRested:  StateOpen,
		EventOver:    StateSpent,
		EventRemoved: StateRemoved,
	},
	StateLive: {
		EventEntered: StateLive,
		EventEmptied: StateSpent,
		EventRested:  StateOpen,
		EventOver:    StateSpent,
		EventRemoved: StateRemoved,
	},
	StateSpent: {
		EventEmptied: StateSpent,
		EventRested:  StateSpent,
		EventOver:    StateSpent,
		EventRemoved: StateRemoved,
	},
	StateRemoved: {
		EventEmptied: StateRemoved,
		EventRested:  StateRemoved,
		EventOver:    StateRemoved,
		EventRemoved: StateRemoved,
	},
}

// Next returns the state after an event. Entering an ended link returns the fault LinkSpent or LinkRemoved.
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
