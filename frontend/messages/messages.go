// Package messages has the texts that Porch itself says to the operating system
// and to other programs, in all languages: system/LOCALE.json. The pages have
// their own texts, beside them.
package messages

import (
	"embed"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

//go:embed system/*.json
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
	if b, err := files.ReadFile("system/" + locale + ".json"); err == nil {
		_ = json.Unmarshal(b, &t) // TestTexts reads all of them
	}
	return t
}

// With returns the text of key with a value in the place of {name}.
func (t Texts) With(key, name, value string) string {
	return strings.ReplaceAll(t[key], "{"+name+"}", value)
}

// Count is With for the number {count}.
func (t Texts) Count(key string, n int) string { return t.With(key, "count", strconv.Itoa(n)) }
