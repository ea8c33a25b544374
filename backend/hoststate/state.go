package hoststate

import "github.com/porch-call/porch/backend/fault"

// The types of this file become the TypeScript models of the window.

// State is everything the host's window shows, apart from the inside of a call,
// which travels over the loopback socket. Times are Unix milliseconds on the
// host's clock, 0 for never. Slices are never nil.
type State struct {
	// Revision counts up by at least one with each change. A change whose
	// revision is not greater than the snapshot's is already in it.
	Revision uint64        `json:"revision"`
	Me       Me            `json:"me"`
	Reach    Reach         `json:"reach"`
	Links    []LinkView    `json:"links"`    // newest first
	Requests []RequestView `json:"requests"` // oldest first, of all links
	Calls    []CallView    `json:"calls"`    // links with somebody in the call
	Enter    *EnterView    `json:"enter,omitempty"`
	Settings Settings      `json:"settings"`
	Engines  Engines       `json:"engines"`
	Notice   *Notice       `json:"notice,omitempty"`
}

// Change is a part of [State]: the keys (as in its JSON) whose value changed,
// whole, and always "from" and "revision": it leads from the one to the other.
// A reader whose revision is not "from" (events may overtake each other on
// their way to a page) takes a new snapshot. A key that became empty is null.
//
// Of "links" and "requests" only the rows that changed are there, as
// "links/<id>" and "requests/<id>": a row that is not known is the last one, null
// takes it away. A request's picture, which is large and seldom changes, is not in
// its row but in "requests/<id>/picture". When the order of the rows is another,
// the list is there whole, and goes before its rows.
type Change map[string]any

// Me is the host as guests see them.
type Me struct {
	Name string `json:"name"` // shown to guests; never empty
}

// Reach says who can open links.
type Reach struct {
	// Kind is what holds now for links that are made now: "computer" (this
	// computer only), "network" (this computer and this network) or "anywhere"
	// (through the relay on which new links are made, which can be reached).
	Kind      string        `json:"kind"`
	Addresses []AddressView `json:"addresses"` // bases of the relay inside the app, without a link
	Relays    []RelayView   `json:"relays"`    // the public ones, in the order of adding
	NewLinks  string        `json:"newLinks"`  // URL of the relay on which new links are made; "" for none
	RelayOnly bool          `json:"relayOnly"` // media of links on a relay goes through it only
}

// RelayView is a public relay that the host uses.
type RelayView struct {
	URL     string         `json:"url"`
	Name    string         `json:"name"`              // its host, and its port if it has one of its own
	State   string         `json:"state"`             // "connecting", "connected", "unreachable", "refused"
	Code    string         `json:"code,omitempty"`    // fault code: why it is not connected
	Message string         `json:"message,omitempty"` // its sentence
	RetryAt int64          `json:"retryAt"`           // the next try when unreachable; 0 when nobody knows
	Offer   RelayOfferView `json:"offer"`             // the newest; zero before the first connection
	Links   int            `json:"links"`             // that live there and can be opened
	HostKey string         `json:"hostKey,omitempty"` // when refused: the public key by which the relay's owner can let this host in
}

// RelayOfferView is what a relay grants this host.
type RelayOfferView struct {
	Links  int   `json:"links"`  // that may live there
	Guests int   `json:"guests"` // who may be at all of them at once
	Bytes  int64 `json:"bytes"`  // of media relayed in a day
	Turn   bool  `json:"turn"`   // it passes media on
}

// AddressView is one address and who can open it.
type AddressView struct {
	URL   string `json:"url"`
	Reach string `json:"reach"` // "computer", "network" or "anywhere"
	// Tunnel names the interface of this computer that leads to the network,
	// when that is not the house's but a VPN's, for one.
	Tunnel string `json:"tunnel,omitempty"`
}

// Groups of links on the home screen.
const (
	GroupLive     = "live"     // somebody is in the call
	GroupUpcoming = "upcoming" // can be opened
	GroupEarlier  = "earlier"  // spent or removed
)

// LinkView is a link as the window shows it.
type LinkView struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`  // "" when it has none
	State      string        `json:"state"` // "open", "live", "spent", "removed"
	Group      string        `json:"group"` // "live", "upcoming", "earlier"
	CreatedAt  int64         `json:"createdAt"`
	UsedAt     int64         `json:"usedAt"`
	EndedAt    int64         `json:"endedAt"`
	Waiting    int           `json:"waiting"`
	InCall     int           `json:"inCall"`
	HostInCall bool          `json:"hostInCall"`
	Relay      string        `json:"relay"`      // name of the public relay on which it lives; "" for none
	RelayState string        `json:"relayState"` // as in RelayView, to this link, or "removed" when that relay is not in the list any more
	RelayCode  string        `json:"relayCode"`  // fault code: why guests can't come by it now; "" when they can, or nobody knows
	Addresses  []AddressView `json:"addresses"`  // whole addresses with the secret, best to share first
	Visitors   []VisitorView `json:"visitors"`   // who has been in, latest first
	Silenced   bool          `json:"silenced"`
	Locked     bool          `json:"locked"`
}

// VisitorView is somebody who has been let in through a link.
type VisitorView struct {
	Name     string `json:"name"`
	LastSeen int64  `json:"lastSeen"`
}

// What is known of a guest who knocks.
const (
	KnownFirst     = "first"                 // never let in before
	KnownReturning = "returning"             // this browser was let in TimesLetIn times
	KnownName      = "new-device-known-name" // a new browser using a name that was let in before
)

// RequestView is one join request.
type RequestView struct {
	ID         string `json:"id"`
	LinkID     string `json:"linkId"`
	LinkName   string `json:"linkName"`
	Name       string `json:"name"`
	Shown      string `json:"shown"` // the name, with a number where it would be read as somebody else's in the call or at its door
	Since      int64  `json:"since"`
	Known      string `json:"known"`
	TimesLetIn int    `json:"timesLetIn"`
	NameInCall bool   `json:"nameInCall"`          // somebody in the call gave the same name
	LooksLike  string `json:"looksLike,omitempty"` // a known name that this one may be taken for, and is not
	Bell       string `json:"bell"`                // "rung", "silenced", "asked-to-wait"
	Away       bool   `json:"away"`                // connection lost a moment ago
	Picture    string `json:"picture,omitempty"`   // a data: URL of a small JPEG, if the guest sent one
}

// CallView is a call that somebody is in.
type CallView struct {
	LinkID       string            `json:"linkId"`
	Name         string            `json:"name"` // of the link
	HostIn       bool              `json:"hostIn"`
	Engine       string            `json:"engine"` // the host's: "webview", "native", "" when outside
	Participants []ParticipantView `json:"participants"`
}

// ParticipantView is somebody in a call.
type ParticipantView struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Host      bool   `json:"host"`
	Muted     bool   `json:"muted"`
	CameraOff bool   `json:"cameraOff"`
	Away      bool   `json:"away"`
	JoinedAt  int64  `json:"joinedAt"`
	NoMedia   string `json:"noMedia,omitempty"` // fault code: why neither sound nor picture gets through
}

// EnterView asks one window to enter a call, because the host let somebody in
// while being outside. It goes away when that window has called
// EnterCall, or when the call is over.
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
	Camera        string `json:"camera"`        // device id, "" for the default; of the engine in use
	Microphone    string `json:"microphone"`    // likewise
	Speaker       string `json:"speaker"`       // likewise
	Theme         string `json:"theme"`         // "system", "light", "dark"
	BellSound     bool   `json:"bellSound"`     // a soft bell in the window
	Notifications bool   `json:"notifications"` // of the operating system
}

// Engines says what this build can do.
type Engines struct {
	Native    bool `json:"native"`    // the native engine is built in
	Synthetic bool `json:"synthetic"` // PORCH_CAPTURE=synthetic: a drawn picture and a tone stand in for hardware, in both engines
}

// Codes of notices.
const (
	NoticeBackground    = "background"           // the window was closed, the links keep answering
	NoticeNotifications = "notifications-denied" // the system does not let Porch notify
	NoticeDamaged       = "links-damaged"        // links in the book can't be read
	NoticePort          = "port-changed"         // the remembered port was taken: addresses shared before do not work
)

// Notice is something the window says once.
type Notice struct {
	ID      uint64 `json:"id"`   // a new one with each notice
	Code    string `json:"code"` // one of the codes above, or a fault code
	Message string `json:"message"`
}

// NoticeSentence is what the window says under a notice's code.
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

// Entry is what a window needs to enter a call: the loopback socket, the token
// for its first message, and the media engine to use.
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

// DevicesView lists the devices of the native engine. The webview engine's are
// asked of the webview.
type DevicesView struct {
	Cameras     []DeviceView `json:"cameras"`
	Microphones []DeviceView `json:"microphones"`
	Speakers    []DeviceView `json:"speakers"`
}
