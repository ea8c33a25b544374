package signalling

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what people write. Names are counted in what people take for one
// character ([Characters]), texts in code points. Both are limited in bytes of
// UTF-8 as well, which bounds what one character may be made of.
const (
	MaxName      = 64
	MaxNameBytes = 512 // 8 for each character
	MaxText      = 2000
	MaxTextBytes = 4 * MaxText
)

// maxMarks is how many combining marks may stack on one character. Real writing
// systems stay below. More would draw over other people's lines.
const maxMarks = 6

// CleanName returns s as it may be shown beside other people's names: one line,
// trimmed, with runs of white space made one space. It removes control
// characters, invisible characters that turn the direction of what follows or
// that imitate other names, and piles of combining marks. Joiners and variation
// selectors that emoji and many scripts need stay behind a visible character of
// such a script. A name that is not empty shows something. The result may be
// empty or too long; Validate says so. CleanName is idempotent.
func CleanName(s string) string {
	return clean(s, false)
}

// CleanText returns s as it may be shown as a chat line. It cleans like
// [CleanName], but line breaks and runs of spaces stay, CRLF and CR become LF,
// and a tab becomes a space. CleanText is idempotent.
func CleanText(s string) string {
	return clean(s, true)
}

func clean(s string, lines bool) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if lines {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	var b strings.Builder
	b.Grow(len(s))
	var last rune // the last one written, 0 before the first
	var base rune // the last visible one written
	marks, tags := 0, 0
	for _, r := range s {
		kind := kindOf(r, lines)
		switch kind {
		case kindBreak:
			r = '\n'
		case kindSpace:
			r = ' '
			if !lines && (last == 0 || last == ' ') {
				continue
			}
		case kindJoiner: // one, and only after something visible
			if last == 0 || last == ' ' || last == '\n' || isJoiner(last) || unicode.In(base, unjoined...) {
				continue
			}
		case kindSelector:
			if last == 0 || last == ' ' || last == '\n' || unicode.Is(unicode.Variation_Selector, last) || base != '\u2139' && unicode.In(base, unvaried...) {
				continue
			}
		case kindTag: // only in the flag of a region
			if last != blackFlag && !isTag(last) || tags == maxTags {
				continue
			}
			tags++
		case kindMark:
			if last == 0 || last == ' ' || last == '\n' || marks == maxMarks {
				continue
			}
			marks++
		case kindHidden:
			continue
		case kindVisible:
			marks, tags, base = 0, 0, r
		}
		b.WriteRune(r)
		last = r
	}
	cleaned := b.String()
	if lines {
		cleaned = emptyLines.ReplaceAllString(cleaned, "\n\n")
	}
	return strings.TrimFunc(cleaned, func(r rune) bool { return unicode.IsSpace(r) || isJoiner(r) })
}

// emptyLines is more than one empty line in a row.
var emptyLines = regexp.MustCompile(`\n(?: *\n){2,}`)

const (
	blackFlag = '\U0001F3F4' // begins an emoji tag sequence (UTS #51 section 1.4.9)
	maxTags   = 6            // "gbeng" and the closing tag
)

type runeKind int

const (
	kindVisible runeKind = iota
	kindSpace
	kindBreak
	kindJoiner
	kindSelector
	kindTag
	kindMark
	kindHidden
)

func kindOf(r rune, lines bool) runeKind {
	switch {
	case lines && (r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085'):
		return kindBreak
	case unicode.IsSpace(r):
		return kindSpace
	case isJoiner(r):
		return kindJoiner
	case unicode.Is(unicode.Variation_Selector, r):
		return kindSelector
	case isTag(r):
		return kindTag
	case showsNothing(r):
		return kindHidden
	case unicode.In(r, unicode.Mn, unicode.Me):
		return kindMark
	}
	return kindVisible
}

// isJoiner reports whether r is the zero-width non-joiner or joiner.
func isJoiner(r rune) bool { return r == '\u200C' || r == '\u200D' }

// isTag reports whether r is one of the tag characters of emoji tag sequences
// (UTS #51 section 1.4.9).
func isTag(r rune) bool { return r >= 0xE0020 && r <= 0xE007F }

// showsNothing reports whether r leaves no mark of its own on a screen. With such
// characters a name could look empty, or like another. They are control, format,
// private and noncharacters, all that Unicode tells programs to ignore, assigned
// or not (Default_Ignorable_Code_Point), and letters and symbols that are blank.
func showsNothing(r rune) bool {
	switch r {
	case '\u2800', '\U00013441', '\U00013442', '\U0001D159':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs,
		unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

var (
	// unjoined are scripts in which a joiner changes nothing visible.
	unjoined = []*unicode.RangeTable{
		unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Georgian, unicode.Hebrew,
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Nd,
	}
	// unvaried are scripts that have no variants. (U+2139, the information
	// source, is Latin and an emoji.)
	unvaried = []*unicode.RangeTable{
		unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Georgian, unicode.Hebrew,
		unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Arabic,
	}
)

var (
	flags = regexp.MustCompile(`[\x{1F1E6}-\x{1F1FF}]{2}`)
	// joined is what belongs to the character before it.
	joined = regexp.MustCompile(`[\p{M}\x{200C}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}]|\x{200D}[^\p{L}\p{N}]?`)
)

// Characters counts what people take for one character: a letter with its
// marks, a flag, a family of emoji. It is near the extended grapheme clusters of
// UAX #29, and the same for the guest page (frontend/src/ui/names.ts), whatever
// version of Unicode a browser knows.
func Characters(s string) int {
	s = flags.ReplaceAllString(s, "a")
	if _, n := utf8.DecodeRuneInString(s); n > 0 { // no character stands before it to which it could belong
		s = "a" + s[n:]
	}
	return utf8.RuneCountInString(joined.ReplaceAllString(s, ""))
}

// cleaned returns m with cleaned names and texts, and with empty lists instead of
// nil, because a browser does not take null for a list.
func cleaned(m Message) Message {
	switch m := m.(type) {
	case Knock:
		m.Name = CleanName(m.Name)
		return m
	case Say:
		m.Text = CleanText(m.Text)
		return m
	case Word:
		m.Text = CleanText(m.Text)
		return m
	case Attach:
		m.Name = CleanName(m.Name)
		return m
	case Said:
		m.Lines = append([]SaidLine{}, m.Lines...)
		for i := range m.Lines {
			m.Lines[i].Text = CleanText(m.Lines[i].Text)
		}
		return m
	case Welcome:
		m.LinkName, m.HostName = CleanName(m.LinkName), CleanName(m.HostName)
		return m
	case Ended:
		m.Host = CleanName(m.Host)
		return m
	case Joined:
		m.Participant.Name = CleanName(m.Participant.Name)
		return m
	case Chat:
		m.Line = cleanedLine(m.Line)
		return m
	case Roster:
		m.Participants = append([]Participant{}, m.Participants...)
		for i := range m.Participants {
			m.Participants[i].Name = CleanName(m.Participants[i].Name)
		}
		m.Chat = append([]ChatLine{}, m.Chat...)
		for i := range m.Chat {
			m.Chat[i] = cleanedLine(m.Chat[i])
		}
		return m
	case Door:
		m.Requests = append([]Request{}, m.Requests...)
		for i := range m.Requests {
			m.Requests[i].Name = CleanName(m.Requests[i].Name)
		}
		return m
	case Tracks:
		if m.Slots == nil {
			m.Slots = []Slot{}
		}
		return m
	case View:
		if m.Tiles == nil {
			m.Tiles = []Tile{}
		}
		return m
	case Layers:
		if m.Video == nil {
			m.Video = []VideoLayer{}
		}
		return m
	case Line:
		if m.Paused == nil {
			m.Paused = []Pause{}
		}
		return m
	case Speaking:
		if m.IDs == nil {
			m.IDs = []string{}
		}
		return m
	case Fault:
		m.Message = CleanName(m.Message)
		return m
	}
	return m
}

func cleanedLine(l ChatLine) ChatLine {
	l.Name, l.Text = CleanName(l.Name), CleanText(l.Text)
	if l.File != nil {
		f := *l.File
		f.Name = CleanName(f.Name)
		l.File = &f
	}
	return l
}
