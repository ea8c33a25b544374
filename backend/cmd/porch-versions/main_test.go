package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAListIsMadeAndBelieved(t *testing.T) {
	var out bytes.Buffer
	say := func(private string, args ...string) (string, error) {
		out.Reset()
		err := run(args, private, &out)
		return out.String(), err
	}
	keys, err := say("", "key")
	fields := strings.Fields(keys)
	if err != nil || len(fields) != 4 {
		t.Fatalf("%q, %v", keys, err)
	}
	public, private := fields[1], fields[3]

	dir := t.TempDir()
	changes, list := filepath.Join(dir, "changes"), filepath.Join(dir, "versions")
	if err := os.WriteFile(changes, []byte("Ten languages."), 0o600); err != nil {
		t.Fatal(err)
	}
	const place = "https://porch.example/versions"
	add := func(version string, more ...string) (string, error) {
		return say(private, append([]string{"add", "-place", place, "-version", version, "-changes", changes, "-page", "https://porch.example/download"}, more...)...)
	}
	for i, version := range []string{"1.0.0", "1.1.0", "1.1.0"} {
		var more []string
		if i > 0 {
			more = []string{"-list", list}
		}
		text, err := add(version, more...)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := say("", "read", "-list", list, "-place", place, "-public", public)
	if err != nil || strings.Count(text, `"number"`) != 2 || !strings.Contains(text, "Ten languages.") {
		t.Errorf("%s, %v", text, err)
	}

	if _, err := add("one"); err == nil {
		t.Error("a version that is none is signed")
	}
	if _, err := say(private, "add", "-place", place, "-version", "1.2.0", "-changes", changes, "-page", "https://elsewhere.example/"); err == nil {
		t.Error("a page elsewhere is signed")
	}
	if _, err := say("AAAA", "add", "-changes", changes); err == nil {
		t.Error("half a key signs")
	}
}
