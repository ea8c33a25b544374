package signalling

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/fault"
)

// fuzzDecoder checks that the decoder refuses a stranger's bytes with a fault, or
// returns a message that encodes and decodes to itself.
func fuzzDecoder(f *testing.F, set family, decoder func([]byte) (Message, error)) {
	for _, side := range golden {
		for _, m := range side.messages {
			b, err := Encode(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(b[:len(b)/2])
		}
	}
	for name := range set {
		f.Add([]byte(`{"payload":{},"type":"` + string(name) + `"}`))
	}
	f.Add([]byte(`{"type":"knock","payload":{"name":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decoder(b)
		if err != nil {
			var known *fault.Error
			if !errors.As(err, &known) || m != nil {
				t.Fatalf("%v (%T)", err, m)
			}
			return
		}
		if set[m.Type()] == nil {
			t.Fatalf("%s is not of this side", m.Type())
		}
		once, err := Encode(m)
		if fault.CodeOf(err) == fault.FrameTooLarge {
			return // escapes may be longer than the characters that they stand for
		}
		if err != nil {
			t.Fatalf("decoded but not encodable: %v", err)
		}
		again, err := decode(set, once, MaxFrame)
		if err != nil {
			t.Fatalf("encoded but not decodable: %v\n%s", err, once)
		}
		twice, err := Encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("changed on the way: %v\n%s\n%s", err, once, twice)
		}
	})
}

func FuzzDecodeFromGuest(f *testing.F) {
	fuzzDecoder(f, fromGuest, func(b []byte) (Message, error) { return DecodeFromGuest(b, MaxFrameBefore) })
}

func FuzzDecodeFromHost(f *testing.F) {
	fuzzDecoder(f, fromHost, func(b []byte) (Message, error) { return DecodeFromHost(b, MaxFrame) })
}

func FuzzDecodeToRelay(f *testing.F) { fuzzDecoder(f, toRelay, DecodeToRelay) }

func FuzzDecodeFromRelay(f *testing.F) { fuzzDecoder(f, fromRelay, DecodeFromRelay) }

func FuzzDecodeToRelayHost(f *testing.F) { fuzzDecoder(f, toRelayHost, DecodeToRelayHost) }

func FuzzDecodeFromRelayHost(f *testing.F) { fuzzDecoder(f, fromRelayHost, DecodeFromRelayHost) }

func FuzzClean(f *testing.F) {
	for _, s := range []string{"Ada", "Grand\u200Dma", "\U000E01F0", "\uFFFF$(calc)", "ﷺ", " a\u202Eb\n\n\n\nc ", "👩\u200D👧", "\xff", "🏴\U000E0067\U000E007F", "e\u0301\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, text := CleanName(s), CleanText(s)
		if CleanName(name) != name {
			t.Fatalf("CleanName is not idempotent: %+q, then %+q", name, CleanName(name))
		}
		if CleanText(text) != text {
			t.Fatalf("CleanText is not idempotent: %+q, then %+q", text, CleanText(text))
		}
		if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !showsNothing(r) && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Z) }) {
			t.Fatalf("%+q shows nothing", name)
		}
		if shape := ShapeOf(name); shape.Same(ShapeOf("Ada"+name)) || name != "" && !shape.Same(ShapeOf(CleanName("\u2060"+name+"\uFFF0"))) {
			t.Fatalf("%+q is compared by what does not show", name)
		}
		if n := Characters(name); n > utf8.RuneCountInString(name) || name != "" && n == 0 {
			t.Fatalf("%+q has %d characters", name, n)
		}
		for _, r := range name {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r != ' ' && unicode.IsSpace(r) {
				t.Fatalf("%+q in a name", r)
			}
		}
		for _, r := range text {
			if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%+q in a text", r)
			}
		}
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			t.Fatal("not UTF-8")
		}
	})
}
