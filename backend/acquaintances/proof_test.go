package acquaintances_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	. "github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
)

func TestRecognise(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	point, err := private.PublicKey.Bytes()
	must(t, err)
	sum := sha256.Sum256([]byte("porch browser v1" + "channel"))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	must(t, err)
	key, text := base64.RawURLEncoding.EncodeToString(point), base64.RawURLEncoding.EncodeToString
	good := text(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	if b, err := Recognise(key, good, []byte("channel")); err != nil || b != Browser(point) {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := Recognise("", "", []byte("channel")); err != nil || b != "" {
		t.Errorf("%q, %v", b, err)
	}
	for what, wrong := range map[string][3]string{
		"another channel": {key, good, "another"}, "no proof": {key, "", "channel"}, "a short proof": {key, good[:40], "channel"},
		"no point": {text(make([]byte, 65)), good, "channel"}, "no base64url": {"!", good, "channel"},
		"nothing signed": {key, text(make([]byte, 64)), "channel"}, "a long proof": {key, good + "AAAA", "channel"},
	} {
		if b, err := Recognise(wrong[0], wrong[1], []byte(wrong[2])); b != "" || fault.CodeOf(err) != fault.MessageInvalid {
			t.Errorf("%s: %q, %v", what, b, err)
		}
	}
}
