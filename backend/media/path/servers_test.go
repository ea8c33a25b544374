package path

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

func at(text string) Named {
	return func() netip.Addr {
		a, _ := netip.ParseAddr(text) // "" means unknown
		return a
	}
}

func TestNamedServersAreNoNearerThanTheirRelay(t *testing.T) {
	for _, test := range []struct {
		relay, server string
		want          bool
	}{
		{"198.51.100.1", "198.51.100.1", true},
		{"198.51.100.1", "203.0.113.9", true},
		{"198.51.100.1", "2a01:4f8::1", true},
		{"198.51.100.1", "64:ff9b::8.8.8.8", true},
		{"", "198.51.100.1", true},
		{"198.51.100.1", "127.0.0.1", false},
		{"198.51.100.1", "127.8.8.8", false},
		{"198.51.100.1", "::1", false},
		{"198.51.100.1", "::ffff:127.0.0.1", false},
		{"198.51.100.1", "::ffff:192.168.1.1", false},
		{"198.51.100.1", "0.0.0.0", false},
		{"198.51.100.1", "::", false},
		{"198.51.100.1", "192.168.1.1", false},
		{"198.51.100.1", "10.1.2.3", false},
		{"198.51.100.1", "172.20.1.1", false},
		{"198.51.100.1", "100.64.1.1", false},
		{"198.51.100.1", "169.254.169.254", false},
		{"198.51.100.1", "fe80::1", false},
		{"198.51.100.1", "fd00::1", false},
		{"198.51.100.1", "224.0.0.1", false},
		{"198.51.100.1", "255.255.255.255", false},
		{"198.51.100.1", "64:ff9b::192.168.1.1", false},
		{"198.51.100.1", "2002:c0a8:101::1", false},
		{"198.51.100.1", "2001:0:4136:e378:8000:63bf:3f57:fefe", false},
		{"", "192.168.1.1", false},
		{"", "127.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "::1", true},
		{"127.0.0.1", "192.168.1.1", true},
		{"127.0.0.1", "0.0.0.0", false},
		{"192.168.1.5", "192.168.1.6", true},
		{"192.168.1.5", "127.0.0.1", false},
		{"192.168.1.5", "169.254.169.254", false},
		{"169.254.1.1", "169.254.1.1", true},
		{"::ffff:192.168.1.5", "192.168.1.5", true},
	} {
		if got := at(test.relay).allows(netip.MustParseAddr(test.server)); got != test.want {
			t.Errorf("relay at %q, server at %s: %v", test.relay, test.server, got)
		}
	}
	if !Named(nil).allows(netip.MustParseAddr("127.0.0.1")) {
		t.Error("a server of our own choice")
	}
}

// TestRelayNamesAServerOfThisMachine checks that a relay elsewhere can't make
// us connect to a service of this machine by naming it, be it by number or by a
// name that leads there.
func TestRelayNamesAServerOfThisMachine(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	var knocks atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			knocks.Add(1)
			_ = c.Close() // nothing is read
		}
	}()
	_, port, err := net.SplitHostPort(tcp.Addr().String())
	must(t, err)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:"+port)
	must(t, err)
	c := newTestSTUN(t)
	client := TURNClient{Mux: c.mux, TLS: new(tls.Config), Logger: c.logger}
	var servers []signalling.ICEServer
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0"} {
		servers = append(servers, signalling.ICEServer{URLs: []string{
			"turn:" + host + ":" + port + "?transport=tcp", "turn:" + host + ":" + port + "?transport=udp",
		}, Username: "u", Credential: "c"})
	}
	if _, err := client.Allocate(t.Context(), servers, at("198.51.100.1")); !errors.Is(err, errNearby) {
		t.Errorf("%v", err)
	}
	c.resolve = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	w, stop := c.Watch([]string{"stun:127.0.0.1:" + port, "stun:rebound.example:" + port}, at("198.51.100.1"), nil)
	defer stop()
	mediatest.Eventually(t, "both names were looked at", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, name := range w.servers {
			if s := c.servers[name]; s.resolved.IsZero() || s.resolving || len(s.addresses) > 0 {
				return false
			}
		}
		return true
	})
	must(t, tcp.Close())
	<-done
	if k := knocks.Load(); k != 0 {
		t.Errorf("%d connections", k)
	}
	heard := make(chan int, 1)
	go func() {
		n, _, _ := udp.ReadFrom(make([]byte, 100)) // ends when its socket is closed
		heard <- n
	}()
	must(t, udp.Close())
	if n := <-heard; n > 0 {
		t.Errorf("%d bytes over UDP", n)
	}
}
