package signalling

// What the host sends to a guest.

// Welcome answers a Hello whose secret is right. It holds all that a guest may
// know before admission.
type Welcome struct {
	Version  int    `json:"version"`
	LinkName string `json:"linkName"` // "" when the link has none
	HostName string `json:"hostName"`
	Pings    bool   `json:"pings,omitempty"` // the host answers Ping
	Host     string `json:"host,omitempty"`  // base64url, 16 random bytes: the same for all links of this host; it takes Key and Proof

	Takes []string `json:"takes,omitempty"` // what the host takes beyond the messages of every host: [TakesRename]
	// OpensAt says when guests can knock, if that is later: Unix milliseconds, the
	// host's clock. OpensIn is how many milliseconds that is after sending, because the
	// guest's clock may differ. Welcome is sent again when that changes.
	OpensAt int64 `json:"opensAt,omitempty"`
	OpensIn int64 `json:"opensIn,omitempty"`
}

// Pong answers a Ping.
type Pong struct{}

// Bell is how a join request was announced to the host.
type Bell string

// The states of the bell.
const (
	BellRung     Bell = "rung"          // window, sound and system notification
	BellSilenced Bell = "silenced"      // the host has silenced requests: the card is there, and there was no sound
	BellAskWait  Bell = "asked-to-wait" // the host has seen it and asked to wait
)

// Waiting answers a Knock, and is sent again when the bell's state changes.
type Waiting struct {
	Bell  Bell  `json:"bell"`
	Since int64 `json:"since"` // Unix milliseconds, the host's clock: when the bell came into this state, or rang last
	Ago   int64 `json:"ago"`   // milliseconds between Since and sending, because the guest's clock may differ

	Rings   int  `json:"rings,omitempty"`   // how often the bell has rung for this knock
	Seen    bool `json:"seen,omitempty"`    // the host has looked at the request since it rang last
	Minutes int  `json:"minutes,omitempty"` // with BellAskWait: how long the host asked to wait, from Since on; then the bell rings again
}

// Said is what the host and a guest who waits have said to each other, oldest
// first: all of it, each time. It is sent to guests whose Knock takes it, from the
// host's first word on, and they may answer with [Word] from then on.
type Said struct {
	Lines []SaidLine `json:"lines"`
}

// SaidLine is one line of Said.
type SaidLine struct {
	Text string `json:"text"`
	Own  bool   `json:"own,omitempty"` // the receiver said it
	Ago  int64  `json:"ago"`           // milliseconds between saying and sending
}

// Work answers a Knock when many knock at once. The page finds 8 bytes so that
// SHA-256 of the challenge and these bytes begins with so many zero bits, and
// knocks again with them. Only pages whose Knock takes it are asked.
type Work struct {
	Challenge string `json:"challenge"` // base64url, 16 bytes
	Bits      int    `json:"bits"`      // at most MaxWorkBits
}

// MaxWorkBits bounds the work that a host asks for.
const MaxWorkBits = 22

// MaxWaitMinutes is the longest time that a host asks a guest to wait.
const MaxWaitMinutes = 120

// ICEServer is a STUN or TURN server (W3C RTCIceServer).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Admitted lets a guest in. The first Offer and the Roster follow at once.
type Admitted struct {
	Participant string      `json:"participant"`          // the guest's own id in this call
	Seat        string      `json:"seat"`                 // base64url, 16 bytes
	Resumed     bool        `json:"resumed,omitempty"`    // the peer connection of before is still in use
	ICEServers  []ICEServer `json:"iceServers,omitempty"` // for the guest's peer connection
	// Farewell is base64url, 16 bytes. A page that closes sends the bytes as they
	// are, in one binary message without a seal, because it has no time left for
	// sealing. The seat is then held only long enough for a reload. A host that
	// gives a Farewell takes Seated.
	Farewell string   `json:"farewell,omitempty"`
	Takes    []string `json:"takes,omitempty"` // what the host takes beyond the messages of every host: [TakesMove]
}

// Outside puts the receiver out of the call, back to those who wait. The seat is
// void, and the channel stays. The host waits for a Knock, which rings no bell, and
// answers it with Waiting. It goes only to a guest whose Hello takes [TakesOutside].
type Outside struct{}

// Door shows a co-host who asks to be let in. It replaces the Door before it. The
// first one tells the receiver that it is a co-host now, and one with Over that it is
// not any more. It goes only to a guest whose Hello takes [TakesDoor].
type Door struct {
	Over     bool      `json:"over,omitempty"`
	Requests []Request `json:"requests"`       // the longest waiting first, at most [MaxRequests]
	More     int       `json:"more,omitempty"` // requests that are not listed
}

// Request is a join request as a co-host sees it.
type Request struct {
	ID         string `json:"id"`
	Name       string `json:"name"`                 // as it is shown to the host
	Since      int64  `json:"since"`                // milliseconds that it has waited when the message was sent
	TimesLetIn int    `json:"timesLetIn,omitempty"` // how often the host has let this browser in before
	Careful    bool   `json:"careful,omitempty"`    // the name may be mistaken for that of another person
	Away       bool   `json:"away,omitempty"`       // the connection is lost, the place held
}

// Got says how much of the receiver's Letter has arrived. It answers a Letter, with 0
// bytes, and Pieces.
type Got struct {
	Bytes   int64  `json:"bytes"`
	Saved   bool   `json:"saved,omitempty"`   // all of it is on the host's disk
	Refused string `json:"refused,omitempty"` // fault code: why the host takes no more of it
}

// Pass is a token with which another device takes the receiver's seat, once.
type Pass struct {
	Token string `json:"token"` // base64url, 16 bytes
	For   int64  `json:"for"`   // milliseconds for which it is good
}

// Declined refuses a join request.
type Declined struct {
	MayRetry bool `json:"mayRetry"` // one more try is allowed
}

// EndReason says why a guest is out. See the fault codes of the same meaning.
type EndReason string

// The reasons.
const (
	EndSpent    EndReason = "spent"     // all have left; the link is used up
	EndRemoved  EndReason = "removed"   // the host removed the link
	EndEnded    EndReason = "ended"     // the host ended the call for all
	EndKicked   EndReason = "kicked"    // the host removed this guest
	EndBlocked  EndReason = "blocked"   // the host removed this guest and blocks its device
	EndTimedOut EndReason = "timed-out" // the knock was not answered in time
	EndReplaced EndReason = "replaced"  // the same device opened the link again elsewhere
	EndMoved    EndReason = "moved"     // another device has the seat, by a Pass; only to a guest who asked for one
	EndShutdown EndReason = "shutdown"  // the host's app is closing; keep trying
	EndSeatGone EndReason = "seat-gone" // the seat in Hello is no longer held; knock again (the channel stays)
	EndFull     EndReason = "full"      // too many guests are waiting or in the call
	EndLocked   EndReason = "locked"    // the host takes no new requests
	EndFault    EndReason = "fault"     // the guest broke the protocol; Fault says how
)

// Ended tells a guest that it is out. The channel closes after it, except with
// EndSeatGone.
type Ended struct {
	Reason EndReason `json:"reason"`
	Seat   string    `json:"seat,omitempty"`  // with EndReplaced: base64url, 16 bytes; takes the seat back once the newer page is gone
	Cause  string    `json:"cause,omitempty"` // with EndRemoved or EndSpent: only this address is over; receivers ignore one that they don't know
	Host   string    `json:"host,omitempty"`  // with Cause: the host's name, to be asked for another address
}

// The causes of Ended: which address of a link is over, although the link is not.
const (
	CauseCopyRemoved = "copy-removed" // the host removed the copy by which the guest came
	CauseCopyUsed    = "copy-used"    // the copy was for one person, and another one has been let in
	CauseNewAddress  = "new-address"  // the link has a new address
)

// Offer is the host's session description (the host always offers). Its first
// two media sections are what the guest sends: audio, then video. The others
// are slots in which the host forwards other participants; see Tracks.
type Offer struct {
	Negotiation uint32 `json:"negotiation"` // counts up by one with each Offer
	SDP         string `json:"sdp"`
}

// Kind of a track.
type Kind string

// The kinds.
const (
	KindAudio  Kind = "audio"
	KindVideo  Kind = "video"
	KindScreen Kind = "screen" // of a tile in View; a Slot never has it, because older pages know only the other two
)

// Slot says whose media a media section of the current description carries.
type Slot struct {
	Mid         string `json:"mid"`
	Participant string `json:"participant"`
	Kind        Kind   `json:"kind"`
}

// Tracks is the whole assignment of slots; a slot not named carries nothing.
type Tracks struct {
	Slots []Slot `json:"slots"`
}

// Screen says whose screen is shared. It replaces the Screen before it, and the host
// sends it only to a guest whose View takes [TakesScreen]. Its mids are of slots that
// carry that participant's screen and the sound of it, or, if that participant is the
// receiver, of the sections in which the receiver sends them. They are "" until the
// description has such sections; the Offer that adds them comes after the Screen that
// names them.
type Screen struct {
	Participant string `json:"participant"` // "" while no screen is shared
	Video       string `json:"video,omitempty"`
	Audio       string `json:"audio,omitempty"`
}

// Layers says what is wanted of the picture and sound that the receiver sends. It
// replaces the Layers before it and is valid for one peer connection. The host sends
// it only to a guest whose View takes [TakesLayers]. Until the first one, all is
// wanted.
type Layers struct {
	Video  []VideoLayer `json:"video"` // layers that it does not name stay as they are
	Audio  *AudioLayer  `json:"audio,omitempty"`
	Screen *ScreenLayer `json:"screen,omitempty"` // while the receiver shares its screen
}

// VideoLayer is what is wanted of one layer of the picture.
type VideoLayer struct {
	RID        string `json:"rid,omitempty"`        // RFC 8852; "" of a picture that is sent in one layer
	Active     bool   `json:"active"`               // false: no participant takes it, so it need not be sent
	MaxBitrate int    `json:"maxBitrate,omitempty"` // bit/s; 0 for as much as the sender likes
	Height     int    `json:"height,omitempty"`     // lines that are enough for all receivers; 0 for as many as there are
}

// ScreenLayer is what is wanted of the picture of a shared screen.
type ScreenLayer struct {
	Active     bool `json:"active"`               // false: no participant takes it, so it need not be sent
	MaxBitrate int  `json:"maxBitrate,omitempty"` // bit/s; 0 for as much as the sender likes
}

// AudioLayer is what is wanted of the sound.
type AudioLayer struct {
	MaxBitrate int `json:"maxBitrate,omitempty"` // bit/s; 0 for as much as the sender likes
}

// Line says how the receiver's own line is, as the host sees it, and which pictures
// are not sent for want of room. It replaces the Line before it. The host sends it
// only to a guest whose View takes [TakesLine], when it changes. Until the first one,
// all is well.
type Line struct {
	SlowDown bool    `json:"slowDown,omitempty"` // the receiver's line carries too little of what the host sends
	SlowUp   bool    `json:"slowUp,omitempty"`   // too much of what the receiver sends does not arrive
	Paused   []Pause `json:"paused"`             // pictures that the receiver looks at and is not sent
}

// Pause is why a participant's picture is not sent.
type Pause struct {
	Participant string `json:"participant"`
	Screen      bool   `json:"screen,omitempty"` // it is the shared screen
	Reason      string `json:"reason"`           // whose line has no room; receivers take a reason that they don't know for PauseHost
}

// The reasons of a Pause.
const (
	PauseLine = "line" // the receiver's own
	PauseHost = "host" // the host's, which all receivers share
)

// Participant is a person in the call.
type Participant struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Host      bool   `json:"host,omitempty"`
	CoHost    bool   `json:"coHost,omitempty"` // lets in, declines, mutes and removes in the host's name
	Muted     bool   `json:"muted,omitempty"`
	CameraOff bool   `json:"cameraOff,omitempty"`
	Away      bool   `json:"away,omitempty"` // connection lost, seat held
	JoinedAt  int64  `json:"joinedAt"`       // Unix milliseconds
	// NoMedia is the fault code that says why the participant has neither sound
	// nor picture, and takes part by messages alone. It is "" while media flows,
	// or may still come.
	NoMedia string `json:"noMedia,omitempty"`
	Hand    int64  `json:"hand,omitempty"` // Unix milliseconds: since when the hand is raised; 0 while it is down
}

// What the name of a file says about it, in OfferedFile. Receivers take words that
// they don't know for FileOther.
const (
	FilePicture = "picture" // a raster picture: PNG, JPEG, WebP, GIF
	FileProgram = "program" // may do something when it is opened
	FileOther   = "other"
)

// OfferedFile is a file that a chat line offers.
type OfferedFile struct {
	Name string `json:"name"` // one line without separators of paths
	Size int64  `json:"size"` // bytes
	Kind string `json:"kind"`
	Over string `json:"over,omitempty"` // why it can't be had any more, as in FileOver; "" while it can
}

// ChatLine is a chat line as all participants see it.
type ChatLine struct {
	ID          uint64       `json:"id"` // counts up within the call
	Participant string       `json:"participant"`
	Name        string       `json:"name"`
	Text        string       `json:"text"`
	At          int64        `json:"at"`              // Unix milliseconds
	Token       string       `json:"token,omitempty"` // as in Say: tells the sender which of its lines has arrived
	File        *OfferedFile `json:"file,omitempty"`  // it offers a file; Text is for pages that take none
}

// FileOver says that the file of a chat line can't be had any more.
type FileOver struct {
	Line uint64 `json:"line"`
	Why  string `json:"why"` // receivers take a reason that they don't know for OverGone
}

// The reasons of FileOver.
const (
	OverTakenBack = "taken-back"
	OverGone      = "gone"    // its sender is not in the call any more
	OverRefused   = "refused" // it was not what its name and size said
	OverRoom      = "room"    // the host's computer has no room for it
)

// Roster is the snapshot of the call: sent on admission and on every
// reconnection, before any change.
type Roster struct {
	You          string        `json:"you"` // the receiver's own participant id
	Participants []Participant `json:"participants"`
	Chat         []ChatLine    `json:"chat"`            // since the receiver was first let in
	Takes        []string      `json:"takes,omitempty"` // what the host takes beyond the messages of every host: [TakesView], [TakesSharing], …
	// Spotlight is as in the message of that name.
	Spotlight string `json:"spotlight,omitempty"`
	Earlier   bool   `json:"earlier,omitempty"` // to who may say it: newcomers read the chat of before they came
}

// Joined adds a participant, or replaces the one of the same id.
type Joined struct {
	Participant Participant `json:"participant"`
}

// Left takes a participant away.
type Left struct {
	ID string `json:"id"`
}

// Speaking lists the participants who are speaking now, loudest first.
type Speaking struct {
	IDs []string `json:"ids"`
}

// Chat is a new chat line, also echoed to the sender.
type Chat struct {
	Line ChatLine `json:"line"`
}

// Reaction is what a participant shows to all, for some seconds. Receivers ignore words
// that they don't know.
type Reaction struct {
	Participant string `json:"participant"`
	Reaction    string `json:"reaction"` // "heart", "thumb", "clap", "laugh", "wow", "party"
}

// Spotlight says whose picture all participants should see large. It replaces the
// Spotlight before it. A participant whose Roster takes [TakesSpotlight] sends it, and
// the host tells it to all.
type Spotlight struct {
	Participant string `json:"participant"` // "" for nobody's
}

// ConsentAnswer is the answer of a participant who was asked whether it may be recorded.
type ConsentAnswer string

// The answers.
const (
	ConsentNone     ConsentAnswer = "" // not yet
	ConsentAgreed   ConsentAnswer = "agreed"
	ConsentDeclined ConsentAnswer = "declined"
)

// Recording says whether the host records the call, and asks the receiver whether it may
// be recorded. It replaces the Recording before it, and goes to all whose View takes
// [TakesRecording], whatever they answer. Of those who have not agreed nothing is
// recorded.
type Recording struct {
	On     bool          `json:"on"`
	Number uint32        `json:"number,omitempty"` // of the recording, to be named in [Consent]
	Answer ConsentAnswer `json:"answer,omitempty"` // the receiver's own to this recording
}

// Mute asks the receiver to mute itself ("mute for everyone"); it may unmute.
type Mute struct{}

// Fault reports the receiver's own error. The channel may stay open.
type Fault struct {
	Code    string `json:"code"` // a fault code
	Message string `json:"message"`
	// RetryAfter comes with fault code too-fast. It is how many milliseconds to
	// wait before the same is worth another try; 0 means that waiting does not
	// help.
	RetryAfter int64 `json:"retryAfter,omitempty"`
}
