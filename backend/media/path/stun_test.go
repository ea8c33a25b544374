package path

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/porch-call/porch/backend/media/mediatest"
)

// newTestSTUN returns a client with its own sockets.
func newTestSTUN(tb testing.TB) *STUNClient {
	tb.Helper()
	m := NewMux()
	c := NewSTUNClient(m, slog.New(slog.DiscardHandler))
	tb.Cleanup(func() {
		c.Close()
		must(tb, m.Close())
	})
	return c
}

func TestOnlyAnswersToQuestionsAreTaken(t *testing.T) {
	s := mediatest.NewSTUNServer(t, mediatest.Silent)
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer func() { must(t, stranger.Close()) }()
	c := newTestSTUN(t)
	w, stop := c.Watch([]string{s.URL()}, nil, nil)
	defer stop()
	mediatest.Eventually(t, "silence", func() bool { return c.Blocked(w) })

	server := s.Address()
	c.mu.Lock()
	var id [stun.TransactionIDSize]byte
	var socket *udpSocket
	for key, p := range c.servers[w.servers[0]].probes {
		id, socket = p.id, key.socket
		p.next = time.Now().Add(never) // the question stays the same
		p.open = true
	}
	c.mu.Unlock()
	good := netip.MustParseAddrPort("203.0.113.7:4242")
	wrong := id
	wrong[0]++
	for what, refused := range map[string]bool{
		"another's address":  c.answer(socket, mediatest.BindingAnswer(t, id, good), stranger.LocalAddr().(*net.UDPAddr).AddrPort()),
		"another's question": c.answer(socket, mediatest.BindingAnswer(t, wrong, good), server),
	} {
		if refused {
			t.Errorf("an answer from %s was taken", what)
		}
	}
	if !c.Blocked(w) {
		t.Error("a wrong answer ends the silence")
	}
	if !c.answer(socket, mediatest.BindingAnswer(t, id, good), server) || len(c.Reflexives(w)) != 1 || c.Blocked(w) {
		t.Error("the right answer was not taken")
	}
	if c.answer(socket, mediatest.BindingAnswer(t, id, netip.MustParseAddrPort("203.0.113.9:1")), server) {
		t.Error("a second answer was taken")
	}
	for _, bad := range []string{"224.0.0.1:5", "0.0.0.0:5", "127.0.0.1:5", "169.254.1.1:5", "[2001:db8::1]:5", "203.0.113.7:0"} {
		b := mediatest.BindingAnswer(t, id, netip.MustParseAddrPort(bad))
		if got := mappedAddress(b, netip.MustParseAddr("192.168.1.5"), server.Addr()); got.IsValid() {
			t.Errorf("%s was believed", bad)
		}
	}
	for mapped, believed := range map[string]bool{"192.168.1.9:5": false, "100.64.0.1:5": false, "198.51.100.3:5": true} {
		b := mediatest.BindingAnswer(t, id, netip.MustParseAddrPort(mapped))
		if got := mappedAddress(b, netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("198.51.100.2")); got.IsValid() != believed {
			t.Errorf("a server on the internet says %s: %v", mapped, got)
		}
	}
}

// TestAMoveThatGatheringSawFirstIsReported checks that a watcher is told of
// other addresses although a peer that gathered candidates has seen them first.
func TestAMoveThatGatheringSawFirstIsReported(t *testing.T) {
	c := newTestSTUN(t)
	moves := make(chan bool, 16)
	_, stop := c.Watch(nil, nil, func(moved bool) { moves <- moved })
	defer stop()
	c.mux.mu.Lock() // held until refresh returns, as in addresses when the last look is too old
	c.mux.Lister = func() []netip.Prefix { return nil }
	c.mux.refresh()
	c.mux.mu.Unlock()
	select {
	case moved := <-moves:
		if !moved {
			t.Error("something changed, but the machine did not move")
		}
	case <-time.After(mediatest.Patience):
		t.Error("nothing was reported")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(mediatest.BindingAnswer(f, [12]byte{1}, netip.MustParseAddrPort("203.0.113.7:4242")))
	f.Add([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	local := netip.MustParseAddr("192.168.1.5")
	f.Fuzz(func(t *testing.T, b []byte) {
		if !stun.IsMessage(b) {
			return
		}
		if a := mappedAddress(b, local, local); a.IsValid() && (!a.Addr().Is4() || a.Port() == 0 || a.Addr().IsMulticast()) {
			t.Errorf("%s", a)
		}
	})
}

// TestMappedByARouter: where a router lets packets in is one more address from
// outside, for every watcher, and without a server.
func TestMappedByARouter(t *testing.T) {
	m := NewMux()
	c := NewSTUNClient(m, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { c.Close(); _ = m.Close() })
	told := make(chan bool, 8)
	w, stop := c.Watch(nil, nil, func(moved bool) { told <- moved })
	defer stop()
	one := Reflexive{Base: netip.MustParseAddrPort("192.168.7.2:40000"), Mapped: netip.MustParseAddrPort("44.1.2.3:40001")}
	c.SetMapped([]Reflexive{one})
	select {
	case moved := <-told:
		if moved {
			t.Error("taken for another network")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not told")
	}
	if got := c.Reflexives(w); len(got) != 1 || got[0] != one {
		t.Errorf("reflexives: %v", got)
	}
	c.SetMapped(nil)
	<-told
	if got := c.Reflexives(w); len(got) != 0 || c.Blocked(w) {
		t.Errorf("given back: %v, blocked %v", got, c.Blocked(w))
	}
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if p := m.Port(local); p == 0 || m.Port(netip.MustParseAddr("203.0.113.9")) != 0 {
		t.Errorf("ports: %d", p)
	}
}
