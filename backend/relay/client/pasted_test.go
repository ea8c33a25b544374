package client

import (
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

func TestParseRelay(t *testing.T) {
	link := "https://relay.example/j/AAAAAAAAAAAAAAAAAAAAAA#BBBBBBBBBBBBBBBBBBBBBB"
	for text, want := range map[string]string{
		"relay.example":               "https://relay.example",
		"  relay.example/ \n":         "https://relay.example",
		"https://relay.example":       "https://relay.example",
		"HTTPS://Relay.Example/":      "https://relay.example",
		"http://localhost:8080":       "http://localhost:8080",
		"http://relay.example":        "https://relay.example",
		"http://relay.example:80/":    "https://relay.example",
		"relay.example:443":           "https://relay.example",
		"relay.example:8443":          "https://relay.example:8443",
		"xn--prch-5qa.example":        "https://xn--prch-5qa.example",
		"pörch.example":               "https://xn--prch-5qa.example",
		"https://PÖRCH.example:8443/": "https://xn--prch-5qa.example:8443",
		"http://pörch.example":        "https://xn--prch-5qa.example",
		"https://p%C3%B6rch.example":  "https://xn--prch-5qa.example",
		"localhost:8443":              "https://localhost:8443",
		"203.0.113.7":                 "https://203.0.113.7",
		"https://[2001:DB8::0:1]:444": "https://[2001:db8::0:1]:444",

		link:                                     string(fault.RelayIsLink),
		"relay.example/j/AAAAAAAAAAAAAAAAAAAAAA": string(fault.RelayIsLink),
		"relay.example/#BBBBBBBBBBBBBBBBBBBBBB":  string(fault.RelayIsLink),
		"":                                       string(fault.RelayAddressInvalid),
		"https://":                               string(fault.RelayAddressInvalid),
		"relay example":                          string(fault.RelayAddressInvalid),
		"ftp://relay.example":                    string(fault.RelayAddressInvalid),
		"me@relay.example":                       string(fault.RelayAddressInvalid),
		"relay.example/path":                     string(fault.RelayAddressInvalid),
		"relay.example?q":                        string(fault.RelayAddressInvalid),
		"https:relay.example":                    string(fault.RelayAddressInvalid),
		"relay.example:port":                     string(fault.RelayAddressInvalid),
		"[fe80::1%25eth0]":                       string(fault.RelayAddressInvalid),
		"[::1":                                   string(fault.RelayAddressInvalid),
		strings.Repeat("a.", 600) + "b":          string(fault.RelayAddressInvalid),
		"relay.example\u202e":                    string(fault.RelayAddressInvalid),
		"javascript:alert(1)":                    string(fault.RelayAddressInvalid),
		"https://relay.example:443@elsewhere.example/x": string(fault.RelayAddressInvalid),
	} {
		got, err := ParsePasted(text)
		if err != nil {
			got = string(fault.CodeOf(err))
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if _, err := ParsePasted(link); strings.Contains(err.Error(), "BBBB") {
		t.Error("the error repeats the link's secret")
	}
}

func TestRelayName(t *testing.T) {
	for base, want := range map[string]string{
		"https://relay.example":             "relay.example",
		"https://relay.example:8443":        "relay.example:8443",
		"https://xn--prch-5qa.example":      "pörch.example",
		"https://xn--prch-5qa.example:8443": "pörch.example:8443",
		"https://xn--80ak6aa92e.example":    "xn--80ak6aa92e.example", // "apple" in Cyrillic
		"https://[2001:db8::1]:444":         "[2001:db8::1]:444",
		"https://[2001:db8::1]":             "[2001:db8::1]",
	} {
		if got := Name(base); got != want {
			t.Errorf("%s is called %q, want %q", base, got, want)
		}
	}
}

func TestParseInvitation(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \t": "", " a-b_c==\n": "a-b_c==",
		"two words": "!", "näh": "!", "a\x00": "!", strings.Repeat("x", signalling.MaxInvitation+1): "!",
	} {
		got, err := ParseInvitation(text)
		if fault.CodeOf(err) == fault.InvitationInvalid {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzParseRelay: whatever is pasted, what comes out is read as itself, and
// names a host and nothing else.
func FuzzParseRelay(f *testing.F) {
	for _, text := range []string{"relay.example", "https://relay.example:8443/", "[::1]:1", "a/j/b#c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, err := ParsePasted(text)
		if err != nil {
			return
		}
		if again, err := ParsePasted(base); err != nil || again != base {
			t.Errorf("%q became %q, which is read as %q (%v)", text, base, again, err)
		}
		if name := Name(base); name == base || strings.ContainsAny(name, "/@?#% ") {
			t.Errorf("%q is called %q", base, name)
		}
	})
}
