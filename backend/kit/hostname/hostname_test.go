package hostname

import (
	"strings"
	"testing"
)

func TestASCII(t *testing.T) {
	for typed, want := range map[string]string{
		"relay.example":       "relay.example",
		"Relay.EXAMPLE":       "relay.example",
		"réle.example":        "xn--rle-bma.example",
		"RÉLE.example":        "xn--rle-bma.example",
		"re\u0301le.example":  "xn--rle-bma.example", // in two characters
		"faß.example":         "xn--fa-hia.example",  // as browsers do since 2023
		"例え.テスト":              "xn--r8jz45g.xn--zckzah",
		"例え。テスト":              "xn--r8jz45g.xn--zckzah",
		"ｒｅｌａｙ.example":       "relay.example",
		"１２７.0.0.1":           "127.0.0.1",
		"xn--rle-bma.example": "xn--rle-bma.example",
		"127.0.0.1":           "127.0.0.1",
		"2001:DB8::1":         "2001:db8::1",

		"":                              "",
		"fe80::1%eth0":                  "",
		"relay.example\u202e":           "",
		"rel\u200bay_.example":          "",
		"ré le.example":                 "",
		"ré/le.example":                 "",
		"℀.example":                     "", // a/c
		"ré@le.example":                 "",
		"ré：8443":                       "", // a wide colon
		"-é.example":                    "",
		"אa.example":                    "", // directions mixed
		"a_b.example":                   "",
		strings.Repeat("é", 63):         "",
		strings.Repeat("éa.", 90) + "b": "",
	} {
		got, ok := ASCII(typed)
		if ok != (want != "") || got != want {
			t.Errorf("%q: %q, %v; want %q", typed, got, ok, want)
		}
	}
}

func TestShown(t *testing.T) {
	for typed, shown := range map[string]bool{
		"réle.example":       true,
		"straße.example":     true,
		"việt.example":       true,
		"łódź-2.example":     true,
		"пример.example":     true,
		"παράδειγμα.example": true,
		"例え.テスト":             true,
		"ラーメン.example":       true,
		"실례.테스트":             true,
		"שלום.example":       true,
		"उदाहरण.example":     true,
		"例子.example":         true,

		"аррӏе.example":  false, // Cyrillic, every letter of it
		"раураӏ.example": false,
		"сом.example":    false,
		"рорсһ.example":  false,
		"νικοι.example":  false, // Greek
		"pаypal.example": false, // one Cyrillic letter
		"relаy.example":  false,
		"роrсh.example":  false,
		"ɑpple.example":  false, // a Latin alpha
		"pıng.example":   false, // a dotless i
		"q̣uay.example":  false, // a mark that stands alone
		"例え-ру.example":  false, // scripts mixed
		"теst.example":   false,
		"օօօ.example":    false, // Armenian
		"ഠ0ഠ.example":    false, // Malayalam, and an ASCII zero
		"१०.example":     true,
		"००.example":     false, // Devanagari zeros
		"סוס.example":    false, // a horse in Hebrew, which may be read as olo
	} {
		name, ok := ASCII(typed)
		if !ok {
			t.Errorf("%q is no name", typed)
			continue
		}
		want := name
		if shown {
			want = typed
		}
		if got := Shown(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"relay.example", "127.0.0.1", "xn--.example", "xn--a.example", "xn--btda.example"} {
		if got := Shown(name); got != name {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}

// FuzzASCII checks that what ASCII returns is ASCII, is read as itself, and is
// shown as a name that is read as itself.
func FuzzASCII(f *testing.F) {
	for _, seed := range []string{"relay.example", "réle.example", "例え。テスト", "аррӏе.example", "xn--a.example", "::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		name, ok := ASCII(typed)
		if !ok {
			return
		}
		if again, ok := ASCII(name); !ok || again != name || !isASCII(name) {
			t.Errorf("%q became %q, which is read as %q", typed, name, again)
		}
		if again, ok := ASCII(Shown(name)); !ok || again != name {
			t.Errorf("%q is shown as %q, which is read as %q", name, Shown(name), again)
		}
	})
}
