package handover

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"":                       "Porch call.ics",
		"Grandma's 80th 🎂":       "Grandma's 80th 🎂.ics",
		"../../etc/passwd":       "etc-passwd.ics",
		`C:\Windows\x`:           "C--Windows-x.ics",
		"-rf":                    "rf.ics",
		".hidden":                "hidden.ics",
		"...":                    "Porch call.ics",
		"what? \"when\" <b>|*":   "what- -when- -b.ics",
		"two\nlines\x00":         "twolines.ics",
		"evil\u202Esci.exe":      "evilsci.exe.ics",
		"con":                    "_con.ics",
		"COM7":                   "_COM7.ics",
		"nul.txt":                "_nul.txt.ics",
		"Console":                "Console.ics",
		"\xff\xfe":               "Porch call.ics",
		strings.Repeat("x", 500): strings.Repeat("x", 120) + ".ics",
		strings.Repeat("🎂", 64):  strings.Repeat("🎂", 30) + ".ics",
	} {
		if got := FileName(name, ".ics"); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("Porch call")
	f.Add("aux .txt/..\\\x7f ")
	f.Fuzz(func(t *testing.T, name string) {
		got := FileName(name, ".ics")
		if !utf8.ValidString(got) || len(got) > maxFileName+5 || strings.ContainsAny(got, "/\\:*?\"<>|\x00\n\r") || strings.HasPrefix(got, ".") || strings.HasPrefix(got, "-") {
			t.Errorf("%q became %q", name, got)
		}
	})
}
