package signalling

// What a host's app and a public relay say to each other as text, over one
// WebSocket that carries all links of the app. Binary messages on it are a
// channel's number (4 bytes, big-endian) and one sealed frame of that channel.
// The guest page knows nothing of this, so no TypeScript is made from this file.

// HostSubprotocol is the WebSocket subprotocol (RFC 6455 section 1.9) of a host
// connection to a relay.
const HostSubprotocol = "porch-host.v1"

// HostVersion is the version of the host connection's messages. ChallengeHost and
// Register name it.
const HostVersion = 1

// Limits of one text message of a host connection, in bytes.
const (
	MaxToRelayHost   = 1 << 10
	MaxFromRelayHost = 16 << 10
)

// ChannelSize is the size of what stands in front of a frame in a binary message
// of a host connection, in bytes: the channel's number, big-endian.
const ChannelSize = 4

// MaxInvitation is the longest invitation, in bytes of printable ASCII.
const MaxInvitation = 128

// RegisterContext is what a host signs (Ed25519, RFC 8032): these bytes, the
// relay's host name as the app dialled it, in small letters and without a
// port, and the relay's nonce.
const RegisterContext = "porch host v1"

// ChallengeHost is the first message of a host connection. The relay sends it.
type ChallengeHost struct {
	Version int    `json:"version"` // HostVersion
	Nonce   string `json:"nonce"`   // base64url, 32 random bytes
}

// Register answers ChallengeHost.
type Register struct {
	Version   int    `json:"version"`         // HostVersion
	Key       string `json:"key"`             // base64url, 32 bytes: Ed25519 public key, made for this relay
	Signature string `json:"signature"`       // base64url, 64 bytes, see RegisterContext
	Token     string `json:"token,omitempty"` // an invitation
	Probe     bool   `json:"probe,omitempty"` // only asks: the relay answers and closes; an open connection stays
	Gone      bool   `json:"gone,omitempty"`  // Closed may have CloseGone; without it, that is CloseDone
}

// Registered answers Register: the host connection is open.
type Registered struct {
	Links   int      `json:"links"`          // links announced at once
	Guests  int      `json:"guests"`         // guests at all links of this host at once
	PerLink int      `json:"perLink"`        // guests at one link at once
	Bytes   int64    `json:"bytes"`          // bytes of relayed media in a day
	Turn    bool     `json:"turn,omitempty"` // WantCredentials is answered with servers
	STUN    []string `json:"stun,omitempty"` // "stun:host:port"
}

// Refused ends a host connection: the relay closes it next. The code is a
// fault's.
type Refused struct {
	Code string `json:"code"`
}

// Announce asks for the id of a link's public key. The relay answers with
// Prove, or with Unannounced.
type Announce struct {
	Key string `json:"key"` // base64url, 65 bytes: P-256, uncompressed
}

// Prove asks the host to open a challenge with the link's private key.
type Prove struct {
	Link      string `json:"link"`
	Challenge string `json:"challenge"` // base64url, 113 bytes: sealed.NewChallenge
}

// Proof answers Prove.
type Proof struct {
	Link   string `json:"link"`
	Answer string `json:"answer"` // base64url, 32 bytes: sealed.AnswerChallenge
}

// Announced says that guests find the link from now on.
type Announced struct {
	Link string `json:"link"`
}

// Unannounced says that guests do not find the link through this connection,
// because the relay refused it or another connection has announced it since. The
// code is a fault's.
type Unannounced struct {
	Link string `json:"link"`
	Code string `json:"code"`
}

// Withdraw takes an announced link back. The link's channels close with
// CloseHostGone.
type Withdraw struct {
	Link string `json:"link"`
	Note string `json:"note,omitempty"` // base64url, 64 bytes: Unavailable gives it out for the link from now on
}

// Note leaves the note of a link that has ended, without announcing it. The relay
// answers with Prove, and with Noted after a right Proof.
type Note struct {
	Key  string `json:"key"`  // as in Announce
	Note string `json:"note"` // base64url, 64 bytes
}

// Noted answers the Proof that followed a Note.
type Noted struct {
	Link string `json:"link"`
}

// Guest says that a guest has opened a link. The guest's frames come and go under
// this channel.
type Guest struct {
	Channel uint32 `json:"channel"` // not in use on this connection, and never used again
	Link    string `json:"link"`
	Remote  string `json:"remote,omitempty"` // the same for all guests of one address; it tells nothing else of them
}

// Limit raises the size of what a guest may send: see switchboard.Frames.SetLimit.
type Limit struct {
	Channel uint32 `json:"channel"`
	Bytes   int    `json:"bytes"` // of a message before sealing
}

// Closed ends a channel, either way. What was sent before it is delivered.
type Closed struct {
	Channel uint32    `json:"channel"`
	Code    CloseCode `json:"code"`
}

// WantCredentials asks for TURN servers and credentials.
type WantCredentials struct {
	Request uint32 `json:"request"` // the answer repeats it
}

// Credentials answers WantCredentials: servers, or a code.
type Credentials struct {
	Request uint32      `json:"request"`
	Servers []ICEServer `json:"servers,omitempty"`
	Expires int64       `json:"expires,omitempty"` // Unix milliseconds, the relay's clock
	Code    string      `json:"code,omitempty"`    // a fault's: why there are none
}

// Revoke takes credentials back, so that a guest who was removed from a call
// can't go on using its relayed way.
type Revoke struct {
	Username string `json:"username"`
}

// Moving says that this relay is about to close, and that the app should open
// another connection.
type Moving struct{}
