package call

import (
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/signalling"
)

// AudioLevelExtension is the id of the header extension in which audio packets
// given to [Local.WriteRTP] carry their level (RFC 6464).
const AudioLevelExtension = 1

// LocalSink takes what a [Local] receives. Calls come on the goroutines that
// read from the network, several at a time; they must not block.
type LocalSink interface {
	// ReceiveRTP takes a packet of a participant. Per participant and kind,
	// sequence numbers count without a break (but for loss on the network),
	// and video begins with a keyframe. pkt is valid only during the call.
	ReceiveRTP(participant string, kind signalling.Kind, pkt *rtp.Packet)
	// KeyframeWanted asks for a keyframe on the video that WriteRTP sends.
	KeyframeWanted()
}

// Local is the native engine's participant.
type Local struct{}

// ID returns the id of the participant's profile.
func (l *Local) ID() string { return "" }

// WriteRTP forwards a packet to everybody else. Calls for one kind must not
// overlap. It does not keep pkt. It returns fault.NotInCall after Leave.
func (l *Local) WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error { return nil }

// RequestKeyframe asks a participant for a keyframe.
func (l *Local) RequestKeyframe(participant string) {}

// Handle takes MediaState, Say and Leave.
func (l *Local) Handle(signalling.Message) error { return nil }

// Attach gives a new path for messages (the window was reloaded): Roster again.
func (l *Local) Attach(out Outbox) error { return nil }

// Leave takes the participant out. It may be called twice.
func (l *Local) Leave(reason signalling.EndReason) {}
