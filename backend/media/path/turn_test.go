package path

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

func TestTURNNeedsItsCertificate(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	client := TURNClient{Mux: NewMux(), TLS: new(tls.Config), Logger: slog.New(slog.DiscardHandler)} // does not know the authority
	defer func() { must(t, client.Mux.Close()) }()
	servers, err := s.Servers("tls")(t.Context())
	must(t, err)
	if _, err := client.Allocate(t.Context(), servers, nil); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("%v", err)
	}
	if _, err := client.Allocate(t.Context(), []signalling.ICEServer{{URLs: []string{s.URLs["udp"]}}}, nil); err == nil {
		t.Error("an allocation without credentials")
	}
}

func TestTURNWays(t *testing.T) {
	got := turnWays([]signalling.ICEServer{
		{URLs: []string{"turn:a.example", "nonsense", "stun:a.example", "turns:a.example:443?transport=tcp", "turns:a.example?transport=udp"}, Username: "u", Credential: "c"},
		{URLs: []string{"turn:b.example"}},
		{URLs: slices.Repeat([]string{"turn:c.example?transport=tcp"}, 20), Username: "u", Credential: "c"},
	})
	if len(got) != maxTURN || got[0].uri.Host != "a.example" || got[1].uri.Port != 443 || got[2].uri.Host != "c.example" {
		t.Errorf("%d ways: %+v", len(got), got)
	}
}

// away is a relayed socket whose packets go nowhere.
type away struct{ net.PacketConn }

func (away) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (away) Close() error                              { return nil }

// TestNothingBeginsOnceATURNSocketCloses sends to new addresses while the socket closes. Close may
// then be waiting for the last goroutine. Another one that begins would be a misuse of sync.WaitGroup,
// which panics, and the race detector sees it.
func TestNothingBeginsOnceATURNSocketCloses(t *testing.T) {
	for range 50 {
		base, other := net.Pipe()
		client, err := turn.NewClient(&turn.ClientConfig{Conn: connected{base}})
		must(t, err)
		lost := make(chan struct{})
		s := &TURNSocket{
			base: base, client: client, conn: away{}, lost: lost, fail: sync.OnceFunc(func() { close(lost) }),
			openers: make(chan struct{}, maxOpeners), filled: make(chan struct{}, 1),
			peers: make(map[netip.AddrPort]*permission), asked: make(map[netip.Addr]struct{}),
		}
		begun := make(chan struct{})
		var sender sync.WaitGroup
		sender.Go(func() {
			close(begun)
			for port := range uint16(100) {
				b := []byte{1}
				s.send(datagram{buffer: &b, to: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), port)})
			}
		})
		<-begun
		s.Close()
		sender.Wait()
		must(t, other.Close())
	}
}
