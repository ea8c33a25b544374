package nats

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/relay/nats/embedded"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/switchboard/switchboardtest"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// TestMain is also the main function of a node that a test has started as a
// process.
func TestMain(m *testing.M) {
	if bus := os.Getenv(childVariable); bus != "" {
		runChild(bus)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is the deadline of all that should happen at once.
const patience = 30 * time.Second

func contextFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var testSecret = bytes.Repeat([]byte("secret! "), 4)

// patientTimes returns longer times, for a busy machine. The time for which a
// node may be silent stays.
func patientTimes() *times {
	p := defaultTimes
	p.connect, p.flush, p.ask, p.open = patience, patience, 2*time.Second, time.Second
	return &p
}

// openNode starts a node that the test's end closes.
func openNode(t testing.TB, url string, change func(*Options)) *Board {
	t.Helper()
	o := Options{
		Servers: []string{url}, Secret: testSecret, Logger: slog.New(slog.DiscardHandler),
		PerLink: switchboardtest.PerLink, PerAddress: switchboardtest.PerAddress, times: patientTimes(),
	}
	if change != nil {
		change(&o)
	}
	b, err := Open(contextFor(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// openNodes starts n nodes of one cluster.
func openNodes(t testing.TB, s *natstest.Server, n int, change func(*Options)) []*Board {
	t.Helper()
	out := make([]*Board, n)
	for i := range out {
		out[i] = openNode(t, s.URL(), change)
	}
	return out
}

// own is a cluster of NATS servers within the nodes' own processes.
type own struct{ servers []*embedded.Server }

var ownKey = bytes.Repeat([]byte{7}, embedded.KeySize)

// add starts one more server that knows peers, waits until all servers are
// connected, and returns the options of a node that uses it.
func (c *own) add(t testing.TB, listen string, peers ...string) func(*Options) {
	t.Helper()
	s, err := embedded.Start(contextFor(t), embedded.Options{
		Listen: listen, Peers: peers, Key: ownKey, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c.servers = append(c.servers, s)
	for _, s := range c.servers {
		eventually(t, "servers are connected", func() bool { return s.Peers() == len(c.servers)-1 })
	}
	return func(o *Options) { o.Servers, o.Server, o.Token = nil, s, s.Token() }
}

// openOwn starts n nodes of one cluster, each with its own server.
func openOwn(t testing.TB, n int, change func(*Options)) []*Board {
	t.Helper()
	var c own
	addresses := natstest.FreeAddresses(t, n)
	out := make([]*Board, n)
	for i := range out {
		with := c.add(t, addresses[i], addresses[0])
		out[i] = openNode(t, "", func(o *Options) {
			with(o)
			if change != nil {
				change(o)
			}
		})
	}
	for _, b := range out {
		eventually(t, "nodes have heard each other", func() bool { return b.Nodes() == n })
	}
	return out
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := contextFor(t); !so(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("not in time: " + what)
		}
	}
}

// host is a host of a link. It echoes what guests send, or passes on its guests.
type host struct {
	id     sealed.LinkID
	public []byte
	guests chan switchboard.Frames
	switchboard.Attachment
}

func newKeys(t testing.TB) sealed.LinkKeys {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// attach attaches a new host at a node.
func attach(t testing.TB, b *Board, keys sealed.LinkKeys) *host {
	t.Helper()
	h := &host{id: keys.ID(), public: keys.Public(), guests: make(chan switchboard.Frames, 1000)}
	a, err := b.Attach(contextFor(t), h.id, h.public, func(f switchboard.Frames) { h.guests <- f })
	if err != nil {
		t.Fatal(err)
	}
	h.Attachment = a
	t.Cleanup(a.Detach)
	return h
}

func (h *host) guest(t testing.TB) switchboard.Frames {
	t.Helper()
	select {
	case f := <-h.guests:
		return f
	case <-contextFor(t).Done():
		t.Fatal("no guest comes")
		return nil
	}
}

func dial(t testing.TB, b *Board, id sealed.LinkID) switchboard.Frames {
	t.Helper()
	_, f, err := b.Dial(contextFor(t), id, switchboard.RemoteInfo{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(signalling.CloseDone) })
	return f
}

// dialSoon dials until the link is reachable.
func dialSoon(t testing.TB, b *Board, id sealed.LinkID) (f switchboard.Frames) {
	t.Helper()
	eventually(t, "the link is reachable", func() bool {
		var err error
		_, f, err = b.Dial(contextFor(t), id, switchboard.RemoteInfo{})
		return err == nil
	})
	t.Cleanup(func() { f.Close(signalling.CloseDone) })
	return f
}

func pass(t testing.TB, from, to switchboard.Frames, word string) {
	t.Helper()
	if err := from.Send([]byte(word)); err != nil {
		t.Fatalf("Send: %v", err)
	}
	if b, err := to.Recv(contextFor(t)); err != nil || string(b) != word {
		t.Fatalf("Recv = %q, %v; want %q", b, err, word)
	}
}

func expectEnd(t testing.TB, f switchboard.Frames, code signalling.CloseCode) {
	t.Helper()
	for {
		_, err := f.Recv(contextFor(t))
		if err == nil {
			continue
		}
		var c switchboard.Closed
		if !errors.As(err, &c) || c.Code != code {
			t.Errorf("Recv = %v, want the end with %d", err, code)
		}
		return
	}
}

// echo sends back what comes, until the end.
func echo(f switchboard.Frames) {
	for {
		b, err := f.Recv(context.Background())
		if err != nil || f.Send(b) != nil {
			return
		}
	}
}

// empty waits until a node has no channel with another.
func empty(t testing.TB, b *Board) {
	t.Helper()
	eventually(t, "all legs have ended", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.legs) == 0
	})
}
