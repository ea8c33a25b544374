package sealed

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// b64 is base64url without padding. It is strict, so that each value has one
// text: stray bits in the last character are refused.
var b64 = base64.RawURLEncoding.Strict()

// decode64 decodes s if s is the one text of exactly size bytes.
func decode64(s string, size int) ([]byte, bool) {
	if len(s) != b64.EncodedLen(size) || strings.ContainsAny(s, "\r\n") { // the decoder skips line breaks
		return nil, false
	}
	b, err := b64.DecodeString(s)
	return b, err == nil
}

// LinkID names a link to a relay: base64url, without padding, of the first 16
// bytes of SHA-256 of the link's public key; 22 characters.
type LinkID string

const linkIDSize = 16

// IDOf returns the id that belongs to a public key. Whoever gets a public key
// from a relay must compare.
func IDOf(publicKey []byte) LinkID {
	sum := sha256.Sum256(publicKey)
	return LinkID(b64.EncodeToString(sum[:linkIDSize]))
}

// ParseLinkID checks the form of an id. Its fault is [fault.LinkMalformed].
func ParseLinkID(s string) (LinkID, error) {
	if _, ok := decode64(s, linkIDSize); !ok {
		return "", fault.Newf(fault.LinkMalformed, "id of %d characters", len(s))
	}
	return LinkID(s), nil
}

// SecretSize is the size of a [Secret] in bytes.
const SecretSize = 16

// Secret is what a guest needs, beside the id, before the host of a link listens.
// It stands after "#" in the address. Printing, logging or encoding a Secret
// never shows it; only Reveal does.
type Secret [SecretSize]byte

// NewSecret returns a random secret.
func NewSecret() Secret {
	var s Secret
	rand.Read(s[:]) // never fails (crypto/rand since Go 1.24)
	return s
}

// ParseSecret reads what [Secret.Reveal] wrote. Its fault is
// [fault.LinkMalformed].
func ParseSecret(text string) (Secret, error) {
	b, ok := decode64(text, SecretSize)
	if !ok {
		return Secret{}, fault.Newf(fault.LinkMalformed, "secret of %d characters", len(text))
	}
	return Secret(b), nil
}

// Reveal returns the secret in base64url, 22 characters. It is for addresses and
// for Hello, never for a log.
func (s Secret) Reveal() string { return b64.EncodeToString(s[:]) }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

const redacted = "[redacted]"

// String implements [fmt.Stringer] without showing the secret.
func (Secret) String() string { return redacted }

// GoString implements [fmt.GoStringer] without showing the secret.
func (Secret) GoString() string { return redacted }

// Format implements [fmt.Formatter] without showing the secret, whatever the
// verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, redacted) }

// LogValue implements [slog.LogValuer] without showing the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler] by refusing, because only
// Reveal may put a secret into JSON.
func (Secret) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("sealed: a secret is not written by accident; use Reveal")
}

// Address returns the address of a link at a relay: base + "/j/" + id + "#" +
// secret. base is scheme and host, without a slash at its end. The result must
// not be logged.
func Address(base string, id LinkID, secret Secret) string {
	return strings.TrimSuffix(base, "/") + "/j/" + string(id) + "#" + secret.Reveal()
}

// ParseAddress takes an address apart, and ignores what mail scanners, chats and
// people have added to it as long as both parts are whole. It returns the base in
// small letters. The fault is [fault.LinkMalformed] if there is no http(s)
// address, or if it names a user. The error does not repeat the address.
func ParseAddress(address string) (base string, id LinkID, secret Secret, err error) {
	malformed := func(what string) (string, LinkID, Secret, error) {
		return "", "", Secret{}, fault.Newf(fault.LinkMalformed, "address: %s", what)
	}
	if len(address) > maxFindText {
		return malformed("too long")
	}
	f := find(address)
	switch {
	case f.id == "" && f.secret == "":
		return malformed("neither id nor secret")
	case f.id == "":
		return malformed("no id")
	case f.secret == "":
		return malformed("no secret")
	}
	u, err := url.Parse(strings.ToLower(f.base)) // its error is dropped because it holds a part of the address
	if err != nil || u.Hostname() == "" || u.User != nil {
		return malformed("not of the form scheme://host/j/id#secret")
	}
	if secret, err = ParseSecret(f.secret); err != nil {
		return malformed("secret")
	}
	return u.Scheme + "://" + u.Host, LinkID(f.id), secret, nil
}
