package mediatest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/signalling"
)

// RelayedAt is the address at which a [TURNServer] relays. The host candidates of this computer don't have it.
const RelayedAt = "127.0.0.2"

// TURNServer is a real TURN server on this computer.
type TURNServer struct {
	URLs   map[string]string // by transport: "udp", "tcp", "tls"
	TLS    *tls.Config       // for clients of the server
	Asked  atomic.Int32      // how often Servers was asked for credentials
	Refuse atomic.Bool       // makes the server refuse its credentials

	server *turn.Server
	mu     sync.Mutex
	conns  []net.Conn // over TCP
}

// NewTURNServer returns a server on this computer. It ends with the test.
func NewTURNServer(tb testing.TB) *TURNServer {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("needs a second loopback address, which Linux alone has without being asked")
	}
	certificate, pool := newCertificate(tb)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(tb, err)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(tb, err)
	secured, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	must(tb, err)
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(RelayedAt), Address: RelayedAt}
	s := &TURNServer{
		TLS: &tls.Config{RootCAs: pool},
		URLs: map[string]string{
			"udp": fmt.Sprintf("turn:%s?transport=udp", udp.LocalAddr()),
			"tcp": fmt.Sprintf("turn:%s?transport=tcp", tcp.Addr()),
			"tls": fmt.Sprintf("turns:%s?transport=tcp", secured.Addr()),
		},
	}
	s.server, err = turn.NewServer(turn.ServerConfig{
		Realm: "porch", LoggerFactory: pionlog.New(slog.New(slog.DiscardHandler)),
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, "porch", "password"), !s.Refuse.Load()
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relay}},
		ListenerConfigs: []turn.ListenerConfig{
			{Listener: kept{tcp, s}, RelayAddressGenerator: relay}, {Listener: secured, RelayAddressGenerator: relay},
		},
	})
	must(tb, err)
	tb.Cleanup(func() { _ = s.server.Close() })
	return s
}

// Servers returns a function that gives out the server with these transports.
func (s *TURNServer) Servers(ways ...string) func(context.Context) ([]signalling.ICEServer, error) {
	return func(context.Context) ([]signalling.ICEServer, error) {
		s.Asked.Add(1)
		var urls []string
		for _, w := range ways {
			urls = append(urls, s.URLs[w])
		}
		return []signalling.ICEServer{{URLs: urls, Username: "user", Credential: "password"}}, nil
	}
}

// Cut closes all connections over TCP.
func (s *TURNServer) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// kept is a listener that keeps its connections for [TURNServer.Cut].
type kept struct {
	net.Listener
	server *TURNServer
}

func (l kept) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.server.mu.Lock()
		defer l.server.mu.Unlock()
		l.server.conns = append(l.server.conns, c)
	}
	return c, err
}

func newCertificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	leaf, err := x509.ParseCertificate(der)
	must(tb, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
