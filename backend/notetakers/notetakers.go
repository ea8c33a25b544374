// Package notetakers says when a knock looks like that of a note-taking bot. It is a hint for the host, never a verdict:
// nobody is refused because of it. The names are data, with their sources, in known.json.
package notetakers

import (
	_ "embed"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Reasons for a hint.
const (
	ByName    = "name"      // the name is one under which such bots join
	Automated = "automated" // a program drives the browser
	Punctual  = "punctual"  // neither camera nor microphone, and it knocks on the minute of a calendar
)

// Knock is what is seen of a guest who knocks.
type Knock struct {
	Name      string
	Automated bool
	Bare      bool      // neither camera nor microphone
	At        time.Time // on the host's clock
}

// onTime is how close to a calendar's minute a knock must be. Calendars begin every quarter of an hour.
const (
	onTime  = 15 * time.Second
	quarter = 15 * time.Minute
)

// Hint returns the best reason to take a knock for that of a note-taking bot, "" for none.
func Hint(k Knock) string {
	switch {
	case named(k.Name):
		return ByName
	case k.Automated:
		return Automated
	case k.Bare && punctual(k.At):
		return Punctual
	}
	return ""
}

func punctual(at time.Time) bool {
	// Time zones differ from UTC by whole quarters of an hour.
	past := time.Duration(at.UnixNano()) % quarter
	return past <= onTime || quarter-past <= onTime
}

// named reports whether one of the phrases stands in the name, as words of their own at its beginning.
func named(name string) bool {
	name = strings.ToLower(norm.NFKC.String(name))
	for _, p := range phrases {
		for at := 0; ; at++ {
			i := strings.Index(name[at:], p)
			if i < 0 {
				break
			}
			at += i
			before := strings.TrimRightFunc(name[:at], func(r rune) bool { return !unicode.IsLetter(r) })
			if len(before) < at || at == 0 {
				return true
			}
		}
	}
	return false
}

//go:embed known.json
var known []byte

var phrases = func() []string {
	var data struct {
		Phrases []struct{ Text string }
	}
	if err := json.Unmarshal(known, &data); err != nil {
		panic("notetakers: known.json: " + err.Error()) // a test reads it
	}
	texts := make([]string, len(data.Phrases))
	for i, p := range data.Phrases {
		texts[i] = p.Text
	}
	return texts
}()
