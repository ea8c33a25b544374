package messages

import (
	"encoding/json"
	"testing"
)

func TestTexts(t *testing.T) {
	found, err := files.ReadDir("system")
	if err != nil || len(found) < 2 {
		t.Fatalf("%d languages, %v", len(found), err)
	}
	for _, f := range found {
		b, err := files.ReadFile("system/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		var own Texts
		if err := json.Unmarshal(b, &own); err != nil {
			t.Errorf("%s: %v", f.Name(), err)
		}
	}
	if got := In("de")["system_let_in"]; got != "Hereinlassen" {
		t.Errorf("German: %q", got)
	}
	if got := In("de").With("system_looks_like", "name", "Ada"); got != "Sieht aus wie Ada" {
		t.Errorf("German: %q", got)
	}
	if got := In("en").Count("system_waiting", 3); got != "People waiting: 3" {
		t.Errorf("English: %q", got)
	}
	for _, code := range []string{"store-unavailable", "store-too-new", "store-in-use", "store-damaged", "port-taken"} {
		if de, en := In("de").Fault(code), In("en").Fault(code); de == "" || de == en {
			t.Errorf("%s: %q in German", code, de)
		}
	}
	if got := In("de").Fault("no-such-code"); got != "" {
		t.Errorf("no such code: %q", got)
	}
	for _, locale := range []string{"", "xx", "en-XA", "../../secret", "de/../de"} {
		if got := In(locale)["system_let_in"]; got != "Let in" {
			t.Errorf("%q: %q", locale, got)
		}
	}
}
