package hoststate

import (
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// The types in this file become the TypeScript models of the window.

// State is everything that the host's window shows, except the inside of a call,
// which travels over the window socket. Times are Unix milliseconds on the host's
// clock, 0 for never. Slices are never nil.
type State struct {
	// Revision increases with each change, by at least one. A snapshot already
	// contains every change whose revision is not greater than its own.
	Revision uint64        `json:"revision"`
	Me       Me            `json:"me"`
	Reach    Reach         `json:"reach"`
	Links    []LinkView    `json:"links"`    // newest first
	Requests []RequestView `json:"requests"` // oldest first, of all links
	Calls    []CallView    `json:"calls"`    // links with participants in the call
	Enter    *EnterView    `json:"enter,omitempty"`
	Settings Settings      `json:"settings"`
	Engines  Engines       `json:"engines"`
	Notice   *Notice       `json:"notice,omitempty"`
	Deeds    []DeedView    `json:"deeds"` // what others did in the host's name since the start, the newest last

	Standings []StandingView `json:"standings"` // who is always let in, by name
	Arrival   *ArrivalView   `json:"arrival,omitempty"`
	Recorded  *RecordedView  `json:"recorded,omitempty"` // the last recording, until the host has dismissed it
}

// Change is a part of [State]. It has the keys (as in the JSON of State) whose
// values changed, with the whole new value. It always has "from" and "revision",
// the revisions between which it leads. A reader whose revision is not "from"
// takes a new snapshot, because events may overtake each other on their way to a
// page. A key that became empty is null.
//
// Of "links" and "requests" it has only the rows that changed, as "links/<id>" and
// "requests/<id>". A row that is new goes to the end of the list, and null removes
// a row. A request's picture is large and seldom changes, so it is not in the row
// but in "requests/<id>/picture". If the order of the rows changed, the change has
// the whole list, which replaces its rows.
type Change map[string]any

// Me is the host as guests see them.
type Me struct {
	Name string `json:"name"` // shown to guests; never empty
}

// Reach says where links can be opened.
type Reach struct {
	// Kind is where links that are made now can be opened now: "computer" (this
	// computer only), "network" (this computer and this network) or "anywhere"
	// (through the relay on which new links are made, which can be reached).
	Kind      string        `json:"kind"`
	Addresses []AddressView `json:"addresses"` // bases of the relay inside the app, without a link
	Relays    []RelayView   `json:"relays"`    // the public relays, in the order in which they were added
	NewLinks  string        `json:"newLinks"`  // URL of the relay on which new links are made; "" for none
	RelayOnly bool          `json:"relayOnly"` // media of links on a relay passes through it only
	Doors     bool          `json:"doors"`     // links can have a direct door
	// Who may open links: "anywhere", "network" or "computer".
	Who    string     `json:"who"`
	Own    OwnView    `json:"own"`
	Router RouterView `json:"router"`
	Funnel string     `json:"funnel"` // Tailscale Funnel: "" if its program is not here, "off", or "on" if Porch turned it on
}

// States of the address from outside.
const (
	OwnChecking = "checking"
	OwnWorks    = "works"
	OwnFails    = "fails" // from this computer; Code says why
)

// OwnView is the host's own address from outside.
type OwnView struct {
	URL     string `json:"url"` // "" if there is none
	Name    string `json:"name"`
	State   string `json:"state"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Counted bool   `json:"counted"` // guests have addresses of their own in the limits
}

// OwnTestView is what was seen through an address from outside.
type OwnTestView struct {
	URL     string `json:"url"`
	Name    string `json:"name"`
	Counted bool   `json:"counted"`
	From    string `json:"from"` // this computer's own address, as a guest's would be seen; "" if unknown
}

// RouterView is what the router says to letting calls in.
type RouterView struct {
	On       bool   `json:"on"`       // it is asked
	State    string `json:"state"`    // a portmap.State: "off", "asking", "open", "refused", "silent", "shared", "two-routers"
	External string `json:"external"` // its address on the internet; "" if it did not say
	Address  string `json:"address"`  // its address in this network; "" if there is none
	By       string `json:"by"`       // "PCP", "NAT-PMP" or "UPnP"; "" unless open
	Until    int64  `json:"until"`    // when it forgets, unless it is asked again
	Pinhole  bool   `json:"pinhole"`  // an IPv6 address is open, too
}

// RelayView is a public relay that the host uses.
type RelayView struct {
	URL     string         `json:"url"`
	Name    string         `json:"name"`              // its host, and its port if the address names one
	State   string         `json:"state"`             // "connecting", "connected", "unreachable", "refused"
	Code    string         `json:"code,omitempty"`    // fault code: why it is not connected
	Message string         `json:"message,omitempty"` // the fault's sentence
	RetryAt int64          `json:"retryAt"`           // when it is tried next, if it can't be reached; 0 if unknown
	Offer   RelayOfferView `json:"offer"`             // the newest offer; zero before the first connection
	Links   int            `json:"links"`             // that live there and can be opened
	HostKey string         `json:"hostKey,omitempty"` // if refused: the public key by which the relay's owner can let this host in
}

// RelayOfferView is what a relay grants this host.
type RelayOfferView struct {
	Links  int   `json:"links"`  // that may live there
	Guests int   `json:"guests"` // guests at all links at once
	Bytes  int64 `json:"bytes"`  // bytes of relayed media in a day
	Turn   bool  `json:"turn"`   // it relays media
}

// AddressView is one address and who can open it.
type AddressView struct {
	URL   string `json:"url"`
	Reach string `json:"reach"` // "computer", "network" or "anywhere"
	// Tunnel names the interface of this computer that leads to the network, if
	// that is another network than the house's, for example a VPN's.
	Tunnel string `json:"tunnel,omitempty"`
	Door   bool   `json:"door,omitempty"` // leads through the direct door, and tells this computer's internet address
}

// States of a link's direct door.
const (
	DoorOpen    = "open"
	DoorClosed  = "closed"  // the host lets nobody in from anywhere
	DoorStale   = "stale"   // the address that was handed out last no longer leads here
	DoorNowhere = "nowhere" // no way to it from outside is known
)

// Groups of links on the home screen.
const (
	GroupLive     = "live"     // has participants in the call
	GroupUpcoming = "upcoming" // can be opened
	GroupEarlier  = "earlier"  // spent or removed
)

// LinkView is a link as the window shows it.
type LinkView struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`  // "" if it has no name
	State      string        `json:"state"` // "open", "live", "spent", "removed"
	Group      string        `json:"group"` // "live", "upcoming", "earlier"
	CreatedAt  int64         `json:"createdAt"`
	UsedAt     int64         `json:"usedAt"`
	EndedAt    int64         `json:"endedAt"`
	Waiting    int           `json:"waiting"`
	InCall     int           `json:"inCall"`
	HostInCall bool          `json:"hostInCall"`
	Relay      string        `json:"relay"`      // name of the public relay on which it lives; "" for none
	RelayState string        `json:"relayState"` // as in RelayView, for this link, or "removed" if that relay is no longer in the list
	RelayCode  string        `json:"relayCode"`  // fault code: why guests can't come through it now; "" if they can, or if that is unknown
	Door       string        `json:"door"`       // state of its direct door: "open", "closed", "stale", "nowhere", or "" for none
	Addresses  []AddressView `json:"addresses"`  // complete addresses with the secret, the best to share first
	Visitors   []VisitorView `json:"visitors"`   // guests who have been in, the latest first
	Copies     []CopyView    `json:"copies"`     // the oldest first, without those that were removed
	OpensAt    int64         `json:"opensAt"`    // when guests can knock; 0 for at once
	Ends       string        `json:"ends"`       // "" when everyone has left, "at" a time, "keep"
	EndsAt     int64         `json:"endsAt"`     // with "at"
	RemovedAt  int64         `json:"removedAt"`  // when its removal takes hold, which can be undone until then; 0 for none
	Stale      bool          `json:"stale"`      // not used for 90 days
	Messages   []MessageView `json:"messages"`   // that guests have left at the door, the oldest first
	Silenced   bool          `json:"silenced"`
	Locked     bool          `json:"locked"`
}

// CalendarWish is how the host wants a call in a calendar.
type CalendarWish struct {
	Start   int64  `json:"start"`   // Unix milliseconds; 0 for the next full hour
	Minutes int    `json:"minutes"` // how long it is; 0 for an hour
	Repeat  string `json:"repeat"`  // a handover.Repeat: "daily", "weekly", "biweekly", "monthly", or "" for once
	Zone    string `json:"zone"`    // the window's time zone, such as "Europe/Berlin"
}

// CallRecordView is a call of a link in which guests were.
type CallRecordView struct {
	Began    int64       `json:"began"`
	Ended    int64       `json:"ended"` // 0 while it goes on, and if the app died in it
	Sent     int64       `json:"sent"`  // bytes of media
	Received int64       `json:"received"`
	Visits   []VisitView `json:"visits"` // in the order in which they came
}

// VisitView is a guest's part in a call.
type VisitView struct {
	Name string `json:"name"`
	Came int64  `json:"came"`
	Gone int64  `json:"gone"` // 0 while they are in, and if the app died
}

// CopyView is a copy of a link: a further address of it, for somebody.
type CopyView struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"` // whom it is for
	Once      bool          `json:"once"` // for one person only
	CreatedAt int64         `json:"createdAt"`
	UsedAt    int64         `json:"usedAt"`    // when it let that person in; 0 while it opens the link
	Browsers  int           `json:"browsers"`  // that have knocked by it, at most links.MaxBrowsersOfCopy
	Addresses []AddressView `json:"addresses"` // as those of the link; empty once it is used
}

// MessageView is what a guest left at the door.
type MessageView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`    // "sound", "video" or "note"
	Type    string `json:"type"`    // media type by the first bytes; "" for what can't be played
	Seconds int    `json:"seconds"` // as the guest says
	At      int64  `json:"at"`
	Kept    bool   `json:"kept"` // else it is deleted after 30 days
}

// VisitorView is a guest who has been let in through a link.
type VisitorView struct {
	Name     string `json:"name"`
	LastSeen int64  `json:"lastSeen"`
}

// What is known of a guest who knocks.
const (
	KnownFirst     = "first"                 // never let in before
	KnownReturning = "returning"             // this browser was let in TimesLetIn times
	KnownName      = "new-device-known-name" // a new browser, and a name that was let in before
)

// RequestView is one join request.
type RequestView struct {
	ID         string     `json:"id"`
	LinkID     string     `json:"linkId"`
	LinkName   string     `json:"linkName"`
	Name       string     `json:"name"`
	Shown      string     `json:"shown"` // the name, with a number if another participant or guest at the door has the same or a similar one
	Since      int64      `json:"since"`
	Known      string     `json:"known"`
	TimesLetIn int        `json:"timesLetIn"`
	NameInCall bool       `json:"nameInCall"`          // a participant in the call gave the same name
	LooksLike  string     `json:"looksLike,omitempty"` // a known name for which this one may be mistaken
	Bell       string     `json:"bell"`                // "rung", "silenced", "asked-to-wait"
	Copy       string     `json:"copy,omitempty"`      // name of the copy by which the guest came; "" for the link's own address
	Browser    int        `json:"browser,omitempty"`   // which of the browsers that came by this copy, from 1
	BellAt     int64      `json:"bellAt"`              // when it rang last, was silent for them, or asked them to wait
	Rings      int        `json:"rings"`               // how often it has rung for them
	Seen       bool       `json:"seen"`                // the host has looked since it rang last, so that it does not go on
	WaitUntil  int64      `json:"waitUntil"`           // when it rings again after "asked-to-wait", 0 for not by itself
	Message    bool       `json:"message"`             // this browser has left a door message
	Outside    bool       `json:"outside"`             // the guest was in the call, and was put out of it to wait
	Away       bool       `json:"away"`                // the connection is lost; the request waits for the guest to return
	Picture    string     `json:"picture,omitempty"`   // a data: URL of a small JPEG, if the guest sent one
	Lowers     bool       `json:"lowers"`              // letting them in makes the pictures of the call smaller
	SameAs     string     `json:"sameAs,omitempty"`    // the name under which this browser was let in last, if it gives another one now
	Familiar   bool       `json:"familiar"`            // it has proved the key under which it was let in before, so it may always be let in
	Hint       string     `json:"hint,omitempty"`      // why it may be a note-taking bot: "name", "automated" or "punctual"
	Like       string     `json:"like,omitempty"`      // id of the first of many unknown guests at this link with such a name, if it is another's
	CanWrite   bool       `json:"canWrite"`            // its page shows what the host writes
	Words      []WordView `json:"words"`               // what was said with them, oldest first
	LowersTo   int        `json:"lowersTo"`            // lines of most pictures then, 0 if they pause; only with Lowers
}

// WordView is a line between the host and a guest who waits.
type WordView struct {
	Own  bool   `json:"own"` // the host said it
	Text string `json:"text"`
	At   int64  `json:"at"`
}

// StandingView is a browser that is always let in.
type StandingView struct {
	Browser  string `json:"browser"`
	Name     string `json:"name"`     // under which it was let in last
	LinkID   string `json:"linkId"`   // "" for all links
	LinkName string `json:"linkName"` // "" for a link without a name, or one that has ended
}

// ArrivalView is the guest who was let in last by a standing decision.
type ArrivalView struct {
	ID     uint64 `json:"id"` // counts up
	LinkID string `json:"linkId"`
	Name   string `json:"name"`
}

// CallView is a call that has participants.
type CallView struct {
	LinkID       string            `json:"linkId"`
	Name         string            `json:"name"` // of the link
	HostIn       bool              `json:"hostIn"`
	Engine       string            `json:"engine"` // the host's: "webview", "native", or "" if the host is not in
	Participants []ParticipantView `json:"participants"`
	Recording    *RecordingView    `json:"recording,omitempty"` // while the call is recorded
}

// RecordingView is a recording under way.
type RecordingView struct {
	StartedAt int64                `json:"startedAt"` // Unix milliseconds
	People    []RecordedPersonView `json:"people"`    // all in the call
}

// RecordedPersonView is a participant while the call is recorded.
type RecordedPersonView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"` // "asked", "agreed", "declined", or "old": the page can't ask. Only those who have agreed are recorded
}

// RecordedView is a recording that has ended.
type RecordedView struct {
	ID      uint64 `json:"id"`   // each has a new one
	Name    string `json:"name"` // of the file
	Folder  string `json:"folder"`
	Seconds int    `json:"seconds"`
	Code    string `json:"code,omitempty"` // fault code: why it ended by itself
}

// ParticipantView is a participant in a call.
type ParticipantView struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Host      bool   `json:"host"`
	CoHost    bool   `json:"coHost"`
	Muted     bool   `json:"muted"`
	CameraOff bool   `json:"cameraOff"`
	Away      bool   `json:"away"`
	JoinedAt  int64  `json:"joinedAt"`
	NoMedia   string `json:"noMedia,omitempty"` // fault code: why neither sound nor picture gets through
	Hand      int64  `json:"hand,omitempty"`    // Unix milliseconds: since when the hand is raised; 0 while it is down
}

// DeedMoved is the deed of a guest who goes on with the call on another device. The
// other deeds are those of package signalling.
const DeedMoved = "moved"

// DeedView is what a co-host did in the host's name, or a guest without asking.
type DeedView struct {
	ID     uint64 `json:"id"` // each deed has a new one, greater than those before
	LinkID string `json:"linkId"`
	By     string `json:"by"`
	Deed   string `json:"deed"` // "admit", "decline", "mute", "remove", "moved"
	Name   string `json:"name"` // whom it was done to; "" for "moved"
	At     int64  `json:"at"`
}

// EnterView asks one window to enter a call, because the host let a guest in and
// is not in the call. It is removed when that window has called EnterCall, or when
// the call is over.
type EnterView struct {
	LinkID string `json:"linkId"`
	Client string `json:"client"` // as given to Attend
}

// The media engines of the host's window.
const (
	EngineAuto    = "auto"
	EngineWebview = "webview"
	EngineNative  = "native"
)

// Settings are kept on disk.
type Settings struct {
	Engine        string `json:"engine"`        // "auto", "webview", "native"
	Camera        string `json:"camera"`        // device id of the engine in use, "" for the default
	Microphone    string `json:"microphone"`    // the same
	Speaker       string `json:"speaker"`       // the same
	Sound         string `json:"sound"`         // what is left as it is: words of "noise", "gain", or "music" for all; "" for nothing
	Effect        string `json:"effect"`        // on the own picture: a word of effects/words.ts in the pages; "" for none
	Theme         string `json:"theme"`         // "system", "light", "dark"
	BellSound     bool   `json:"bellSound"`     // a soft bell in the window
	Notifications bool   `json:"notifications"` // of the operating system
	Language      string `json:"language"`      // a locale of frontend/messages, "" for the system's
	Welcomed      bool   `json:"welcomed"`      // the host has read the card of the first start
	SeatsMove     bool   `json:"seatsMove"`     // guests may go on with the call on another device, without a knock
	ShareText     string `json:"shareText"`     // goes with addresses in mails and messages; "" for Porch's own words
	KeepAwake     bool   `json:"keepAwake"`     // this computer does not go to sleep by itself during calls
}

// Engines says what this build can do.
type Engines struct {
	Native    bool `json:"native"`    // the native engine is built in
	Synthetic bool `json:"synthetic"` // PORCH_CAPTURE=synthetic: a drawn picture and a tone stand in for hardware, in both engines
}

// Codes of notices.
const (
	NoticeBackground    = "background"           // the window was closed, and links can still be opened
	NoticeNotifications = "notifications-denied" // the system does not let Porch notify
	NoticeDamaged       = "links-damaged"        // links in the book can't be read
	NoticePort          = "port-changed"         // the remembered port was taken, so addresses shared before do not work
)

// Notice is something that the window says once.
type Notice struct {
	ID      uint64 `json:"id"`   // each notice has a new one
	Code    string `json:"code"` // one of the codes above, or a fault code
	Message string `json:"message"`
}

// NoticeSentence returns the sentence for a notice's code.
func NoticeSentence(code string) string {
	switch code {
	case NoticeBackground:
		return "Porch keeps answering your links in the background. Open it again to see who knocks, or remove the links to stop."
	case NoticeNotifications:
		return "Your system doesn't let Porch notify you. Allow it in the system's settings, or keep this window in sight."
	case NoticeDamaged:
		return "Some of your links can't be read, so they don't open and are not shown. Create new ones in their place."
	case NoticePort:
		return "Another program uses Porch's port, so links that you shared before don't open. Close that program and start Porch again."
	default:
		return fault.Sentence(fault.Code(code))
	}
}

// Entry is what a window needs to enter a call: the address of the window socket,
// the token for its first message, and the media engine to use.
type Entry struct {
	URL    string `json:"url"`
	Token  string `json:"token"`
	Engine string `json:"engine"` // "webview" or "native"
}

// DeviceView is one camera, microphone or speaker of the native engine.
type DeviceView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Default bool   `json:"default"`
}

// DevicesView lists the devices of the native engine. The window asks the webview
// for those of the webview engine.
type DevicesView struct {
	Cameras     []DeviceView `json:"cameras"`
	Microphones []DeviceView `json:"microphones"`
	Speakers    []DeviceView `json:"speakers"`
}

// Millis returns t in Unix milliseconds, 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
