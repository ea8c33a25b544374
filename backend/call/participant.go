package call

import "github.com/porch-call/porch/backend/signalling"

// Participant is somebody in the call who has a peer connection. It keeps its
// seat until Leave, however often its path is lost: whoever holds the seats
// decides how long, and then calls Leave.
type Participant struct{}

// ID returns the id of the participant's profile.
func (p *Participant) ID() string { return "" }

// Handle takes a message of the participant: Answer, Candidate, Restart,
// MediaState, Say, Leave. The error is a fault for that participant
// (SDPInvalid, ChatInvalid, TooFast, MessageUnexpected, CallEnded); the call
// goes on.
func (p *Participant) Handle(signalling.Message) error { return nil }

// Detach says that the participant's path is lost. The seat is kept, media
// goes on while the peer connection lives, and others see Away once neither
// lives.
func (p *Participant) Detach(out Outbox) {}

// Attach gives the participant a new path. With resume, and if the peer
// connection is still alive, it stays in use; otherwise a new one is made.
// Admission (told which of the two) and Roster are sent first, whatever else is
// needed follows. An earlier outbox is forgotten without a message.
func (p *Participant) Attach(out Outbox, resume bool) (resumed bool, err error) { return false, nil }

// Leave takes the participant out, tells them why with Ended ("" says nothing),
// and tells the others. It may be called twice.
func (p *Participant) Leave(reason signalling.EndReason) {}
