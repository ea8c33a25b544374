package door

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/sealed"
)

// What a page makes of a link's secret. Sizes are those of the text: plain base64, whose alphabet is that of ICE.
const (
	tagInfo      = "porch door tag v1"
	passwordInfo = "porch door password v1 "
	tagSize      = 8
	ufragSize    = 24
	passwordSize = 32
)

// keys are made from a link's secret.
type keys struct{ prk []byte }

func keysOf(secret sealed.Secret) (keys, error) {
	prk, err := hkdf.Extract(sha256.New, secret[:], nil)
	return keys{prk}, err
}

func (k keys) text(info string, size int) (string, error) {
	b, err := hkdf.Expand(sha256.New, k.prk, info, size/4*3)
	return base64.StdEncoding.EncodeToString(b), err
}

// tag returns what a check for the link begins with.
func (k keys) tag() (string, error) { return k.text(tagInfo, tagSize) }

// password returns the password of one connection.
func (k keys) password(ufrag string) (string, error) { return k.text(passwordInfo+ufrag, passwordSize) }

// Identity is the DTLS certificate of a link's door with its key. Its hash is in the link's address. It is kept as long
// as the link, and no two links share one, because the certificate is visible on the wire.
type Identity struct {
	certificate *x509.Certificate // nil in the zero value
	key         *ecdsa.PrivateKey
}

// NewIdentity makes a certificate that says nothing, not even when it was made.
func NewIdentity() (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("door: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return Identity{}, fmt.Errorf("door: %w", err)
	}
	form := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return Identity{}, fmt.Errorf("door: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return Identity{}, fmt.Errorf("door: %w", err)
	}
	return Identity{certificate, key}, nil
}

// IsZero reports whether there is no certificate.
func (i Identity) IsZero() bool { return i.certificate == nil }

// Bytes returns the identity with its private key, for the disk: the length of the certificate (2), the certificate,
// the key in PKCS #8. It returns nil for the zero value.
func (i Identity) Bytes() []byte {
	if i.IsZero() {
		return nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil { // can't be: a P-256 key
		return nil
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(i.certificate.Raw)))
	return append(append(b, i.certificate.Raw...), key...)
}

// ParseIdentity reads what Bytes wrote. Its errors repeat nothing of it.
func ParseIdentity(b []byte) (Identity, error) {
	bad := errors.New("door: identity can't be read")
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return Identity{}, bad
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	certificate, err := x509.ParseCertificate(b[2:n])
	if err != nil {
		return Identity{}, bad
	}
	parsed, err := x509.ParsePKCS8PrivateKey(b[n:])
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(certificate.PublicKey) {
		return Identity{}, bad
	}
	return Identity{certificate, key}, nil
}

// Fingerprint returns the hash of the certificate that stands in the address.
func (i Identity) Fingerprint() [sha256.Size]byte { return sha256.Sum256(i.certificate.Raw) }

// Format implements [fmt.Formatter] and hides the key.
func (Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "door identity") }

// LogValue implements [slog.LogValuer] and hides the key.
func (Identity) LogValue() slog.Value { return slog.StringValue("door identity") }

func (i Identity) dtls() []webrtc.Certificate {
	return []webrtc.Certificate{webrtc.CertificateFromX509(i.key, i.certificate)}
}
