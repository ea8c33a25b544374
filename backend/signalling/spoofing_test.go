package signalling

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spoof is one line of testdata/spoofing.json: what a stranger may give as a name.
type spoof struct {
	What    string
	Name    string
	Repeat  int    // so many times Name; 0 for once
	Flag    string // "same" or "like" as Known; "" for neither
	Known   string
	Refused bool // no name at all
}

// TestSpoofedNames shows names that were made to be taken for others, or to be more than text.
func TestSpoofedNames(t *testing.T) {
	b, err := os.ReadFile("testdata/spoofing.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []spoof
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Errorf("%d names", len(all))
	}
	for _, s := range all {
		name := CleanName(strings.Repeat(s.Name, max(1, s.Repeat)))
		if refused := (Knock{Name: name}).Validate() != nil; refused != s.Refused {
			t.Errorf("%s: refused: %v", s.What, refused)
		}
		if s.Refused {
			continue
		}
		for _, r := range name {
			if unicode.In(r, unicode.Bidi_Control, unicode.Cc, unicode.Zl, unicode.Zp) {
				t.Errorf("%s: %q has %U", s.What, name, r)
			}
		}
		shape, known := ShapeOf(name), ShapeOf(s.Known)
		flag := ""
		switch {
		case shape.Same(known):
			flag = "same"
		case shape.Alike(known):
			flag = "like"
		}
		if flag != s.Flag {
			t.Errorf("%s: %q is %q as %q, want %q", s.What, name, flag, s.Known, s.Flag)
		}
	}
}

// TestTheListOfLetters reads all of confusables.txt.
func TestTheListOfLetters(t *testing.T) {
	looks := listed()
	if len(looks) < 1500 {
		t.Errorf("%d letters", len(looks))
	}
	for letter, to := range looks {
		if letter < 0x80 || to == "" || norm.NFKC.String(string(letter)) != string(letter) {
			t.Errorf("%U looks like %q", letter, to)
		}
	}
}
