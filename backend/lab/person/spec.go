package person

import (
	"encoding/gob"
	"io"
	"time"

	"github.com/porch-call/porch/backend/lab/player"
)

// Spec is what a person is told.
type Spec struct {
	Number uint16 // marks what it sends
	Link   string
	Clips  string // folder of clips
	Report string // file for the report

	// Loopback makes it the host's own window: it meets the host on this computer only.
	Loopback bool
	Camera   Camera
	Talk     Talk
	Attack   Attack

	// Hides and Returns are when its page is hidden, and on the screen again, after the beginning; 0: never.
	Hides, Returns time.Duration
}

// Camera is what somebody sends of pictures.
type Camera struct {
	Off   bool
	Fixed bool // adapts to nothing, and codes no keyframe but for PLI
	Rate  int  // bit/s at most; 0: as browsers, 1.5 Mbit/s
	Lines int  // height at most; 0: 720
}

// Talk is what somebody says.
type Talk string

// What somebody may say.
const (
	TalkAlways Talk = ""       // without a pause
	TalkWords  Talk = "words"  // sentences of 1 to 3 s with pauses, by the person's number
	TalkSilent Talk = "silent" // the microphone is on, and nobody speaks
	TalkMuted  Talk = "muted"
	// TalkTurns is a talk of ten: every half second the next begins a sentence of 1 to 1.4 s, so that up to three speak
	// at once.
	TalkTurns Talk = "turns"
)

// Attack is what a hostile guest does, each a number a second.
type Attack struct {
	After    time.Duration // the beginning of the call
	PLI      int           // requests for a keyframe
	NACK     int           // packets that are asked for
	REMB     bool
	Feedback int // made-up reports of transport-wide congestion control
}

// Event is a line that a person writes.
type Event struct {
	Event string        `json:"event"` // "connected", "joined", "failed", "done"
	At    time.Duration `json:"at"`    // since the epoch
	Text  string        `json:"text,omitempty"`
}

// Report is what a person saw and did. All times are since the epoch.
type Report struct {
	Number    uint16
	ID        string        // by which the host knows it
	Joined    time.Duration // let in
	Connected time.Duration // media can flow
	Sent      Sent
	Sound     map[uint16]*player.Sound    // by sender
	Pictures  map[uint16]*player.Pictures // by sender
	Asked     player.Asked
	Received  Received
}

// Sent is what a person sent.
type Sent struct {
	Frames []Coded
	Onsets []time.Duration // of words
	Spurts []player.Span   // of voice, in order
	Sound  int             // frames
}

// Coded is a frame of pictures that was sent.
type Coded struct {
	At    time.Duration
	Bytes int
	Key   bool
	Lines int
	Rate  int // that the encoder was set to
}

// Received is what came in all, of RTP.
type Received struct {
	Packets int
	Bytes   int // payloads and headers of RTP
	REMB    []Estimate
}

// Estimate is a REMB that the host sent.
type Estimate struct {
	At   time.Duration
	Rate int
}

// Write writes a report.
func (r *Report) Write(w io.Writer) error { return gob.NewEncoder(w).Encode(r) }

// Read reads a report.
func (r *Report) Read(from io.Reader) error { return gob.NewDecoder(from).Decode(r) }

// now is the time of all stamps.
func now() time.Duration { return time.Duration(time.Now().UnixNano()) }
