package lobby

import (
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Outcome is how a join request ended.
type Outcome string

// The outcomes. The last five end a whole lobby, and are the ones that Close takes.
const (
	Admitted Outcome = "admitted"
	Declined Outcome = "declined"
	Blocked  Outcome = "blocked"   // declined, and this device may not knock again
	TimedOut Outcome = "timed-out" // no answer within Options.Timeout
	Left     Outcome = "left"      // the guest gave up, or did not come back within Options.AwayGrace
	Replaced Outcome = "replaced"  // a newer page of the same device took the place
	Full     Outcome = "full"      // the place went to a guest from another address

	Removed  Outcome = "removed"   // the host removed the link
	Spent    Outcome = "spent"     // the call ended by itself
	Ended    Outcome = "ended"     // the host ended the call for everyone
	HostGone Outcome = "host-gone" // the host can't be reached any more
	Shutdown Outcome = "shutdown"  // the host's app is closing
)

// Verdict is the only answer to a join request.
type Verdict struct {
	Outcome  Outcome
	MayRetry bool // with Declined: the guest may try once more
	Standing bool // with Admitted: by a decision of the host from before
}

// EndReason returns the reason that signalling.Ended gives to the guest. It is "" for outcomes with a message of
// their own (Admitted, Declined), and for Left, because the guest is gone.
func (o Outcome) EndReason() signalling.EndReason {
	switch o {
	case Blocked:
		return signalling.EndBlocked
	case TimedOut:
		return signalling.EndTimedOut
	case Replaced:
		return signalling.EndReplaced
	case Full:
		return signalling.EndFull
	case Removed:
		return signalling.EndRemoved
	case Spent:
		return signalling.EndSpent
	case Ended:
		return signalling.EndEnded
	case HostGone, Shutdown:
		return signalling.EndShutdown
	}
	return ""
}

// closing returns the fault of a knock on a lobby that was closed with o. ok is false if o can't close a lobby.
func (o Outcome) closing() (fault.Code, bool) {
	switch o {
	case Removed:
		return fault.LinkRemoved, true
	case Spent:
		return fault.LinkSpent, true
	case Ended:
		return fault.CallEnded, true
	case HostGone:
		return fault.HostGone, true
	case Shutdown:
		return fault.ShuttingDown, true
	}
	return "", false
}
