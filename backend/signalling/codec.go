package signalling

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/fault"
)

// ProtocolVersion is the version of the messages and of the sealed channel that
// carries them. Hello and Welcome name it. Fields may be added without raising
// it, because receivers ignore fields that they don't know. A change that an
// older peer would misunderstand raises it.
const ProtocolVersion = 1

// Limits of one encoded message, in bytes, checked before anything is decoded.
const (
	MaxFrameBefore = 16 << 10  // from a guest before admission
	MaxFrame       = 256 << 10 // for all other messages
)

// Type is the name of a message on the wire: the struct's name with a small
// first letter.
type Type string

// Message is implemented by the structs of this package that are sent. They are
// passed by value; switch on the Go type.
type Message interface {
	// Type returns the message's name on the wire.
	Type() Type
	// Validate returns a fault when a field breaks its limits:
	// [fault.MessageInvalid], or the more telling VersionUnsupported,
	// NameInvalid, ChatInvalid or SDPInvalid.
	Validate() error
}

type envelope struct {
	Type    Type            `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Encode returns m as {"type": …, "payload": …} in UTF-8 JSON. Names and chat
// text are cleaned first, as [CleanName] and [CleanText] do. It returns what
// Validate returns, and [fault.FrameTooLarge] above [MaxFrame].
func Encode(m Message) ([]byte, error) {
	m = cleaned(m)
	if err := m.Validate(); err != nil {
		return nil, err
	}
	payload, err := marshal(m)
	if err != nil {
		return nil, fault.Newf(fault.MessageInvalid, "encode %s: %w", m.Type(), err)
	}
	b, err := marshal(envelope{Type: m.Type(), Payload: payload})
	if err != nil {
		return nil, fault.Newf(fault.MessageInvalid, "encode %s: %w", m.Type(), err)
	}
	if len(b) > MaxFrame {
		return nil, fault.Newf(fault.FrameTooLarge, "%s of %d bytes", m.Type(), len(b))
	}
	return b, nil
}

// marshal is json.Marshal without the escapes for HTML, which would make
// session descriptions longer.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeFromGuest reads a message that a guest sent. b must have at most limit
// bytes ([fault.FrameTooLarge]), be one JSON object without doubled keys
// ([fault.MessageMalformed]) of a type that guests send ([fault.MessageUnknown]),
// and be valid (see [Message]). Unknown fields are ignored. Names and chat text
// come back cleaned.
func DecodeFromGuest(b []byte, limit int) (Message, error) { return decode(fromGuest, b, limit) }

// DecodeFromHost reads a message that the host sent, as [DecodeFromGuest] does
// for guests.
func DecodeFromHost(b []byte, limit int) (Message, error) { return decode(fromHost, b, limit) }

// DecodeToRelay reads what a guest says to a relay before the sealed channel
// begins, at most [MaxRelayMessage] bytes.
func DecodeToRelay(b []byte) (Message, error) { return decode(toRelay, b, MaxRelayMessage) }

// DecodeFromRelay reads a relay's answer to [Open], at most [MaxRelayMessage]
// bytes.
func DecodeFromRelay(b []byte) (Message, error) { return decode(fromRelay, b, MaxRelayMessage) }

// DecodeToRelayHost reads what a host says to a relay on its connection, at most
// [MaxToRelayHost] bytes.
func DecodeToRelayHost(b []byte) (Message, error) { return decode(toRelayHost, b, MaxToRelayHost) }

// DecodeFromRelayHost reads what a relay says to a host on its connection, at
// most [MaxFromRelayHost] bytes.
func DecodeFromRelayHost(b []byte) (Message, error) {
	return decode(fromRelayHost, b, MaxFromRelayHost)
}

// A family is the closed set of messages that one side may send.
type family map[Type]func(payload []byte) (Message, error)

var (
	fromGuest = familyOf(
		entry[Hello], entry[Knock], entry[Leave], entry[Seated], entry[Answer], entry[Candidate], entry[Restart],
		entry[MediaState], entry[Sharing], entry[View], entry[Say], entry[Ping], entry[Hand], entry[React],
		entry[Spotlight], entry[Earlier], entry[Word], entry[Act], entry[Move], entry[Letter], entry[Piece],
		entry[Attach], entry[Take], entry[TakeBack], entry[Consent])
	fromHost = familyOf(
		entry[Welcome], entry[Waiting], entry[Admitted], entry[Declined], entry[Ended], entry[Offer],
		entry[Candidate], entry[Tracks], entry[Screen], entry[Layers], entry[Line], entry[Roster], entry[Joined], entry[Left],
		entry[Speaking], entry[Chat], entry[Mute], entry[Fault], entry[Pong], entry[Reaction],
		entry[Spotlight], entry[Said], entry[Work], entry[Outside], entry[Door], entry[Pass], entry[Got],
		entry[FileOver], entry[Recording])
	toRelay   = familyOf(entry[Open])
	fromRelay = familyOf(entry[Opened], entry[Unavailable])

	toRelayHost = familyOf(
		entry[Register], entry[Announce], entry[Proof], entry[Withdraw], entry[Note], entry[Limit],
		entry[Closed], entry[WantCredentials], entry[Revoke])
	fromRelayHost = familyOf(
		entry[ChallengeHost], entry[Registered], entry[Refused], entry[Prove], entry[Announced],
		entry[Unannounced], entry[Noted], entry[Guest], entry[Closed], entry[Credentials], entry[Moving])
)

func familyOf(entries ...func() (Type, func([]byte) (Message, error))) family {
	f := make(family, len(entries))
	for _, e := range entries {
		t, parse := e()
		f[t] = parse
	}
	return f
}

func entry[M Message]() (Type, func([]byte) (Message, error)) {
	var zero M
	return zero.Type(), func(payload []byte) (Message, error) {
		var m M
		if err := json.Unmarshal(payload, &m); err != nil {
			return nil, err
		}
		return m, nil
	}
}

func decode(f family, b []byte, limit int) (Message, error) {
	if len(b) > limit {
		return nil, fault.Newf(fault.FrameTooLarge, "message of %d bytes, limit %d", len(b), limit)
	}
	if err := checkForm(b); err != nil {
		return nil, fault.New(fault.MessageMalformed, err)
	}
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return nil, fault.New(fault.MessageMalformed, err)
	}
	parse, ok := f[env.Type]
	if !ok {
		return nil, fault.New(fault.MessageUnknown, nil) // the type is not repeated, because a stranger wrote it
	}
	payload := env.Payload
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if payload[0] != '{' {
		return nil, fault.Newf(fault.MessageMalformed, "%s: payload is not an object", env.Type)
	}
	m, err := parse(payload)
	if err != nil {
		return nil, fault.Newf(fault.MessageMalformed, "%s: %w", env.Type, err)
	}
	m = cleaned(m)
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// maxDepth is how deep objects and arrays may nest. The deepest message
// (Admitted with its URLs) needs 5.
const maxDepth = 12

// checkForm accepts exactly one JSON object in valid UTF-8, whose objects name no
// key twice. encoding/json alone would take the last of two equal keys and ignore
// their case, so that two readers could see two messages in the same bytes. It
// folds case as Unicode does, where U+017F is an s and U+212A a k. Therefore keys
// that are not ASCII are refused; no message has any.
func checkForm(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return errors.New("not an object")
	}
	if err := checkObject(d, 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the message")
	}
	return nil
}

// checkObject reads the rest of an object after its opening brace.
func checkObject(d *json.Decoder, depth int) error {
	seen := make(map[string]struct{}, 8)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key := t.(string) // within an object Token returns a string here, or an error
		if strings.ContainsFunc(key, func(r rune) bool { return r > unicode.MaxASCII }) {
			return errors.New("a key is not ASCII")
		}
		key = strings.ToLower(key)
		if _, ok := seen[key]; ok {
			return errors.New("a key stands twice")
		}
		seen[key] = struct{}{}
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("nested too deep")
	}
	if delim == '{' {
		return checkObject(d, depth+1)
	}
	for d.More() {
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
