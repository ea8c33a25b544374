package signalling

import (
	"strings"
	"testing"
)

func TestCleanName(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", "Ada Lovelace", "Ada Lovelace"},
		{"trimmed", "  Ada\t\n Lovelace\u3000", "Ada Lovelace"},
		{"control characters", "A\x00d\x1ba\x7f\u0085", "Ada"},
		{"bidi override", "Ada\u202Egnp.exe", "Adagnp.exe"},
		{"bidi isolates and marks", "\u2066A\u2069\u200Ed\u200Fa\u061C", "Ada"},
		{"zero-width space, word joiner, BOM", "A\u200Bd\u2060a\uFEFF", "Ada"},
		{"soft hyphen", "A\u00ADda", "Ada"},
		{"Hangul fillers", "\u3164Ada\u115F\u1160\uFFA0", "Ada"},
		{"braille blank", "\u2800", ""},
		{"noncharacters", "\uFFFFA\uFFFEd\uFDD0\uFDEFa\U0001FFFE\U0010FFFF", "Ada"},
		{"private use", "Ada\uE000\U000F0000", "Ada"},
		{"line separator", "Ada\u2028Lovelace", "Ada Lovelace"},
		{"family emoji", "👩\u200D👩\u200D👧", "👩\u200D👩\u200D👧"},
		{"Persian with ZWNJ", "نمی\u200Cخواهم", "نمی\u200Cخواهم"},
		{"joiners alone", "\u200D\u200C\u200D", ""},
		{"joiners in a row", "a\u200D\u200D\u200Db", "a\u200Db"},
		{"joiner at the end", "Ada\u200D", "Ada"},
		{"variation selector", "❤\uFE0F", "❤\uFE0F"},
		{"variation selectors in a row", "❤\uFE0F\uFE0F\uFE0F", "❤\uFE0F"},
		{"flag of Wales", "🏴\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F", "🏴\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F"},
		{"text hidden in tags", "Ada\U000E0041\U000E0042", "Ada"},
		{"text hidden behind a flag", "🏴" + strings.Repeat("\U000E0061", 50), "🏴" + strings.Repeat("\U000E0061", 6)},
		{"Vietnamese, decomposed", "Nguye\u0302\u0303n", "Nguye\u0302\u0303n"},
		{"pile of marks", "Z" + strings.Repeat("\u0351", 100) + "oe", "Z" + strings.Repeat("\u0351", 6) + "oe"},
		{"mark alone", "\u0301Ada", "Ada"},
		{"not UTF-8", "A\xffda", "A\uFFFDda"},
		{"Devanagari", "नमस्ते", "नमस्ते"},
		{"Thai", "น้ำ", "น้ำ"},
		{"Hebrew with points", "שָׁלוֹם", "שָׁלוֹם"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := CleanName(test.in); got != test.want {
				t.Errorf("got %+q, want %+q", got, test.want)
			}
		})
	}
}

func TestCleanText(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"lines", "a\r\nb\rc\n\nd", "a\nb\nc\n\nd"},
		{"indented", "if x:\n    y", "if x:\n    y"},
		{"tab", "a\tb", "a b"},
		{"trimmed", "\n\n a \n", "a"},
		{"wall of nothing", "a" + strings.Repeat("\n \n", 500) + "b", "a\n\nb"},
		{"bidi override", "a\u202Eb", "ab"},
		{"escape sequence", "\x1b[31mred", "[31mred"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := CleanText(test.in); got != test.want {
				t.Errorf("got %+q, want %+q", got, test.want)
			}
		})
	}
}
