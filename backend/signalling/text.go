package signalling

import (
	"regexp"
	"strings"
	"unicode"
)

// Limits of what people write, in characters (code points) and in bytes of
// UTF-8. The second keeps astral-plane text from quadrupling a message.
const (
	MaxName      = 64
	MaxNameBytes = 4 * MaxName
	MaxText      = 2000
	MaxTextBytes = 4 * MaxText
)

// maxMarks is how many combining marks may stack on one character. Real
// writing systems stay below; more is an attempt to draw over other people's
// lines.
const maxMarks = 6

// CleanName returns s as it may be shown beside other people's names: one
// line, trimmed, runs of white space made one space, without control
// characters, without the invisible characters that turn the direction of what
// follows or that imitate other names, and without piles of combining marks.
// Joiners that emoji and many scripts need stay between visible characters.
// The result may be empty or too long; Validate says so. CleanName is
// idempotent.
func CleanName(s string) string {
	return clean(s, false)
}

// CleanText returns s as it may be shown as a chat line: as [CleanName], but
// line breaks and runs of spaces stay, CRLF and CR become LF, and a tab
// becomes a space. CleanText is idempotent.
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
			if last == 0 || last == ' ' || last == '\n' || isJoiner(last) {
				continue
			}
		case kindSelector:
			if last == 0 || last == ' ' || last == '\n' || unicode.Is(unicode.Variation_Selector, last) {
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
			marks, tags = 0, 0
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
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Noncharacter_Code_Point) || isBlank(r):
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

// isBlank reports whether r is a letter by its category and yet shows nothing,
// which would allow names that look empty or like another's.
func isBlank(r rune) bool {
	switch r {
	case '\u115F', '\u1160', '\u3164', '\uFFA0', '\u2800', '\u17B4', '\u17B5', '\u034F':
		return true
	}
	return false
}

// cleaned returns m with names and texts cleaned, and with empty lists where
// they are nil: null is not a list to a browser.
func cleaned(m Message) Message {
	switch m := m.(type) {
	case Knock:
		m.Name = CleanName(m.Name)
		return m
	case Say:
		m.Text = CleanText(m.Text)
		return m
	case Welcome:
		m.LinkName, m.HostName = CleanName(m.LinkName), CleanName(m.HostName)
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
	case Tracks:
		if m.Slots == nil {
			m.Slots = []Slot{}
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
	return l
}
