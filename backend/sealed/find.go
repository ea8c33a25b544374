package sealed

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFindText bounds the text that is searched for an address, in bytes. It is
// above every wrapper that a mail scanner makes of one.
const maxFindText = 8192

// maxUnwrap is how often an address may have been percent-encoded.
const maxUnwrap = 5

var (
	encodedRun  = regexp.MustCompile(`(?:%[0-9A-Fa-f]{2})+`)
	entityHash  = regexp.MustCompile(`(?i)&(?:#35|#x23|num);`)
	quotedHash  = regexp.MustCompile(`=23([\w-]{22})`)
	linkPath    = regexp.MustCompile(`(?i)/j/`)
	baseBefore  = regexp.MustCompile(`(?i)https?://[^/?#@%\\"'<>()]+/*$`)
	beforeID    = regexp.MustCompile(`^[^\w#?&-]+`)
	beforeWord  = regexp.MustCompile(`^[^\w-]+`)
	betweenWord = regexp.MustCompile(`[^\w=-]+`)
)

// found is what a text holds of an address. It is untrusted and secret.
type found struct {
	base       string // "" for none
	id, secret string // "" when missing, or not whole
}

// find looks for an address in what mail scanners, chats and people make of it:
// encoded, once or often; wrapped; with something before, between or behind its
// parts. findAddress of frontend/src/transport does the same, and both check
// testdata/addresses.json.
func find(text string) found {
	text = unwrapped(text)
	for _, at := range linkPath.FindAllStringIndex(text, -1) {
		rest := beforeID.ReplaceAllString(text[at[1]:], "")
		id := whole(rest)
		if id == "" {
			continue
		}
		return found{
			base:   strings.TrimRight(baseBefore.FindString(text[:at[0]]), "/"),
			id:     id,
			secret: secretIn(rest[len(id):]),
		}
	}
	_, fragment, _ := strings.Cut(text, "#")
	return found{secret: secretIn(fragment)}
}

// unwrapped undoes encodings, and leaves out characters that show nothing.
func unwrapped(text string) string {
	for range maxUnwrap {
		next := encodedRun.ReplaceAllStringFunc(text, func(run string) string {
			if plain, err := url.PathUnescape(run); err == nil && utf8.ValidString(plain) {
				return plain
			}
			return run
		})
		next = entityHash.ReplaceAllString(next, "#")
		if next == text {
			break
		}
		text = next
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		case r >= 0x2010 && r <= 0x2013 || r == 0x2212: // hyphens, and what programs make of them
			b.WriteByte('-')
		case r == 0x2014:
			b.WriteString("--")
		case r == 0xff03:
			b.WriteByte('#')
		default:
			b.WriteRune(r)
		}
	}
	return quotedHash.ReplaceAllString(b.String(), "#$1")
}

// whole returns the 16 bytes of base64url with which a text begins, or "".
func whole(text string) string {
	const size = 22
	if len(text) < size {
		return ""
	}
	if _, ok := decode64(text[:size], linkIDSize); !ok {
		return ""
	}
	return text[:size]
}

// secretIn looks for the secret in what follows an id.
func secretIn(rest string) string {
	before, behind, _ := strings.Cut(rest, "#")
	// Behind the "#", or whatever stands in its place.
	for _, part := range append(strings.Split(behind, "#"), before) {
		if secret := whole(beforeWord.ReplaceAllString(part, "")); secret != "" {
			return secret
		}
	}
	// Behind a word that was put before it.
	for _, word := range betweenWord.Split(rest, -1) {
		if secret := whole(word); secret == word && secret != "" {
			return secret
		}
	}
	return ""
}
