package media

import (
	"time"

	"github.com/porch-call/porch/backend/lab/link"
	"github.com/porch-call/porch/backend/lab/person"
)

// Scenario is one call.
type Scenario struct {
	Row   string // as in the table of acceptance
	About string

	Up, Down []link.Step // the host's line; nil: without limits
	Bucket   *Bucket     // in place of Up
	Window   *Guest      // the host's own window; nil: the host only forwards
	Guests   []Guest
	Relay    Relay
	Upload   bool // one TCP upload (cubic) beside the call, from the host

	For    time.Duration // length of the call, once everybody is there
	Long   bool          // it is played only if the row is asked for
	Events []Event
	Checks []Check

	// Unbuilt says which part of the row can't be met yet because nothing is there to do it; "": none.
	Unbuilt string
	// Unsound says why the figures of two cores say little; "": they are sound.
	Unsound string
}

// Guest is one guest.
type Guest struct {
	Up, Down []link.Step // nil: without limits
	Camera   person.Camera
	Talk     person.Talk
	Attack   person.Attack
	Comes    time.Duration // after the beginning; 0: is there before

	// Hides and Returns are when its page is hidden, and on the screen again; 0: never.
	Hides, Returns time.Duration
}

// Bucket is a token bucket of the system.
type Bucket struct {
	Rate   int // bit/s
	Queue  time.Duration
	Router bool // at a router's modem, not at the host's own interface
}

// Relay says how guests reach the host.
type Relay int

// Ways to the host.
const (
	Direct    Relay = iota // the host's own relay
	Public                 // a public relay in the core, for signalling
	RelayOnly              // all media through its TURN over TCP
)

// Event is something that happens to the network.
type Event struct {
	At   time.Duration
	Move string // the host's new address
}

// Check is one thing that must be true.
type Check struct {
	Name  string
	Unit  string
	Must  Bound
	Value func(*Run) float64
}

// Bound is a limit.
type Bound struct {
	Least, Most float64
	HasLeast    bool
	HasMost     bool
}

func atMost(x float64) Bound  { return Bound{Most: x, HasMost: true} }
func atLeast(x float64) Bound { return Bound{Least: x, HasLeast: true} }

func within(least, most float64) Bound { return Bound{least, most, true, true} }

// Met reports whether a value is within the bound.
func (b Bound) Met(x float64) bool {
	return x == x && (!b.HasLeast || x >= b.Least) && (!b.HasMost || x <= b.Most) // x == x: NaN is never met
}

// MetWorst reports whether the worst of several runs is within one and a half of the bound.
func (b Bound) MetWorst(x float64) bool {
	b.Most *= 1.5
	b.Least /= 1.5
	return b.Met(x)
}
