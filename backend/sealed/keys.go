package sealed

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
	"log/slog"

	"github.com/porch-call/porch/backend/fault"
)

// Sizes in bytes.
const (
	PublicKeySize  = 65 // P-256, uncompressed (SEC 1 section 2.3.3)
	PrivateKeySize = 32 // P-256 scalar, big-endian (RFC 9180 section 7.1.2)
)

// LinkKeys is the P-256 key pair of a link. Guests seal to it, and holding it
// proves the link's id to a relay. The zero value holds none. Printing it shows
// no part of it.
type LinkKeys struct{ private hpke.PrivateKey }

func kem() hpke.KEM { return hpke.DHKEM(ecdh.P256()) }

// NewLinkKeys makes a key pair.
func NewLinkKeys() (LinkKeys, error) {
	private, err := kem().GenerateKey()
	if err != nil {
		return LinkKeys{}, fmt.Errorf("sealed: generate keys: %w", err)
	}
	return LinkKeys{private}, nil
}

// ParseLinkKeys reads what [LinkKeys.Bytes] wrote.
func ParseLinkKeys(b []byte) (LinkKeys, error) {
	private, err := kem().NewPrivateKey(b)
	if err != nil {
		return LinkKeys{}, fmt.Errorf("sealed: parse keys: %w", err)
	}
	return LinkKeys{private}, nil
}

// Bytes returns the private key, [PrivateKeySize] bytes, for the store; nil
// for the zero value.
func (k LinkKeys) Bytes() []byte {
	if k.private == nil {
		return nil
	}
	b, err := k.private.Bytes()
	if err != nil {
		return nil // only keys that are not P-256 scalars in memory fail here
	}
	return b
}

// Public returns the public key, [PublicKeySize] bytes; nil for the zero
// value.
func (k LinkKeys) Public() []byte {
	if k.private == nil {
		return nil
	}
	return k.private.PublicKey().Bytes()
}

// ID returns the link's id.
func (k LinkKeys) ID() LinkID { return IDOf(k.Public()) }

// IsZero reports whether k holds no keys.
func (k LinkKeys) IsZero() bool { return k.private == nil }

// String implements [fmt.Stringer] without showing the keys.
func (LinkKeys) String() string { return redacted }

// GoString implements [fmt.GoStringer] without showing the keys.
func (LinkKeys) GoString() string { return redacted }

// Format implements [fmt.Formatter] without showing the keys, whatever the
// verb.
func (LinkKeys) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, redacted) }

// LogValue implements [slog.LogValuer] without showing the keys.
func (LinkKeys) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler] by refusing, because only Bytes
// may write keys.
func (LinkKeys) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("sealed: keys are not written by accident; use Bytes")
}

// publicKey reads a stranger's public key and checks it against the id, if one is
// given. The fault is [fault.KeyMismatch].
func publicKey(b []byte, id LinkID) (hpke.PublicKey, error) {
	if id != "" && IDOf(b) != id {
		return nil, fault.Newf(fault.KeyMismatch, "public key of %d bytes does not belong to the id", len(b))
	}
	if len(b) != PublicKeySize {
		return nil, fault.Newf(fault.KeyMismatch, "public key of %d bytes", len(b))
	}
	k, err := kem().NewPublicKey(b)
	if err != nil {
		return nil, fault.New(fault.KeyMismatch, err)
	}
	return k, nil
}
