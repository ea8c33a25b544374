package capture

import (
	"log/slog"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Options configure an [Engine].
type Options struct {
	// Synthetic takes a moving picture and a tone instead of camera and
	// microphone. Sound is still played if there is a speaker.
	Synthetic bool
	Logger    *slog.Logger // nil: slog.Default
}

// Device is a camera, microphone or speaker.
type Device struct {
	ID      string `json:"id"` // the same after a restart or a replug, as far as the system allows
	Name    string `json:"name"`
	Default bool   `json:"default,omitempty"`
}

// Devices are the devices that are there now.
type Devices struct {
	Cameras     []Device `json:"cameras"`
	Microphones []Device `json:"microphones"`
	Speakers    []Device `json:"speakers"`
}

// Choice names devices by id. "" is the system's default, and also what is
// used while a chosen device is not there.
type Choice struct {
	Camera     string `json:"camera,omitempty"`
	Microphone string `json:"microphone,omitempty"`
	Speaker    string `json:"speaker,omitempty"`
}

// Setup is how a session begins.
type Setup struct {
	Choice    Choice
	Muted     bool
	CameraOff bool // the camera is not opened before SetCameraOff(false)
}

// Frame is one whole VP8 frame of a participant's picture.
type Frame struct {
	Participant string // codec.HostID for the host's own picture
	Key         bool
	Timestamp   time.Duration // media time; counts up per participant, from anywhere
	Payload     []byte        // the receiver may keep it
}

// State is how a session's devices are.
type State struct {
	Level  float64      // the microphone's, on a scale of −60 dB (0) to −6 dB (1); 0 while muted
	Faults []fault.Code // of the devices that can't be used now (Camera…, Microphone…, Speaker…); the receiver may keep it
	// NoCamera and NoMicrophone say that nothing can be seen or heard of the host,
	// whatever was asked for: a fault is of that device.
	NoCamera, NoMicrophone bool
}

// Sink takes what a session produces. Its methods are called from several
// goroutines, never two at once for the same participant and kind, and must
// not block.
type Sink interface {
	// WriteRTP takes a packet of the host's own audio or video. The packet is
	// valid only during the call.
	WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error
	// RequestKeyframe asks a participant for a keyframe, after packets were
	// lost. It is repeated, at most five times a second, until one arrives.
	RequestKeyframe(participant string)
	// Frame takes a picture to show. Frames before a participant's first
	// keyframe, or between a loss and the next one, are left out.
	Frame(Frame)
	// State tells how the devices are: at once when a fault comes or goes, and
	// at most ten times a second when the level moves. The session goes on
	// without a device that is missing, refused or lost, and takes it up again
	// when it returns.
	State(State)
}
