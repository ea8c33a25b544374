package sealed

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/porch-call/porch/backend/fault"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is testdata/vectors.json: one conversation in full, and frames that
// must be refused. frontend/src/transport/sealed.test.ts checks the same file.
// Bytes are hexadecimal.
type vectors struct {
	Comment    string          `json:"comment"`
	PrivateKey string          `json:"privateKey"`
	PublicKey  string          `json:"publicKey"`
	ID         LinkID          `json:"id"`
	Secret     string          `json:"secret"`
	Addresses  []addressVector `json:"addresses"`
	Ephemeral  string          `json:"ephemeralPrivateKey"` // of the opening (RFC 9180 section 4.1, skE)
	Opening    string          `json:"opening"`
	Salt       string          `json:"salt"`   // of the host's first frame
	Frames     []frameVector   `json:"frames"` // in the order in which they were sealed
	Refused    []refusedVector `json:"refused"`
	Notes      []noteVector    `json:"notes"`
}

type addressVector struct {
	Address string     `json:"address"`
	Base    string     `json:"base,omitempty"`
	Fault   fault.Code `json:"fault,omitempty"`
}

type frameVector struct {
	From  string `json:"from"` // guest, host
	Plain string `json:"plain"`
	Frame string `json:"frame"`
}

// refusedVector is a frame that ends the channel of the end that opens it,
// after it has opened the first `After` frames that were sealed for it.
type refusedVector struct {
	Name  string     `json:"name"`
	To    string     `json:"to"`
	After int        `json:"after"`
	Frame string     `json:"frame"`
	Fault fault.Code `json:"fault"`
}

type noteVector struct {
	Reason string     `json:"reason,omitempty"`
	Note   string     `json:"note"`
	Fault  fault.Code `json:"fault,omitempty"`
}

const vectorsFile = "testdata/vectors.json"

// Seeds of the fixed random source.
const (
	keysSeed      = 1
	ephemeralSeed = 2
)

// makeVectors makes the file's contents from a fixed random source.
func makeVectors(t *testing.T) vectors {
	t.Helper()
	cryptotest.SetGlobalRandom(t, keysSeed)
	keys, secret := newKeys(t), NewSecret()
	id := keys.ID()

	// The same random source gives HPKE the same ephemeral key as us.
	cryptotest.SetGlobalRandom(t, ephemeralSeed)
	ephemeral, err := kem().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	ephemeralBytes, err := ephemeral.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	cryptotest.SetGlobalRandom(t, ephemeralSeed)
	opening, guest, err := OpenGuest(keys.Public(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(opening, ephemeral.PublicKey().Bytes()) {
		t.Fatal("HPKE does not take its ephemeral key as this test does")
	}
	host, err := OpenHost(keys, opening)
	if err != nil {
		t.Fatal(err)
	}
	v := vectors{
		Comment:    "Made by go test ./backend/sealed -run TestVectors -update; checked in Go and TypeScript.",
		PrivateKey: hex.EncodeToString(keys.Bytes()),
		PublicKey:  hex.EncodeToString(keys.Public()),
		ID:         id,
		Secret:     secret.Reveal(),
		Ephemeral:  hex.EncodeToString(ephemeralBytes),
		Opening:    hex.EncodeToString(opening),
		Salt:       hex.EncodeToString(host.salt),
	}
	for _, base := range []string{"http://localhost:7674", "https://porch.example"} {
		v.Addresses = append(v.Addresses, addressVector{Address: Address(base, id, secret), Base: base})
	}
	for _, bad := range []string{
		"https://porch.example/j/" + string(id),
		"https://porch.example/j/" + string(id) + "#" + secret.Reveal()[1:],
		"https://porch.example/j/" + string(id) + "#" + strings.Repeat("A", 21) + "B",
		"https://porch.example/j/" + string(id[1:]) + "#" + secret.Reveal(),
		"https://porch.example/#" + secret.Reveal(),
	} {
		v.Addresses = append(v.Addresses, addressVector{Address: bad, Fault: fault.LinkMalformed})
	}

	sealed := map[string][][]byte{}
	for _, f := range []struct{ from, plain string }{
		{"guest", `{"type":"hello"}`},
		{"host", `{"type":"welcome"}`},
		{"host", ""},
		{"guest", "Grüße, 世界"},
		{"guest", strings.Repeat("x", 1000)},
		{"host", "last"},
		{"guest", "last"},
	} {
		from, to := guest, host
		if f.from == "host" {
			from, to = host, guest
		}
		frame := seal(t, from, f.plain)
		open(t, to, frame, f.plain)
		sealed[f.from] = append(sealed[f.from], frame)
		v.Frames = append(v.Frames, frameVector{f.from, hex.EncodeToString([]byte(f.plain)), hex.EncodeToString(frame)})
	}

	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
	toGuest, toHost := sealed["host"], sealed["guest"]
	refuse := func(name, to string, after int, frame []byte, code fault.Code) {
		v.Refused = append(v.Refused, refusedVector{name, to, after, hex.EncodeToString(frame), code})
	}
	refuse("first frame cut into the salt", "guest", 0, toGuest[0][:saltSize-1], fault.FrameTruncated)
	refuse("first frame without room for the tag", "guest", 0, toGuest[0][:saltSize+numberSize+tagSize-1], fault.FrameTruncated)
	refuse("another salt", "guest", 0, flip(toGuest[0], 0), fault.SealBroken)
	refuse("second frame first", "guest", 0, append(bytes.Clone(toGuest[0][:saltSize]), toGuest[1]...), fault.FrameOutOfOrder)
	refuse("replayed", "guest", 2, toGuest[1], fault.FrameReplayed)
	refuse("one missing before", "guest", 1, toGuest[2], fault.FrameOutOfOrder)
	refuse("empty", "guest", 1, nil, fault.FrameTruncated)
	refuse("last byte missing", "guest", 2, toGuest[2][:len(toGuest[2])-1], fault.SealBroken)
	refuse("tag changed", "guest", 2, flip(toGuest[2], -1), fault.SealBroken)
	refuse("text changed", "guest", 2, flip(toGuest[2], numberSize), fault.SealBroken)
	refuse("the guest's own frame", "guest", 1, toHost[1], fault.SealBroken)
	refuse("replayed", "host", 2, toHost[1], fault.FrameReplayed)
	refuse("one missing before", "host", 1, toHost[2], fault.FrameOutOfOrder)
	refuse("empty", "host", 0, nil, fault.FrameTruncated)
	refuse("first frame changed", "host", 0, flip(toHost[0], numberSize), fault.SealBroken)
	refuse("last byte missing", "host", 1, toHost[1][:len(toHost[1])-1], fault.SealBroken)

	for _, reason := range []string{NoteSpent, NoteRemoved} {
		note, err := SealNote(secret, id, reason)
		if err != nil {
			t.Fatal(err)
		}
		v.Notes = append(v.Notes, noteVector{Reason: reason, Note: hex.EncodeToString(note[:])})
	}
	spent, _ := SealNote(secret, id, NoteSpent)
	for _, bad := range [][]byte{make([]byte, NoteSize), spent[:NoteSize-1], flip(spent[:], -1)} {
		v.Notes = append(v.Notes, noteVector{Note: hex.EncodeToString(bad), Fault: fault.LinkUnavailable})
	}
	return v
}

// TestVectors checks that this package makes the file, byte for byte, and reads
// it with the results that it names.
func TestVectors(t *testing.T) {
	want, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, want) {
		t.Errorf("%s is not what this package makes: the wire format changed (then raise the version) or the file did", vectorsFile)
	}
	var v vectors
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	keys, err := ParseLinkKeys(unhex(t, v.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	if keys.ID() != v.ID || !bytes.Equal(keys.Public(), unhex(t, v.PublicKey)) {
		t.Error("the keys have another id or public key")
	}
	if e, err := ecdh.P256().NewPrivateKey(unhex(t, v.Ephemeral)); err != nil || !bytes.Equal(e.PublicKey().Bytes(), unhex(t, v.Opening)) {
		t.Error("the opening is not the ephemeral key's public half")
	}
	for _, a := range v.Addresses {
		base, id, secret, err := ParseAddress(a.Address)
		if fault.CodeOf(err) != a.Fault || base != a.Base {
			t.Errorf("address %s: base %q, %v", a.Address, base, err)
		}
		if err == nil && (id != v.ID || secret.Reveal() != v.Secret) {
			t.Errorf("address %s: another id or secret", a.Address)
		}
	}
	t.Run("conversation", func(t *testing.T) { v.replay(t, keys) })
	for _, r := range v.Refused {
		t.Run("refused by "+r.To+"/"+r.Name, func(t *testing.T) {
			end, from := v.host(t, keys), "guest"
			if r.To == "guest" {
				end, from = v.guest(t), "host"
			}
			for _, f := range v.from(from)[:r.After] {
				open(t, end, unhex(t, f.Frame), string(unhex(t, f.Plain)))
			}
			_, err := end.Open(unhex(t, r.Frame))
			wantCode(t, err, r.Fault)
		})
	}
	secret, err := ParseSecret(v.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range v.Notes {
		reason, err := OpenNote(secret, v.ID, unhex(t, n.Note))
		if reason != n.Reason || fault.CodeOf(err) != n.Fault {
			t.Errorf("note %s: %q, %v", n.Note, reason, err)
		}
	}
}

func (v *vectors) host(t *testing.T, keys LinkKeys) *Channel {
	t.Helper()
	host, err := openHost(keys, unhex(t, v.Opening), unhex(t, v.Salt))
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// guest returns the guest's end, with the file's ephemeral key.
func (v *vectors) guest(t *testing.T) *Channel {
	t.Helper()
	cryptotest.SetGlobalRandom(t, ephemeralSeed)
	opening, guest, err := OpenGuest(unhex(t, v.PublicKey), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(opening) != v.Opening {
		t.Fatal("another opening")
	}
	return guest
}

func (v *vectors) from(end string) (frames []frameVector) {
	for _, f := range v.Frames {
		if f.From == end {
			frames = append(frames, f)
		}
	}
	return frames
}

// replay opens the guest's frames of the file and seals the host's.
func (v *vectors) replay(t *testing.T, keys LinkKeys) {
	host := v.host(t, keys)
	for i, f := range v.Frames {
		if f.From == "guest" {
			open(t, host, unhex(t, f.Frame), string(unhex(t, f.Plain)))
			continue
		}
		if got := seal(t, host, string(unhex(t, f.Plain))); !bytes.Equal(got, unhex(t, f.Frame)) {
			t.Errorf("frame %d is sealed differently", i)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
