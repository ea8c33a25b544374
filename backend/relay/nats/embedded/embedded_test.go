package embedded

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/relay/internal/testlog"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var testKey = bytes.Repeat([]byte{7}, KeySize)

func freeAddress(t *testing.T) string { return natstest.FreeAddresses(t, 1)[0] }

func start(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	c, err := nats.Connect("", nats.InProcessServer(s), nats.Token(s.Token()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !so(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("not in time: " + what)
		}
	}
}

// TestMachinesFindEachOther has three machines that know one address, and sends a
// message from each to each.
func TestMachinesFindEachOther(t *testing.T) {
	first := freeAddress(t)
	addresses := []string{first, freeAddress(t), freeAddress(t)}
	var servers []*Server
	heard := make(chan string, 100)
	for _, a := range addresses {
		s := start(t, Options{Listen: a, Peers: []string{first}, Key: testKey}) // the first one knows its own address
		hear := func(m *nats.Msg) {
			select {
			case heard <- a + " " + string(m.Data):
			default: // sent again until it is heard
			}
		}
		if _, err := connect(t, s).Subscribe("greeting", hear); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		eventually(t, "all are connected", func() bool { return s.Peers() == 2 })
	}
	for i, s := range servers {
		c := connect(t, s)
		want := make(map[string]bool)
		for _, a := range addresses {
			want[a+" "+addresses[i]] = true
		}
		eventually(t, "all have heard", func() bool { // machines tell each other who listens to what after their greeting
			if err := c.Publish("greeting", []byte(addresses[i])); err != nil {
				t.Fatal(err)
			}
			select {
			case h := <-heard:
				delete(want, h)
			case <-time.After(10 * time.Millisecond):
			}
			return len(want) == 0
		})
	}
}

// TestOtherSecretsStayOut makes machines with another secret, one that checks
// certificates and one that does not, one without TLS and one without a
// certificate connect to a machine.
func TestOtherSecretsStayOut(t *testing.T) {
	at := freeAddress(t)
	var log testlog.Log
	logger := log.Logger()
	s := start(t, Options{Listen: at, Key: testKey, Logger: logger})
	other := start(t, Options{Listen: freeAddress(t), Peers: []string{at}, Key: bytes.Repeat([]byte{8}, KeySize), Logger: logger})
	eventually(t, "a log says why", func() bool { return strings.Contains(log.String(), "signed by unknown authority") })

	plain, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Write([]byte("INFO {\"server_id\":\"x\",\"cluster\":\"porch\"}\r\nCONNECT {}\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := plain.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(plain); strings.Contains(string(b), "PONG") || strings.Contains(string(b), "INFO") {
		t.Errorf("a machine without TLS is answered %q, %v", b, err)
	}

	forged, err := mutual(bytes.Repeat([]byte{8}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	forged.InsecureSkipVerify = true
	for name, c := range map[string]*tls.Config{
		"a machine without a certificate":             {InsecureSkipVerify: true},
		"a machine with a certificate of another key": forged,
	} {
		// TLS 1.3 lets a client begin before the server has checked it.
		conn, err := tls.Dial("tcp", at, c)
		if err != nil {
			continue
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte("PING\r\n")) // the connection may be closed already
		if b, err := io.ReadAll(conn); err == nil || len(b) > 0 {
			t.Errorf("%s is answered %q, %v", name, b, err)
		}
	}
	if s.Peers() != 0 || other.Peers() != 0 {
		t.Error("somebody came in")
	}
	if c, err := nats.Connect(s.nats.ClientURL()); err == nil {
		c.Close()
		t.Error("a client without the token came in")
	}
	if text := log.String(); strings.Contains(text, s.Token()) {
		t.Error("the log holds the token")
	}
}

// TestMachineComesBack ends one machine and starts it again.
func TestMachineComesBack(t *testing.T) {
	a, b := freeAddress(t), freeAddress(t)
	peers := []string{a, b}
	s := start(t, Options{Listen: a, Peers: peers, Key: testKey})
	gone := start(t, Options{Listen: b, Peers: peers, Key: testKey})
	eventually(t, "they meet", func() bool { return s.Peers() == 1 && gone.Peers() == 1 })
	gone.Close()
	eventually(t, "it is gone", func() bool { return s.Peers() == 0 })
	start(t, Options{Listen: b, Key: testKey}) // the other machine finds it without being told
	eventually(t, "it is back", func() bool { return s.Peers() == 1 })
}

func TestOptionsAreChecked(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		o    Options
		says string
	}{
		"no port":       {t.Context(), Options{Listen: "10.0.0.1", Key: testKey}, "HOST:PORT"},
		"a named port":  {t.Context(), Options{Listen: "127.0.0.1:http", Key: testKey}, "HOST:PORT"},
		"any host":      {t.Context(), Options{Listen: ":4248", Key: testKey}, "HOST:PORT"},
		"a wild peer":   {t.Context(), Options{Listen: "127.0.0.1:4248", Peers: []string{"nats://x"}, Key: testKey}, "HOST:PORT"},
		"a short key":   {t.Context(), Options{Listen: "127.0.0.1:4248", Key: testKey[1:]}, "31 bytes"},
		"a taken port":  {t.Context(), Options{Listen: taken.Addr().String(), Key: testKey}, "in use"},
		"ended already": {ended, Options{Listen: freeAddress(t), Key: testKey}, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Logger = slog.New(slog.DiscardHandler)
			s, err := Start(c.ctx, c.o)
			if err == nil {
				s.Close()
				t.Error("started")
			} else if !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error does not say why: %v", err)
			}
		})
	}
}
