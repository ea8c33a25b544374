package updates

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/fault"
)

// A list is a text of two parts. The first line is "porch-versions-1" and the signature in base64. What follows is the
// list as JSON, which the signature is over, after the context.
const (
	magic  = "porch-versions-1 "
	spoken = "porch versions 1\n" // what else the key may sign is not a list
)

// Bounds on a list of ours. One that is larger is refused before it is read.
const (
	MaxList     = 64 << 10 // bytes
	maxVersions = 32
	maxChanges  = 4 << 10 // bytes of one version
	maxPage     = 512     // bytes of an address
)

// List is what is signed.
type List struct {
	// Serial grows with each list. A list with a lower one than was seen before is an old one that somebody keeps up.
	Serial   int64     `json:"serial"`
	Expires  time.Time `json:"expires"`
	Versions []Version `json:"versions"`
}

// Version is a published version of Porch.
type Version struct {
	Number  string `json:"number"`  // SemVer
	Changes string `json:"changes"` // plain text
	Page    string `json:"page"`    // where it can be downloaded; at the list's own origin
}

// Sign returns a list in the form in which it is published.
func Sign(l List, key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("updates: %w", err)
	}
	signature := ed25519.Sign(key, append([]byte(spoken), body...))
	return append([]byte(magic+base64.StdEncoding.EncodeToString(signature)+"\n"), append(body, '\n')...), nil
}

// Read returns a list if key signed it, it has not expired at now, and all its pages are at place's origin. Faults:
// VersionsTampered, VersionsOld, VersionsElsewhere.
func Read(published []byte, key ed25519.PublicKey, place string, now time.Time) (List, error) {
	line, body, ok := bytes.Cut(published, []byte("\n"))
	text, signed := strings.CutPrefix(string(line), magic)
	signature, err := base64.StdEncoding.Strict().DecodeString(text)
	body = bytes.TrimSuffix(body, []byte("\n"))
	if !ok || !signed || err != nil || len(key) != ed25519.PublicKeySize ||
		!ed25519.Verify(key, append([]byte(spoken), body...), signature) {
		return List{}, fault.Newf(fault.VersionsTampered, "the signature does not fit")
	}
	var l List
	if err := json.Unmarshal(body, &l); err != nil {
		return List{}, fault.New(fault.VersionsTampered, err)
	}
	if len(l.Versions) > maxVersions {
		return List{}, fault.Newf(fault.VersionsTampered, "%d versions", len(l.Versions))
	}
	if now.After(l.Expires) {
		return List{}, fault.Newf(fault.VersionsOld, "expired at %v", l.Expires)
	}
	for i, v := range l.Versions {
		if _, ok := parse(v.Number); !ok || len(v.Changes) > maxChanges || !utf8.ValidString(v.Changes) {
			return List{}, fault.Newf(fault.VersionsTampered, "version %d is not one", i)
		}
		if !sameOrigin(v.Page, place) {
			return List{}, fault.Newf(fault.VersionsElsewhere, "the page of version %d is at another place", i)
		}
		l.Versions[i].Changes = plain(v.Changes)
	}
	return l, nil
}

// plain drops control characters, but for ends of lines.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, s)
}

// sameOrigin reports whether both are addresses of the same server over TLS. A page is opened by the system, so it must
// be nothing but an address of the web.
func sameOrigin(page, place string) bool {
	a, err := url.Parse(page)
	if err != nil || len(page) > maxPage || a.Scheme != "https" || a.User != nil || a.RawQuery != "" || a.Fragment != "" {
		return false
	}
	b, err := url.Parse(place)
	return err == nil && a.Host != "" && a.Host == b.Host
}

// newest returns the highest version of a list that is newer than own. ok is false if there is none. Versions before a
// release ("1.2.0-rc1") are never offered, and whoever runs one is offered what is at least as high.
func (l List) newest(own string) (best Version, ok bool) {
	mine, known := parse(own)
	if !known {
		return Version{}, false
	}
	for _, v := range l.Versions {
		n, _ := parse(v.Number)
		if n.before || !n.above(mine) {
			continue
		}
		if b, _ := parse(best.Number); !ok || n.above(b) {
			best, ok = v, true
		}
	}
	return best, ok
}

type number struct {
	parts  [3]int
	before bool // before the release of that number: SemVer's "-"
}

// above compares as SemVer does, but for the order among versions before one release.
func (n number) above(m number) bool {
	for i := range n.parts {
		if n.parts[i] != m.parts[i] {
			return n.parts[i] > m.parts[i]
		}
	}
	return m.before && !n.before
}

func parse(s string) (n number, ok bool) {
	s, _, _ = strings.Cut(s, "+")
	s, _, n.before = strings.Cut(strings.TrimPrefix(s, "v"), "-")
	parts := strings.Split(s, ".")
	if len(parts) != len(n.parts) {
		return n, false
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return n, false
		}
		n.parts[i] = int(v)
	}
	return n, true
}
