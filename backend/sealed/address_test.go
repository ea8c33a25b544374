package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

func TestAddressRoundTrip(t *testing.T) {
	keys, secret := newKeys(t), NewSecret()
	for _, base := range []string{
		"http://localhost:7674", "https://192.168.1.20:7674", "https://[fe80::1]:7674", "https://porch.example",
	} {
		address := Address(base, keys.ID(), secret)
		gotBase, gotID, gotSecret, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		if gotBase != base || gotID != keys.ID() || !gotSecret.Equal(secret) {
			t.Errorf("%s came back as another address", base)
		}
	}
	if got := Address("https://porch.example/", keys.ID(), secret); strings.Contains(got, "//j/") {
		t.Error("a slash at the end of the base is doubled")
	}
}

// TestAddressesInTransit reads what mail scanners, chats and people make of an
// address. The guest page's test reads the same table.
func TestAddressesInTransit(t *testing.T) {
	b, err := os.ReadFile("testdata/addresses.json")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Name, Address, Base, ID, Secret, Missing string }
	var table struct{ Addresses, Wrapped []row }
	if err := json.Unmarshal(b, &table); err != nil {
		t.Fatal(err)
	}
	for _, row := range append(table.Addresses, table.Wrapped...) {
		t.Run(row.Name, func(t *testing.T) {
			base, id, secret, err := ParseAddress(row.Address)
			if row.Missing != "" {
				wantCode(t, err, fault.LinkMalformed)
				f := find(row.Address)
				missing := map[bool]string{f.id == "": "id", f.secret == "": "secret"}[true]
				if f.id == "" && f.secret == "" {
					missing = "both"
				}
				if missing != row.Missing {
					t.Errorf("missing is %q, want %q", missing, row.Missing)
				}
				return
			}
			if err != nil || base != row.Base || string(id) != row.ID || secret.Reveal() != row.Secret {
				t.Errorf("%q, %q, %v", base, id, err)
			}
		})
	}
}

func TestParseAddressFaults(t *testing.T) {
	id, secret := string(newKeys(t).ID()), NewSecret().Reveal()
	good := "https://porch.example/j/" + id + "#" + secret
	if _, _, _, err := ParseAddress(good); err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{
		"empty":                   "",
		"text":                    "join my call",
		"no scheme":               "porch.example/j/" + id + "#" + secret,
		"other scheme":            "ftp://porch.example/j/" + id + "#" + secret,
		"script":                  "javascript:/j/" + id + "#" + secret,
		"no host":                 "https:///j/" + id + "#" + secret,
		"port only":               "https://:80/j/" + id + "#" + secret,
		"user":                    "https://me@porch.example/j/" + id + "#" + secret,
		"other path":              "https://porch.example/k/" + id + "#" + secret,
		"base with a path":        "https://porch.example/x/j/" + id + "#" + secret,
		"no id":                   "https://porch.example/j/#" + secret,
		"short id":                "https://porch.example/j/" + id[1:] + "#" + secret,
		"id of other letters":     "https://porch.example/j/" + strings.Repeat("+", 22) + "#" + secret,
		"no secret":               "https://porch.example/j/" + id,
		"empty secret":            "https://porch.example/j/" + id + "#",
		"short secret":            "https://porch.example/j/" + id + "#" + secret[1:],
		"secret with stray bits":  "https://porch.example/j/" + id + "#" + strings.Repeat("A", 21) + "B",
		"secret with line breaks": "https://porch.example/j/" + id + "#" + secret[:20] + "%0A%0A",
		"too long":                "https://" + strings.Repeat("a", 9000) + "/j/" + id + "#" + secret,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := ParseAddress(address)
			wantCode(t, err, fault.LinkMalformed)
			if strings.Contains(err.Error(), secret[2:18]) {
				t.Error("the error repeats the secret")
			}
		})
	}
}

func TestParseLinkIDFaults(t *testing.T) {
	for _, s := range []string{
		"", "A", strings.Repeat("A", 21), strings.Repeat("A", 23), strings.Repeat("A", 24) + "==",
		strings.Repeat("A", 21) + "B", strings.Repeat("A", 20) + "\n\n", strings.Repeat("/", 22), strings.Repeat("é", 11),
	} {
		_, err := ParseLinkID(s)
		wantCode(t, err, fault.LinkMalformed)
		_, err = ParseSecret(s)
		wantCode(t, err, fault.LinkMalformed)
	}
}

// TestNothingShowsSecrets tries every way in which a value can get into a log by
// accident.
func TestNothingShowsSecrets(t *testing.T) {
	secret, keys := NewSecret(), newKeys(t)
	traces := []string{
		secret.Reveal(), fmt.Sprintf("%x", secret[:]), fmt.Sprintf("%X", secret[:]), fmt.Sprintf("%d", secret[:]), fmt.Sprintf("%d", keys.Bytes()),
		fmt.Sprintf("%x", keys.Bytes()), fmt.Sprintf("%#v", secret[:]), strings.Trim(fmt.Sprintf("%d", secret[:4]), "[]"),
	}
	type nested struct {
		Secret Secret
		Keys   LinkKeys
		Pair   []Secret
		Inside *Secret
	}
	n := nested{secret, keys, []Secret{secret}, &secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%U", "%c"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", &secret)
		fmt.Fprintf(&out, verb+"\n", keys)
		fmt.Fprintf(&out, verb+"\n", n)
	}
	fmt.Fprintln(&out, secret, keys, n, secret.String(), secret.GoString(), keys.String(), keys.GoString())
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("x", "secret", secret, "keys", keys, "nested", n, "group", slog.GroupValue(slog.Any("s", secret)))
	}
	fmt.Fprintln(&out, errors.Join(fmt.Errorf("with %v", secret), fmt.Errorf("with %+v", n)))
	if b, err := json.Marshal(n); err == nil {
		t.Errorf("a secret was written to JSON: %d bytes", len(b))
	}
	for _, trace := range traces {
		if strings.Contains(out.String(), trace) {
			t.Errorf("a secret is shown (%d characters of output)", out.Len())
		}
	}
}

func TestKeysRoundTrip(t *testing.T) {
	keys := newKeys(t)
	back, err := ParseLinkKeys(keys.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if back.ID() != keys.ID() || !bytes.Equal(back.Public(), keys.Public()) || len(keys.Bytes()) != PrivateKeySize || len(keys.Public()) != PublicKeySize {
		t.Error("keys changed on the way through bytes")
	}
	for _, b := range [][]byte{nil, make([]byte, 31), make([]byte, 32), bytes.Repeat([]byte{0xFF}, 32), make([]byte, 33)} {
		if _, err := ParseLinkKeys(b); err == nil {
			t.Errorf("%d bytes parsed as keys", len(b))
		}
	}
	var none LinkKeys
	if !none.IsZero() || none.Bytes() != nil || none.Public() != nil {
		t.Error("the zero value holds keys")
	}
}
