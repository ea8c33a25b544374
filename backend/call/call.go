package call

import (
	"github.com/porch-call/porch/backend/signalling"
)

// MaxParticipants is how many may be in a call.
const MaxParticipants = 64

// Hooks tell the owner of a call what happens in it. They run on the call's
// goroutine: they must not block, and must not call the Call or a Participant.
type Hooks struct {
	// OnRoster gets everybody in the call, in order of joining, whenever
	// that list or one of its entries has changed.
	OnRoster func([]signalling.Participant)
	// OnEmpty is called when the last participant has left (not when they are
	// away: a seat is held).
	OnEmpty func()
}

// Outbox takes messages for one participant, in order. Send never blocks; an
// error means that the path is dead, after which the call detaches that
// participant and sends nothing more.
type Outbox interface {
	Send(signalling.Message) error
}

// Profile is who joins.
type Profile struct {
	ID        string // unique in the call, not a secret
	Name      string
	Host      bool
	Muted     bool
	CameraOff bool

	// Admission makes the message (signalling.Admitted) that is sent before
	// everything else, on Join and on each Attach; nil for none. It runs on
	// the call's goroutine. Not used by JoinLocal.
	Admission func(resumed bool) signalling.Message
}

// Call is one conversation. Its methods may be called from any goroutine.
type Call struct{}

// Join admits somebody with a peer connection: a guest, or the host's webview
// engine. It sends Admission, Offer, Tracks, Roster and Candidates to out, and
// asks all senders for a keyframe. It returns a fault: CallFull above
// [MaxParticipants], CallEnded.
func (c *Call) Join(p Profile, out Outbox) (*Participant, error) { return &Participant{}, nil }

// JoinLocal admits the native engine, which lives in this process and has no
// peer connection. Out gets Roster, Joined, Left, Speaking, Chat and Mute.
func (c *Call) JoinLocal(p Profile, sink LocalSink, out Outbox) (*Local, error) {
	return &Local{}, nil
}

// Mute asks a participant to mute itself. It returns fault.ParticipantGone.
func (c *Call) Mute(id string) error { return nil }

// Participants returns everybody in the call, in order of joining.
func (c *Call) Participants() []signalling.Participant { return nil }

// Stats returns what has been counted since the call began.
func (c *Call) Stats() Stats { return Stats{} }

// Close ends the call: everybody gets Ended with this reason. It waits until
// all goroutines of the call are gone and may be called twice.
func (c *Call) Close(reason signalling.EndReason) {}
