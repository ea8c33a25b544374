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
	// Synthetic replaces camera and microphone with a moving picture and a tone. Sound is still played if there is a
	// speaker.
	Synthetic bool
	Logger    *slog.Logger // nil for slog.Default
}

// Device is a camera, microphone or speaker.
type Device struct {
	ID      string `json:"id"` // stays the same after a restart or a replug, as far as the system allows
	Name    string `json:"name"`
	Default bool   `json:"default,omitempty"`
}

// Devices lists the devices that are present now.
type Devices struct {
	Cameras     []Device `json:"cameras"`
	Microphones []Device `json:"microphones"`
	Speakers    []Device `json:"speakers"`
}

// Screen is a monitor of this computer.
type Screen struct {
	ID            string
	Name          string // as the system calls it, "" if it does not
	Width, Height int    // pixels
}

// Choice names devices by id. "" is the system's default. The default is also used while a chosen device is not
// present.
type Choice struct {
	Camera     string `json:"camera,omitempty"`
	Microphone string `json:"microphone,omitempty"`
	Speaker    string `json:"speaker,omitempty"`
	// Sound has words for what the microphone's sound keeps: "noise", "gain" (its own level), "music" (everything,
	// echo too). "" cleans all of it.
	Sound string `json:"sound,omitempty"`
	// Effect is a filter of the own picture: "warm", "cool", "mono", "bright". Other words, as "", are none.
	Effect string `json:"effect,omitempty"`
}

// Setup is the initial state of a session.
type Setup struct {
	Choice    Choice
	Muted     bool
	CameraOff bool // the camera stays closed until SetCameraOff(false)
}

// Frame is one whole VP8 frame of a participant's picture.
type Frame struct {
	Participant string // codec.HostID for the host's own picture
	Key         bool
	Timestamp   time.Duration // media time; grows for each participant, from any zero
	Payload     []byte        // the receiver may keep it
}

// State is the state of a session's devices.
type State struct {
	Level  float64      // of the microphone, from −60 dB (0) to −6 dB (1); 0 while muted
	Faults []fault.Code // of the devices that can't be used now (Camera…, Microphone…, Speaker…); the receiver may keep it
	// NoCamera and NoMicrophone say that the host can't be seen or heard because that device has a fault, whatever
	// was asked for.
	NoCamera, NoMicrophone bool
}

// Sink receives the output of a session. Its methods are called from several goroutines, but never two at once for
// the same participant and kind. They must not block.
type Sink interface {
	// WriteRTP takes a packet of the host's own audio, video or shared screen. The packet is valid only during the call.
	WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error
	// RequestKeyframe asks a participant for a keyframe after packets were lost. It is called at most five times a
	// second until a keyframe arrives.
	RequestKeyframe(participant string)
	// Frame takes a picture to show. Frames before a participant's first keyframe, or between a loss and the next
	// keyframe, are left out.
	Frame(Frame)
	// State takes the state of the devices. It is called at once when a fault begins or ends, and at most ten times a
	// second when the level changes. The session continues without a device that is missing, refused or lost, and
	// uses the device again when it returns.
	State(State)
}
