// Package metering tells a relay's operator what the relay does, and nothing of
// its users.
package metering

import "github.com/porch-call/porch/backend/fault"

// Meter counts what a relay does. Its methods return at once and may be called
// from many goroutines. None of them gets a link, a host or an address.
type Meter interface {
	// Open says that there are delta more of something than before.
	Open(what Kind, delta int)
	// Refused counts what was turned away, by the fault that it was told.
	Refused(what Kind, code fault.Code)
	// Unanswered counts questions about links that no host answers.
	Unanswered()
	// Passed counts frames between guests and hosts that have dialled in.
	Passed(toHost bool, bytes int)
}

// Kind is a thing that a relay has many of.
type Kind string

// The things that are metered.
const (
	Connections Kind = "connections" // TCP
	Hosts       Kind = "hosts"       // lines that have registered
	Links       Kind = "links"       // that lines have announced
	Guests      Kind = "guests"      // sockets
)

// None counts nothing.
type None struct{}

// Open and the methods below implement [Meter].
func (None) Open(Kind, int)           {}
func (None) Refused(Kind, fault.Code) {}
func (None) Unanswered()              {}
func (None) Passed(bool, int)         {}
