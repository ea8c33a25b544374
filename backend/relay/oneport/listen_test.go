package oneport

import (
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	for s, want := range map[string]Endpoint{
		"": {}, "7674": {"", 7674}, ":7674": {"", 7674}, "127.0.0.1:0": {"127.0.0.1", 0}, "127.0.0.1:": {"127.0.0.1", 0},
		"[::1]:80": {"::1", 80}, "localhost:65535": {"localhost", 65535},
	} {
		if got, err := ParseEndpoint(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"porch", "1:2:3", "host:65536", "host:-1", ":x", "[::1", "7674x"} {
		if got, err := ParseEndpoint(s); err == nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestSniff(t *testing.T) {
	for first := range 256 {
		want := unknownProtocol
		switch {
		case first == 0x16:
			want = tlsHandshake
		case first >= 'A' && first <= 'Z':
			want = plainHTTP
		}
		if got := sniff(byte(first)); got != want {
			t.Errorf("%#x: %v", first, got)
		}
	}
}
