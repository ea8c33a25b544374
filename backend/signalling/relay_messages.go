package signalling

// What a guest and a relay say to each other in the clear, as text, before the
// sealed channel begins. After Opened there are only binary messages: first the
// channel's opening (sealed.OpenGuest), then sealed frames.

// Subprotocol is the WebSocket subprotocol (RFC 6455 section 1.9) of a guest's
// socket at a relay.
const Subprotocol = "porch.v1"

// MaxRelayMessage is the limit of one message between guest and relay, in
// bytes.
const MaxRelayMessage = 1 << 10

// CloseCode is a WebSocket close code (RFC 6455 section 7.4.2). All but CloseDone
// and CloseGone are in the range left to applications.
type CloseCode uint16

// The codes with which a relay, or the host through it, closes a guest's
// socket.
const (
	CloseUnavailable CloseCode = 4404 // the answer was Unavailable
	CloseTooSlow     CloseCode = 4408 // the guest did not read, or did not speak in time
	CloseHostGone    CloseCode = 4410 // the host's app is out of reach: the page keeps trying
	CloseTooLarge    CloseCode = 4413 // a frame was too large
	CloseRefused     CloseCode = 4400 // the guest broke the protocol
	CloseTooFast     CloseCode = 4429 // too many sockets or frames from this address
	CloseDone        CloseCode = 1000 // the conversation is over: Ended, Leave
)

// CloseGone comes from a guest only: the browser has unloaded the page, and closes
// its sockets. Scripts can't close a socket with this code.
const CloseGone CloseCode = 1001

// Open asks a relay for the host of a link.
type Open struct {
	Version int    `json:"version"` // ProtocolVersion
	Link    string `json:"link"`    // the link's id: base64url, 16 bytes
}

// Opened answers Open: the host is there.
type Opened struct {
	PublicKey string `json:"publicKey"` // base64url, 65 bytes: P-256, uncompressed (SEC 1 section 2.3.3); check it against the id
}

// Unavailable is the one answer for unknown, removed, spent and offline links.
type Unavailable struct {
	Note string `json:"note"` // base64url, 64 bytes: sealed.OpenNote tells whoever holds the whole link what happened
}
