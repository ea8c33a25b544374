// Package messages has the texts that Porch itself says to the operating system
// and to other programs, in all languages: system/LOCALE.json. Of the host's
// page it has the texts too, for the sentences of faults that are said when there
// is no page.
package messages

import (
	"embed"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

//go:embed system/*.json host/*.json
var files embed.FS

// Texts are the texts of one language by their keys. A key that is not there is
// the empty string.
type Texts map[string]string

// In returns the texts of a language. What it lacks is English, and so is all of
// a language that there is not. The language may come from a page.
func In(locale string) Texts {
	texts := read("en")
	if strings.ContainsAny(locale, "/\\.") {
		return texts
	}
	maps.Copy(texts, read(locale))
	return texts
}

func read(locale string) Texts {
	t := Texts{}
	for _, folder := range []string{"host/", "system/"} {
		b, err := files.ReadFile(folder + locale + ".json")
		if err != nil {
			continue
		}
		var texts map[string]any
		_ = json.Unmarshal(b, &texts) // TestTexts reads all of them
		for key, text := range texts {
			if s, ok := text.(string); ok { // else it has plurals, which only pages say
				t[key] = s
			}
		}
	}
	return t
}

// Fault returns the sentence for a fault's code, such as "store-damaged", and ""
// if the page has none of its own.
func (t Texts) Fault(code string) string {
	return t["host_fault_"+strings.ReplaceAll(code, "-", "_")]
}

// With returns the text of key with a value in the place of {name}.
func (t Texts) With(key, name, value string) string {
	return strings.ReplaceAll(t[key], "{"+name+"}", value)
}

// Count is With for the number {count}.
func (t Texts) Count(key string, n int) string { return t.With(key, "count", strconv.Itoa(n)) }
