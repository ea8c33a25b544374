package relay

import (
	"strings"
	"testing"
)

func TestHostNames(t *testing.T) {
	for s, want := range map[string]bool{
		"porch": true, "my-mac.local": true, "": false, "-x": false, "x-": false, "a..b": false, "a b": false, "ü": false, "a;b": false,
		strings.Repeat("a.", 126) + "a": true, strings.Repeat("a.", 127) + "a": false,
	} {
		if IsHostName(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
