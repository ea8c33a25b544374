package signalling

// What a guest sends to the host.

// Hello is the first message in a sealed channel. If the secret is wrong, the
// host drops the channel and reads no more of it.
type Hello struct {
	Version int    `json:"version"`          // ProtocolVersion
	Secret  string `json:"secret"`           // base64url, 16 bytes: the link's secret
	Device  string `json:"device"`           // base64url, 16 bytes: random, kept by the browser
	Seat    string `json:"seat,omitempty"`   // base64url, 16 bytes: from Admitted, to come back without knocking
	Resume  bool   `json:"resume,omitempty"` // with Seat: the page still has its peer connection; keep it

	Takes []string `json:"takes,omitempty"` // what the sender takes beyond the messages of every page: [TakesSimulcast], [TakesOutside], [TakesDoor], [TakesOpens]
}

// Knock asks to be let in.
type Knock struct {
	Name      string `json:"name"`                // 1 to 64 characters after trimming
	Muted     bool   `json:"muted,omitempty"`     // how the guest would enter
	CameraOff bool   `json:"cameraOff,omitempty"` // how the guest would enter
	Picture   string `json:"picture,omitempty"`   // base64url: a small JPEG of the guest, if they chose to send one

	// Key and Proof prove which browser knocks, to a host whose Welcome has a Host. Key is base64url, a P-256 public
	// key (65 bytes, uncompressed), which the browser keeps for this host alone. Proof is base64url, 64 bytes: the
	// ECDSA signature (r, s) with SHA-256 over "porch browser v1" and the channel's binding.
	Key   string `json:"key,omitempty"`
	Proof string `json:"proof,omitempty"`

	Automated bool     `json:"automated,omitempty"` // a program drives the browser (navigator.webdriver)
	Bare      bool     `json:"bare,omitempty"`      // there is neither a camera nor a microphone
	Takes     []string `json:"takes,omitempty"`     // what the page takes while it waits: [TakesWord], [TakesWork]
	Work      string   `json:"work,omitempty"`      // base64url, 8 bytes: answers the Work that the host asked for last
}

// Word is a line by a guest who waits. Guests send it only after a [Said] of the
// host, which is sent back with the answer.
type Word struct {
	Text string `json:"text"` // 1 to 500 characters after trimming
}

// Leave ends a guest's wait or their part in the call, and gives up the seat.
type Leave struct{}

// Seated answers an Admitted that has a Farewell. It says that the guest has the
// new seat token; the seat's earlier tokens are void from here on.
type Seated struct{}

// Answer answers the Offer with the same Negotiation.
type Answer struct {
	Negotiation uint32 `json:"negotiation"`
	SDP         string `json:"sdp"`
}

// Candidate is one trickled ICE candidate (RFC 8838), in either direction.
// An empty Candidate ends the candidates.
type Candidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid,omitempty"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex,omitempty"`
	UsernameFragment *string `json:"usernameFragment,omitempty"`
}

// Restart asks for an ICE restart: the host answers with a new Offer.
type Restart struct{}

// MediaState says whether the sender's microphone and camera are off. The tracks
// stay, but carry nothing while they are off.
type MediaState struct {
	Muted     bool `json:"muted"`
	CameraOff bool `json:"cameraOff"`
}

// Sharing asks to share the sender's screen, or ends that. The host answers with a
// [Screen], which says whose screen is shared then. Guests send it only to a host
// whose Roster takes [TakesSharing].
type Sharing struct {
	On      bool   `json:"on"`
	Sound   bool   `json:"sound,omitempty"`   // the screen comes with sound, as that of a browser's tab does
	Instead string `json:"instead,omitempty"` // with On: id of the participant whose screen it takes the place of
}

// View says which participants the sender's screen shows. It replaces the View
// before it. Guests send it only to a host whose Roster takes [TakesView]. Until the
// first one, the host sends all pictures.
type View struct {
	Hidden bool     `json:"hidden,omitempty"` // the page is not on the screen, and so none of its tiles is
	Tiles  []Tile   `json:"tiles"`            // those that are on the screen, at least in part
	Takes  []string `json:"takes,omitempty"`  // what the sender takes beyond the messages of every page: [TakesLayers], [TakesScreen], [TakesLine], [TakesRecording]
}

// Tile is a place on the sender's screen that shows a participant.
type Tile struct {
	Participant string `json:"participant"`
	Height      int    `json:"height"` // device pixels, rounded
	Kind        Kind   `json:"kind"`   // what it shows; a host ignores kinds that it does not know
}

// What one side tells the other that it takes. Both sides ignore words that they
// don't know.
const (
	TakesView      = "view"      // in Roster: View
	TakesSharing   = "sharing"   // in Roster: Sharing
	TakesHand      = "hand"      // in Roster: Hand
	TakesReact     = "react"     // in Roster: React
	TakesSpotlight = "spotlight" // in Roster, of who may say for all: Spotlight, and Hand for others
	TakesEarlier   = "earlier"   // in Roster, of who may say for all: Earlier
	TakesFiles     = "files"     // in Roster: Attach, Take, TakeBack
	TakesLayers    = "layers"    // in View: Layers
	TakesScreen    = "screen"    // in View: Screen
	TakesLine      = "line"      // in View: Line
	TakesRecording = "recording" // in View: Recording, of which the page shows a mark that can't be hidden

	TakesWord = "word" // in Knock: Said
	TakesWork = "work" // in Knock: Work

	// TakesOpens in Hello: the fault link-not-open for a Knock before the time in
	// Welcome, which leaves the channel open.
	TakesOpens = "opens"
	// TakesSimulcast in Hello: Layers from the first Offer on, which may ask for the
	// camera's picture in several (RFC 8853). Of those that the answer sends, the
	// page then sends the second until Layers says otherwise.
	TakesSimulcast = "simulcast"
	// TakesOutside in Hello: Outside, after which the page knocks again by itself.
	TakesOutside = "outside"
	// TakesDoor in Hello: Door, so that the sender can be made a co-host.
	TakesDoor = "door"
	TakesMove = "move" // in Admitted: Move
	// TakesLetter in Welcome: Letter, from a guest who waits.
	TakesLetter = "letter"
	// TakesRename in Welcome: a further Knock while the guest waits, under another name.
	TakesRename = "rename"
)

// Say is a chat line by the sender.
type Say struct {
	Text  string `json:"text"`            // 1 to 2,000 characters after trimming
	Token string `json:"token,omitempty"` // base64url, 16 random bytes: with it, a line sent again stays one line
}

// Attach offers a file to all participants: a chat line tells them. Its bytes go by a
// data channel to the host when somebody asks for it, and on to them. Guests send it
// only to a host whose Roster takes [TakesFiles].
type Attach struct {
	Name  string `json:"name"`            // as the sender's system has it; the host cleans it
	Size  int64  `json:"size"`            // bytes, 1 to [MaxFile]
	Token string `json:"token,omitempty"` // as in Say
}

// Take asks for the file of a chat line, or gives it up. Guests send it only to a host
// whose Roster takes [TakesFiles].
type Take struct {
	Line uint64 `json:"line"` // id of the chat line
	On   bool   `json:"on"`
	Try  int    `json:"try,omitempty"` // 0 to 255: another number each time, which the frames of this time bear
}

// TakeBack ends the sender's offer of a file. Guests send it only to a host whose Roster
// takes [TakesFiles].
type TakeBack struct {
	Line uint64 `json:"line"` // id of the chat line
}

// Hand raises the sender's hand, or lowers it. Guests send it only to a host whose Roster
// takes [TakesHand].
type Hand struct {
	Up          bool   `json:"up"`
	Participant string `json:"participant,omitempty"` // whose hand the host lowers; "" for the sender's own
}

// React shows a reaction to all participants, for some seconds. Guests send it only to a
// host whose Roster takes [TakesReact].
type React struct {
	Reaction string `json:"reaction"` // one of the words of [Reaction]
}

// Earlier says whether participants who come from now on may read what was said in the
// chat before they came. Only a participant whose Roster takes [TakesEarlier] may say it.
type Earlier struct {
	On bool `json:"on"`
}

// Deed is what a co-host does.
type Deed string

// The deeds.
const (
	DeedAdmit   Deed = "admit"   // lets a request in
	DeedDecline Deed = "decline" // refuses a request, whose guest may ask once more
	DeedMute    Deed = "mute"    // asks a guest to mute itself
	DeedRemove  Deed = "remove"  // takes a guest out of the call, who may ask again
)

// Act is a deed of a co-host. Guests send it only after a [Door], and the host checks
// for each that its sender is a co-host. Nobody does anything to the host, to another
// co-host, or for good.
type Act struct {
	Deed Deed   `json:"deed"`
	Of   string `json:"of"` // id of the request, or of the participant
}

// LetterKind is what a door message consists of.
type LetterKind string

// The kinds.
const (
	LetterSound LetterKind = "sound"
	LetterVideo LetterKind = "video"
	LetterNote  LetterKind = "note" // UTF-8 text
)

// Letter begins a message that a guest leaves at the door, after having waited for a
// minute. It takes the place of one that is not whole yet. The host answers with
// [Got], and the guest then sends its bytes in Pieces. Guests send it only to a host
// whose Welcome takes [TakesLetter].
type Letter struct {
	Kind    LetterKind `json:"kind"`
	Size    int64      `json:"size"`              // bytes, at most [MaxLetter]
	Seconds int        `json:"seconds,omitempty"` // how long it plays, at most [MaxLetterSeconds]
}

// Piece is the next part of a Letter. At most [LetterWindow] bytes may be on their way
// that no Got has named.
type Piece struct {
	Data string `json:"data"` // base64url, at most [MaxPiece] bytes
}

// Consent says whether the host may record the sender, in one recording. It may be taken
// back, and given again. Guests send it only after a [Recording] that is on, with its
// number; the host ignores that of another one.
type Consent struct {
	Recording uint32 `json:"recording"`
	Agree     bool   `json:"agree"`
}

// Move asks for a [Pass], with which another device takes the sender's seat. Guests
// send it only after an Admitted that takes [TakesMove].
type Move struct{}

// Ping asks for a Pong, at any time after a Welcome with Pings. Other messages
// may go without an answer, and a network can go deaf without closing the socket.
type Ping struct{}
