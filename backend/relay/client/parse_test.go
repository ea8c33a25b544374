package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"relay.example", "https://relay.example"},
		{" https://Relay.Example/ ", "https://relay.example"},
		{"relay.example:443", "https://relay.example"},
		{"https://relay.example:8443", "https://relay.example:8443"},
		{"https://[2001:db8::1]:443", "https://[2001:db8::1]"},
		{"[2001:db8::1]:8443", "https://[2001:db8::1]:8443"},
		{"http://localhost:80", "http://localhost"},
		{"https://réle.example", "https://xn--rle-bma.example"},
		{"RÉLE.example:8443", "https://xn--rle-bma.example:8443"},
		{"http://１２７.0.0.1:7674", "http://127.0.0.1:7674"},
		{"http://127.0.0.1:7674", "http://127.0.0.1:7674"},
	} {
		if got, err := ParseURL(c.address); err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.address, got, err)
		}
	}
	for _, address := range []string{
		"", "https://", "http://relay.example", "ftp://relay.example", "https://relay.example/path", "https://u:p@relay.example",
		"https://relay.example?x", "https://relay.example#x", "relay example", "https://relay.example:port", "wss://relay.example", "https://r le.example", "https://pаypal.example:x",
	} {
		if got, err := ParseURL(address); fault.CodeOf(err) != fault.RelayAddressInvalid {
			t.Errorf("%q: %q, %v", address, got, err)
		}
	}
}

// FuzzFromRelay gives a connection any message and any frame of a relay.
func FuzzFromRelay(f *testing.F) {
	f.Add([]byte(`{"type":"guest","payload":{"channel":1,"link":"AAAAAAAAAAAAAAAAAAAAAA"}}`), []byte("\x00\x00\x00\x01x"))
	f.Add([]byte(`{"type":"closed","payload":{"channel":7,"code":1000}}`), []byte("\x00\x00\x00\x07x"))
	f.Add([]byte(`{"type":"credentials","payload":{"request":1}}`), []byte(""))
	f.Add([]byte(`{"type":"moving"}`), []byte("\x00\x00"))
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range []string{"announced", "unannounced", "prove", "guest"} {
		f.Add([]byte(fmt.Sprintf(`{"type":%q,"payload":{"channel":8,"link":%q,"code":"x"}}`, t, keys.ID())), []byte("\x00\x00\x00\x08x"))
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, frame []byte) {
		c, err := newClient(Options{URL: "https://relay.example", Key: key, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h := &hostConn{
			client: c, out: make(chan outgoing, maxOutgoing), done: make(chan struct{}), moving: make(chan struct{}),
			budget: switchboard.NewBudget(maxQueued), channels: map[uint32]*guest{}, perLink: map[sealed.LinkID]int{},
			wanted: map[uint32]chan signalling.Credentials{}, offer: Offer{Links: 1},
		}
		c.adopt(h)
		host, far := switchboard.Pipe(switchboard.RemoteInfo{}, h.budget)
		h.channels[7] = &guest{Frames: host, far: far, conn: h, number: 7}
		withdraw, err := c.Announce(t.Context(), keys, func(f switchboard.Frames) { f.Close(signalling.CloseDone) })
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{h.message(text), h.frame(frame)} {
			var known *fault.Error
			if err != nil && !errors.As(err, &known) {
				t.Fatalf("%v is no fault", err)
			}
		}
		withdraw(nil)
		c.cancel()
	})
}
