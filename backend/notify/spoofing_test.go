package notify

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// parts returns the elements and the texts of a document.
func parts(t *testing.T, doc string) (elements, texts []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, texts
		}
		if err != nil {
			t.Fatalf("%v in %q", err, doc)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements = append(elements, token.Name.Local)
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.EndElement:
		default:
			t.Fatalf("%T in %q", token, doc)
		}
	}
}

// TestSpoofedNames: whatever a stranger gives as a name, raw or cleaned, as the name of a guest or of a link, is text and
// nothing else in the notifications of all three systems.
func TestSpoofedNames(t *testing.T) {
	b, err := os.ReadFile("../signalling/testdata/spoofing.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []struct {
		Name   string
		Repeat int
	}
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	launch := func(action string) string { return WailsLaunch("id", action) }
	plain, _ := parts(t, Toast(Texts{}.withDefaults().request(Request{ID: "id", Name: "Ada", LinkName: "Choir", LooksLike: "Ada"}), launch))
	for _, n := range names {
		name := strings.Repeat(n.Name, max(1, n.Repeat))
		note := Texts{}.withDefaults().request(Request{ID: "id", Name: name, LinkName: name, LooksLike: name})
		doc := Toast(note, launch)
		elements, texts := parts(t, doc)
		if strings.Join(elements, " ") != strings.Join(plain, " ") || len(doc) != len([]rune(doc)) {
			t.Errorf("%q: elements %v", name, elements)
		}
		title, body := Apple(note)
		if texts[0] != title || texts[1] != body {
			t.Errorf("%q: %q and %q", name, texts, title)
		}
		_, marked := Desktop(note, true)
		if elements, _ := parts(t, "<body>"+marked+"</body>"); len(elements) != 1 {
			t.Errorf("%q is markup: %q", name, marked)
		}
		for _, text := range []string{title, strings.NewReplacer("\n", "", string(firstStrongIsolate), "", string(popIsolate), "").Replace(body)} {
			for _, r := range text {
				if unicode.In(r, unicode.Cc) || unicode.In(r, unicode.Bidi_Control) && r != firstStrongIsolate && r != popIsolate {
					t.Errorf("%q shows %U", name, r)
				}
			}
			if !utf8.ValidString(text) {
				t.Errorf("%q is not valid", text)
			}
		}
	}
}
