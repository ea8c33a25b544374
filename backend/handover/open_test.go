package handover

import (
	"net/url"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

func TestMailURI(t *testing.T) {
	for _, c := range []struct{ subject, body, want string }{
		{"Porch call", address, "mailto:?subject=Porch%20call&body=https%3A%2F%2Fporch.example%3A7674%2Fj%2FjTPd1CHjS1a8m3t7vVQxYw%23q83vASNFZ4mrze8BI0VniQ"},
		{"Zoë & Ann?", "one\ntwo\r\nthree\rfour", "mailto:?subject=Zo%C3%AB%20%26%20Ann%3F&body=one%0D%0Atwo%0D%0Athree%0D%0Afour"},
		{"100% +1 =", "", "mailto:?subject=100%25%20%2B1%20%3D&body="},
		// No text can become another header field, a recipient, an option or a command.
		{"x&bcc=mallory@example.com", "\r\nBcc: mallory@example.com", "mailto:?subject=x%26bcc%3Dmallory%40example.com&body=%0D%0ABcc%3A%20mallory%40example.com"},
		{"--attach=/etc/passwd", "$(reboot) `reboot` ; \" ' | \x00 \xff", "mailto:?subject=--attach%3D%2Fetc%2Fpasswd&body=%24%28reboot%29%20%60reboot%60%20%3B%20%22%20%27%20%7C%20%00%20%EF%BF%BD"},
	} {
		if got := mailURI(c.subject, c.body); got != c.want {
			t.Errorf("%q, %q:\n got %s\nwant %s", c.subject, c.body, got, c.want)
		}
	}
}

func FuzzURIs(f *testing.F) {
	f.Add("Porch call", address)
	f.Add("a\nb\rc\r\nd", "%0a&?#\x00\xff")
	f.Fuzz(func(t *testing.T, subject, body string) {
		lines := func(s string) string {
			return strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(strings.ToValidUTF8(s, "\uFFFD"))
		}
		u, err := url.Parse(mailURI(subject, body))
		must(t, err)
		q, err := url.ParseQuery(u.RawQuery)
		must(t, err)
		if u.Scheme != "mailto" || u.Opaque != "" || u.Fragment != "" || len(q) != 2 || q.Get("subject") != lines(subject) || q.Get("body") != lines(body) {
			t.Errorf("%q, %q came back as %v", subject, body, q)
		}
		rest, ok := strings.CutPrefix(smsURI(body), smsStart)
		if got, err := url.PathUnescape(rest); !ok || err != nil || got != lines(body) {
			t.Errorf("%q came back as %q, %v", body, got, err)
		}
	})
}

func TestOnlyPagesAreOpened(t *testing.T) {
	for _, address := range []string{
		"", "http://porch.example/", "file:///bin/sh", "https://", "https:///x", "https://a@porch.example/", "https://porch.example/?q=1", "https://porch.example/#x",
		"https://porch.example/a b", "https://porch.example/$(reboot)", "https://porch.example/`id`", "https://porch.example/%24", "https://porch.example/a;b", "-https://porch.example/",
		"https://porch.example/\n", "https://pörch.example/", "https://porch.example/" + strings.Repeat("a", 300), "javascript:alert(1)", "https://[::1]/",
	} {
		if err := Page(t.Context(), address); fault.CodeOf(err) != fault.OpenerUnavailable || strings.Contains(err.Error(), "porch.example") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestOnlyLinksOfTheWebAreOpened(t *testing.T) {
	for address, want := range map[string]string{
		"https://porch.example":                     "https://porch.example",
		"http://192.0.2.7:8080/a?b=c&d=%20#e":       "http://192.0.2.7:8080/a?b=c&d=%20#e",
		"https://porch.example/wiki/Porch_(house)":  "https://porch.example/wiki/Porch_%28house%29",
		"https://porch.example/$(reboot);`id`|x'y!": "https://porch.example/%24%28reboot%29%3B%60id%60%7Cx%27y%21",
	} {
		if got, ok := plainLink(address); !ok || got != want {
			t.Errorf("%s: %s, %v", address, got, ok)
		}
	}
	for _, address := range []string{
		"", "javascript:alert(1)", "file:///bin/sh", "data:text/html,x", "ms-msdt:/id", "https://", "https:///x", "//porch.example/",
		"https://a@porch.example/", "https://a:b@porch.example/", "https://pörch.example/", "https://porch.example/\n", "https://porch.example/a b",
		"https://porch.example/\"", "https://porch.example/<x>", "https://porch.example/\\x", " https://porch.example/", "-https://porch.example/",
		"https://porch.example/" + strings.Repeat("a", maxLink), "https://porch.example/" + strings.Repeat("!", maxLink/2), "\x00https://porch.example/",
	} {
		if got, ok := plainLink(address); ok {
			t.Errorf("%q is opened as %q", address, got)
		}
	}
	if err := Link(t.Context(), "file:///secret"); fault.CodeOf(err) != fault.OpenerUnavailable || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
