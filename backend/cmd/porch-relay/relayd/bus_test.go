package relayd

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// TestTwoMachines opens a link at one machine that a host has announced at
// another, and then breaks the connection between them.
func TestTwoMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a server")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, []byte("0123456789abcdef0123456789abcdef\n"))
	t.Run("with a NATS server", func(t *testing.T) {
		nats := natstest.Start(t)
		one := startRelay(t, "-nats", nats.URL(), "-secret-file", secret)
		two := startRelay(t, "-nats", nats.URL(), "-secret-file", secret)
		twoMachines(t, one, two, nats.Kill)
	})
	t.Run("by themselves", func(t *testing.T) {
		addresses := natstest.FreeAddresses(t, 2)
		peers := strings.Join(addresses, ",")
		one := startRelay(t, "-cluster-listen", addresses[0], "-cluster-peers", peers, "-secret-file", secret)
		two := startRelay(t, "-cluster-listen", addresses[1], "-cluster-peers", peers, "-secret-file", secret)
		twoMachines(t, one, two, func() { _ = two.cmd.Process.Kill() }) // an error shows in what follows
	})
}

// TestMachineJoins lets a guest come to a machine as it starts, while the
// connection to the host's machine is slow.
func TestMachineJoins(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a server")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, []byte("0123456789abcdef0123456789abcdef\n"))
	addresses := natstest.FreeAddresses(t, 2)
	one := startRelay(t, "-cluster-listen", addresses[0], "-secret-file", secret)
	keys := one.announce()
	two := startRelay(t, "-cluster-listen", addresses[1], "-cluster-peers", slowWay(t, addresses[0]), "-secret-file", secret)
	if !two.opens(keys.ID()) {
		t.Error("a machine that has just started does not find a host")
	}
}

// slowWay returns an address that leads to another after a delay.
func slowWay(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer in.Close()
				select {
				case <-time.After(joinWithin / 4):
				case <-t.Context().Done():
					return
				}
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				wg.Go(func() { _, _ = io.Copy(out, in); out.Close() })
				_, _ = io.Copy(in, out)
			})
		}
	})
	return l.Addr().String()
}

func twoMachines(t *testing.T, one, two *running, part func()) {
	t.Helper()
	eventually(t, "each sees the other", func() bool {
		_, body := one.ask("/healthz")
		var h health
		return json.Unmarshal([]byte(body), &h) == nil && h.Well && h.Nodes == 2 && h.Bus == "ok"
	})

	keys := one.announce()
	eventually(t, "the other machine finds the host", func() bool { return two.opens(keys.ID()) })

	part()
	eventually(t, "the loss shows", func() bool {
		_, body := one.ask("/healthz")
		var h health
		return json.Unmarshal([]byte(body), &h) == nil && h.Bus == "gone"
	})
}

// announce makes a host announce a link.
func (r *running) announce() sealed.LinkKeys {
	r.t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		r.t.Fatal(err)
	}
	host := r.host("", func(client.Status) {})
	if _, err := host.Announce(r.t.Context(), keys, func(switchboard.Frames) {}); err != nil {
		r.t.Fatal(err)
	}
	return keys
}

// opens reports whether a guest who asks for a link gets a host's answer.
func (r *running) opens(id sealed.LinkID) bool {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	c := &checker{host: "localhost", port: r.https, roots: r.identity.pool, timeout: 5 * time.Second}
	client, free := c.client(netip.MustParseAddr("127.0.0.1"), r.https)
	defer free()
	//nolint:bodyclose // its body is the socket, or read already
	ws, _, err := websocket.Dial(ctx, c.base()+switchboard.SocketPath, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{signalling.Subprotocol}})
	if err != nil {
		return false
	}
	defer func() { _ = ws.CloseNow() }()
	question, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(id)})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := ws.Write(ctx, websocket.MessageText, question); err != nil {
		return false
	}
	_, b, err := ws.Read(ctx)
	if err != nil {
		return false
	}
	m, err := signalling.DecodeFromRelay(b)
	_, opened := m.(signalling.Opened)
	return err == nil && opened
}
