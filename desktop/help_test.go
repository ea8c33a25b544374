package desktop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHelpNamesWhatMaySet reads the app's sources for variables of Porch's own.
func TestHelpNamesWhatMaySet(t *testing.T) {
	asked := regexp.MustCompile(`Getenv\("(PORCH_[A-Z_]+)"\)`)
	found := map[string]bool{}
	for _, pattern := range []string{"../*.go", "*.go", "../backend/*.go", "../backend/store/*.go", "../backend/relay/*.go", "../backend/host/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range asked.FindAllStringSubmatch(string(b), -1) {
				found[name[1]] = true
			}
		}
	}
	if len(found) < 3 {
		t.Fatalf("found %v: the sources were not found", found)
	}
	for name := range found {
		if !strings.Contains(Help, name) {
			t.Errorf("porch --help does not name %s", name)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}} {
		if !HelpAsked(args) {
			t.Errorf("%v does not ask for help", args)
		}
	}
	if HelpAsked([]string{"--background"}) || !Background([]string{"--background"}) || Background(nil) {
		t.Error("--background is not understood")
	}
}

func TestSpeech(t *testing.T) {
	a := New(nil, nil)
	if got := a.speech(); got.Notes.LetIn != "Let in" || got.Unnamed != "Porch call" {
		t.Errorf("before the page has spoken: %+v", got)
	}
	a.Speak("de")
	got := a.speech()
	if got.Notes.Decline != "Ablehnen" || got.Notes.LooksLike("Ada") != "Sieht aus wie Ada" || !strings.Contains(got.Invitation, "{url}") {
		t.Errorf("in German: %+v", got)
	}
	a.Speak("../../etc/passwd")
	if got := a.speech(); got.Notes.LetIn != "Let in" {
		t.Errorf("in no language: %+v", got)
	}
}
