package signalling

import (
	"encoding/json"
	"os"
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
		{"joiners in a row", "ක්\u200D\u200D\u200Dෂ", "ක්\u200Dෂ"},
		{"joiner where it changes nothing", "a\u200Db\u200Cc", "abc"},
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

// TestNames has the table that the guest page's test checks as well
// (frontend/guest/names.test.ts): what a name becomes, how many characters people
// count in it, and whether it is valid.
func TestNames(t *testing.T) {
	b, err := os.ReadFile("testdata/names.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []struct {
		Name, Clean string
		Characters  int
		Valid       bool
	}
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		clean := CleanName(n.Name)
		if clean != n.Clean {
			t.Errorf("%+q is cleaned to %+q, want %+q", n.Name, clean, n.Clean)
		}
		if got := Characters(clean); got != n.Characters {
			t.Errorf("%+q has %d characters, want %d", n.Name, got, n.Characters)
		}
		if err := checkName(clean); (err == nil) != n.Valid {
			t.Errorf("%+q: %v, want valid %v", n.Name, err, n.Valid)
		}
	}
}

func TestShapes(t *testing.T) {
	for _, same := range [][2]string{
		{"Grandma", "grandma"}, {"Grandma", "Grand\u200Dma"}, {"Grandma", "Grandma\uFE0F"}, {"Grandma", "Grandma\U000E01F0"},
		{"Grandma", "Gra\u2065ndma"}, {"Grandma", "Ｇｒａｎｄｍａ"}, {"Grandma", "𝐆randma"}, {"Grandma", " Grandma\u00A0"}, {"Strasse", "Straße"},
		{"José", "Jose\u0301"}, {"ΑΘΗΝΆΣ", "αθηνάς"}, {"Ada Lovelace", "ada\u2003 LOVELACE"}, {"각", "\u1100\u1161\u11A8"},
	} {
		if !ShapeOf(same[0]).Same(ShapeOf(same[1])) || !ShapeOf(same[0]).Alike(ShapeOf(same[1])) {
			t.Errorf("%+q and %+q are read as the same", same[0], same[1])
		}
	}
	for _, alike := range [][2]string{
		{"Anna", "\u0410nn\u0430"}, {"Peter", "\u0420eter"}, {"Alice", "AIice"}, {"Bill", "Bi1l"}, {"Jose", "José"}, {"Tom", "T0m"},
		{"Tom", "Torn"}, {"Ada Lovelace", "Ada_Lovelace"}, {"Ada", "Ada."},
	} {
		if x, y := ShapeOf(alike[0]), ShapeOf(alike[1]); x.Same(y) || !x.Alike(y) {
			t.Errorf("%+q and %+q look alike, and are not the same", alike[0], alike[1])
		}
	}
	for _, other := range [][2]string{
		{"Anna", "Hanna"}, {"Anna", "Anna (2)"}, {"Tom", "Tim"}, {"राम", "रमा"}, {"李", "林"}, {"", ""}, {"\u200B", "\u3164"},
	} {
		if x, y := ShapeOf(other[0]), ShapeOf(other[1]); x.Same(y) || x.Alike(y) {
			t.Errorf("%+q and %+q are taken for each other", other[0], other[1])
		}
	}
}

func TestDistinct(t *testing.T) {
	long := strings.Repeat("x", MaxName)
	for _, test := range []struct {
		name  string
		taken []string
		want  string
	}{
		{"Anna", nil, "Anna"},
		{"Anna", []string{"Bob", ""}, "Anna"},
		{"Anna", []string{"anna"}, "Anna (2)"},
		{"Anna", []string{"Anna", "Anna (2)"}, "Anna (3)"},
		{"Anna (2)", []string{"Anna", "Anna (2)"}, "Anna (2) (2)"},
		{long, []string{long}, long[4:] + " (2)"},
		{strings.Repeat("🇨🇭", 64), []string{strings.Repeat("🇨🇭", 64)}, strings.Repeat("🇨🇭", 60) + " (2)"},
	} {
		got := Distinct(test.name, test.taken)
		if got != test.want || checkName(got) != nil {
			t.Errorf("%q beside %q is %q, want %q", test.name, test.taken, got, test.want)
		}
	}
}
