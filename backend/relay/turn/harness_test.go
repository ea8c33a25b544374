package turn

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
)

const realm = "relay.example"

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// open starts a server on loopback. change may alter its options.
func open(tb testing.TB, change func(*Options)) *Server {
	tb.Helper()
	o := Options{
		Secret: testSecret, Realm: realm, Listen: "127.0.0.1:0", Public: []netip.Addr{loopback},
		AllowPeers: loopbacks, TURN: []string{"turn:relay.example:3478"},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	s, err := Open(context.Background(), o)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

func credentials(tb testing.TB, s *Server, owner string) (name, password string) {
	tb.Helper()
	servers, _, err := s.Credentials(owner)
	must(tb, err)
	return servers[0].Username, servers[0].Credential
}

// way is how a client reaches the server.
type way string

var ways = []way{overUDP, overTCP, overTLS}

// dial returns the connection that a pion client sends through. It serves TLS if
// w needs it.
func dial(tb testing.TB, s *Server, w way) net.PacketConn {
	tb.Helper()
	at := s.Addr().String()
	switch w {
	case overUDP:
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		must(tb, err)
		tb.Cleanup(func() { conn.Close() })
		return conn
	case overTLS:
		certificate, err := LoadCertificate()
		must(tb, err)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
		must(tb, err)
		s.Serve(l)
		conn, err := tls.Dial("tcp", l.Addr().String(), new(tls.Config))
		must(tb, err)
		tb.Cleanup(func() { conn.Close() })
		return turn.NewSTUNConn(conn)
	}
	conn, err := net.Dial("tcp", at)
	must(tb, err)
	tb.Cleanup(func() { conn.Close() })
	return turn.NewSTUNConn(conn)
}

// newClient returns a pion client that listens.
func newClient(tb testing.TB, s *Server, w way, name, password string) *turn.Client {
	tb.Helper()
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: s.Addr().String(), TURNServerAddr: s.Addr().String(), Conn: dial(tb, s, w),
		Username: name, Password: password, Realm: realm, RTO: 200 * time.Millisecond, LoggerFactory: pionlog.Silent{},
	})
	must(tb, err)
	must(tb, c.Listen())
	tb.Cleanup(c.Close)
	return c
}

// allocate returns a relayed socket of a new client.
func allocate(tb testing.TB, s *Server, w way, name, password string) net.PacketConn {
	tb.Helper()
	conn, err := newClient(tb, s, w, name, password).Allocate()
	must(tb, err)
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// newPeer returns a socket to which packets are relayed.
func newPeer(tb testing.TB) net.PacketConn {
	tb.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(tb, err)
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// exchange sends over a relayed socket and back until both ends have heard each
// other. Pion's client first uses indications for that, then a channel.
func exchange(tb testing.TB, relayed, peer net.PacketConn, text string) {
	tb.Helper()
	b := make([]byte, maxDatagram)
	must(tb, peer.SetReadDeadline(time.Now().Add(patience)))
	must(tb, relayed.SetReadDeadline(time.Now().Add(patience)))
	_, err := relayed.WriteTo([]byte(text), peer.LocalAddr())
	must(tb, err)
	n, from, err := peer.ReadFrom(b)
	must(tb, err)
	if string(b[:n]) != text || from.String() != relayed.LocalAddr().String() {
		tb.Fatalf("the peer got %q from %v", b[:n], from)
	}
	_, err = peer.WriteTo([]byte(text+" back"), from)
	must(tb, err)
	n, from, err = relayed.ReadFrom(b)
	must(tb, err)
	if string(b[:n]) != text+" back" || from.String() != peer.LocalAddr().String() {
		tb.Fatalf("the client got %q from %v", b[:n], from)
	}
}

// eventually waits for what other goroutines do.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not in time: %s", what)
		}
	}
}

// counted waits until the server has relayed this much. A datagram is counted
// after it is sent, so it may arrive before that.
func counted(tb testing.TB, s *Server, fromClients, toClients Traffic) {
	tb.Helper()
	eventually(tb, fmt.Sprintf("%+v from clients, %+v to them", fromClients, toClients), func() bool {
		stats := s.Stats()
		return stats.FromClients == fromClients && stats.ToClients == toClients
	})
}

// only returns the one allocation of a server.
func (s *Server) only(tb testing.TB) *allocation {
	tb.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.relayed {
		if !a.ended.Load() {
			return a
		}
	}
	tb.Fatal("no allocation")
	return nil
}
