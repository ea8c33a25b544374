package handover

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSpoofedNames: whatever the name of a link is, a calendar file has the same lines, and its name is in none but the
// one for it; and the file's own name is no path.
func TestSpoofedNames(t *testing.T) {
	b, err := os.ReadFile("../signalling/testdata/spoofing.json")
	must(t, err)
	var names []struct {
		Name   string
		Repeat int
	}
	must(t, json.Unmarshal(b, &names))
	lines := func(name string) (properties []string) {
		e := Event{UID: "id", Name: name, Address: "https://porch.example/j/id#secret", Start: time.Unix(1_800_000_000, 0), Begun: time.Unix(1_700_000_000, 0), Made: time.Unix(1_700_000_001, 0)}
		file := string(Calendar(e))
		for line := range strings.SplitSeq(strings.ReplaceAll(file, "\r\n ", ""), "\r\n") {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("%q breaks a line", name)
			}
			property, _, _ := strings.Cut(line, ":")
			properties = append(properties, property)
		}
		return properties
	}
	plain := strings.Join(lines("Ada"), " ")
	for _, n := range names {
		name := strings.Repeat(n.Name, max(1, n.Repeat))
		if got := strings.Join(lines(name), " "); got != plain {
			t.Errorf("%q: %s", name, got)
		}
		if file := FileName(name, "ics"); strings.ContainsAny(file, "/\\\x00\r\n") || strings.HasPrefix(file, ".") || len(file) > 255 {
			t.Errorf("%q: the file %q", name, file)
		}
	}
}
