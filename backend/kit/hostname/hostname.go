// Package hostname reads and shows names of machines, as people type them, in any
// script, and as the network has them, in ASCII (IDNA, RFC 5890). It resolves no
// names.
package hostname

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Limits in bytes. Those of a name in ASCII and of its labels are RFC 1035's
// (section 2.3.4). A typed name may not be longer either, because reading one
// takes work that grows with its square.
const (
	maxName  = 253
	maxLabel = 63
	maxTyped = 1024
)

// ASCII returns a machine's name, or its IP address, as the network has it: in
// small letters, with names of other scripts in punycode as browsers write them
// (UTS #46, not transitional). ok is false for what is neither.
func ASCII(typed string) (name string, ok bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	name = strings.ToLower(typed)
	if a, err := netip.ParseAddr(name); err == nil {
		if a.Zone() != "" {
			return "", false
		}
		return name, true
	}
	if !isASCII(name) {
		var err error
		if name, err = idna.Lookup.ToASCII(typed); err != nil {
			return "", false
		}
		for label := range strings.SplitSeq(name, ".") {
			if len(label) > maxLabel {
				return "", false
			}
		}
	}
	if name == "" || len(name) > maxName {
		return "", false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return "", false
		}
	}
	return name, true
}

// Shown returns a name in ASCII as a person reads it: in its own script if none
// of its labels can be taken for another, and unchanged otherwise. [ASCII] reads
// the result as the same name.
func Shown(name string) string {
	if len(name) > maxName || !strings.Contains(name, "xn--") {
		return name
	}
	shown, err := idna.Lookup.ToUnicode(name)
	if err != nil {
		return name
	}
	for label := range strings.SplitSeq(shown, ".") {
		if !isASCII(label) && !isPlain(label) {
			return name
		}
	}
	if again, ok := ASCII(shown); !ok || again != name {
		return name
	}
	return shown
}

// plain are the scripts in which names are shown. Scripts of one row are written
// together.
var plain = [][]*unicode.RangeTable{
	{latin},
	{unicode.Cyrillic},
	{unicode.Greek},
	{unicode.Han, unicode.Hiragana, unicode.Katakana, longVowel},
	{unicode.Han, unicode.Bopomofo},
	{unicode.Hangul, unicode.Han},
	{unicode.Arabic}, {unicode.Bengali}, {unicode.Devanagari}, {unicode.Georgian}, {unicode.Gujarati},
	{unicode.Gurmukhi}, {unicode.Hebrew}, {unicode.Kannada}, {unicode.Khmer}, {unicode.Lao}, {unicode.Malayalam},
	{unicode.Sinhala}, {unicode.Tamil}, {unicode.Telugu}, {unicode.Thai},
}

var (
	// latin are the letters of Europe's and Vietnam's alphabets whose marks are
	// easy to see, without the dotless i and others that look like ASCII.
	latin = &unicode.RangeTable{
		R16: []unicode.Range16{
			{Lo: 'a', Hi: 'z', Stride: 1},
			{Lo: 0x00DF, Hi: 0x00F6, Stride: 1},
			{Lo: 0x00F8, Hi: 0x0130, Stride: 1},
			{Lo: 0x0132, Hi: 0x0137, Stride: 1},
			{Lo: 0x0139, Hi: 0x013E, Stride: 1},
			{Lo: 0x0141, Hi: 0x0148, Stride: 1},
			{Lo: 0x014A, Hi: 0x017E, Stride: 1},
			{Lo: 0x01A1, Hi: 0x01B0, Stride: 15}, // ơ, ư
			{Lo: 0x0219, Hi: 0x021B, Stride: 2},  // ș, ț
			{Lo: 0x1EA1, Hi: 0x1EF9, Stride: 1},  // Vietnam's
		},
		LatinOffset: 2,
	}
	longVowel = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 'ー', Hi: 'ー', Stride: 1}}}
)

// lookalikes are Cyrillic and Greek letters that may be read as Latin ones, and of
// the other scripts the strokes and circles that may be read as l and o. A label
// of such letters alone imitates a Latin one.
const lookalikes = "асԁеһіјӏорԗԛѕԝхуъьҽпгѵѡкмтвнзбөүқңғҝэ" + "αικνρυωηοτχγεβμζσς" +
	"\u05d5\u05d8\u05df\u05e1" + // Hebrew vav, tet, final nun, samekh
	"\u0627\u0647" + // Arabic alef, heh
	"\u0966\u09e6\u0a66\u0ae6\u0c66\u0ce6\u0d66\u0e50\u0ed0" + // the zeros of India, Thailand and Laos
	"\u0d20\u10ff" + // Malayalam ttha, Georgian labial sign
	"\u1175" // the Hangul vowel i by itself

// isPlain reports whether a label is of one script and does not look like one of
// another.
func isPlain(label string) bool {
	letters := strings.Map(func(r rune) rune {
		if r == '-' || '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, label)
	imitates := !strings.ContainsFunc(letters, func(r rune) bool { return !strings.ContainsRune(lookalikes, r) })
	return !imitates && slices.ContainsFunc(plain, func(scripts []*unicode.RangeTable) bool {
		return !strings.ContainsFunc(letters, func(r rune) bool { return !unicode.In(r, scripts...) })
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
