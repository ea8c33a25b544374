package relay

import (
	"net"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Turn gives out relayed ways to those who can't be reached directly.
type Turn interface {
	// Credentials are good for a while, on every node. owner is a digest of
	// the host's key ([OwnerOf]). A fault.TurnUsedUp is passed on to the host;
	// any other error is fault.TurnUnavailable to it.
	Credentials(owner string) (servers []signalling.ICEServer, expires time.Time, err error)
	// Revoke ends what credentials of this owner are used for. It returns at
	// once; usernames of other owners, and unknown ones, are ignored.
	Revoke(owner, username string)
	// ServeStream takes a connection (TLS already ended) whose first bytes are
	// STUN's. It returns at once.
	ServeStream(net.Conn)
}

// Meter counts what a relay does. Its methods return at once and may be called
// from many goroutines. None of them is told of a link, a host or an address.
type Meter interface {
	// Open says that there are delta more of something than before.
	Open(what Metered, delta int)
	// Refused counts who was turned away, by the fault that they were told.
	Refused(what Metered, code fault.Code)
	// Unanswered counts questions about links that no host answers.
	Unanswered()
	// Passed counts frames between guests and hosts that have dialled in.
	Passed(toHost bool, bytes int)
}

// Metered is what a relay has many of.
type Metered string

// The things that are metered.
const (
	MeteredConnections Metered = "connections" // TCP
	MeteredHosts       Metered = "hosts"       // lines that have registered
	MeteredLinks       Metered = "links"       // that lines have announced
	MeteredGuests      Metered = "guests"      // sockets
)

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) Open(Metered, int)           {}
func (noMeter) Refused(Metered, fault.Code) {}
func (noMeter) Unanswered()                 {}
func (noMeter) Passed(bool, int)            {}
