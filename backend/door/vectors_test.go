package door

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/sealed"
)

// TestVectors checks what another program made of docs/protocol.md. The page's tests check the same file.
func TestVectors(t *testing.T) {
	var v struct {
		Secret, Tag, Ufrag, Password, Fragment string
		Public, NotPublic                      []string
	}
	b, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	must(t, json.Unmarshal(b, &v))
	secret, err := sealed.ParseSecret(v.Secret)
	must(t, err)
	k, err := keysOf(secret)
	must(t, err)
	tag, err := k.tag()
	must(t, err)
	password, err := k.password(v.Ufrag)
	must(t, err)
	if tag != v.Tag || password != v.Password || !strings.HasPrefix(v.Ufrag, tag) || len(v.Ufrag) != ufragSize {
		t.Errorf("%s, %s", tag, password)
	}
	i, err := NewIdentity()
	must(t, err)
	entries := []Entry{
		{At: netip.MustParseAddrPort("44.128.1.1:5000"), UDP: true, TCP: true},
		{At: netip.MustParseAddrPort("[2a00:1450::1]:40000"), UDP: true}, {At: netip.MustParseAddrPort("44.128.1.1:5001"), TCP: true},
	}
	address := Address("", sealed.LinkID("AAECAwQFBgcICQoLDA0ODw"), secret, i, entries, "https://call.example.org")
	got, want := strings.Split(address, "."), strings.Split(v.Fragment, ".")
	if len(got) != 5 || !slices.Equal(got[:3], want[:3]) || got[4] != want[4] || !bytes.Equal(entriesIn(t, got[3]), entriesIn(t, want[3])) {
		t.Errorf("%s, want %s but for the hash", address, v.Fragment)
	}
	for want, all := range map[bool][]string{true: v.Public, false: v.NotPublic} {
		for _, a := range all {
			if Public(netip.AddrPortFrom(netip.MustParseAddr(a), 5000)) != want {
				t.Errorf("%s: %v", a, !want)
			}
		}
	}
}

func entriesIn(t *testing.T, door string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(door)
	must(t, err)
	return b[sha256.Size:]
}
