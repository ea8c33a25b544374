package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/porch-call/porch/backend/kit/household"
)

// proxyBefore passes connections on to a relay unchanged, as HAProxy in mode tcp
// or nginx with ssl_preread do, each after a header that head makes.
func proxyBefore(t *testing.T, to string, head func() []byte) (at string) {
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
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				if _, err := out.Write(head()); err != nil {
					return
				}
				wg.Go(func() {
					defer in.Close()
					_, _ = io.Copy(in, out) // ends when either side does
				})
				_, _ = io.Copy(out, in) // ends when either side does
			})
		}
	})
	return l.Addr().String()
}

// headerFrom returns a PROXY header for a connection of TCP from this address.
func headerFrom(t *testing.T, version byte, from string) []byte {
	t.Helper()
	b, err := proxyproto.HeaderProxyFromAddrs(version,
		net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:443"))).Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// pageOver asks for the page through at, and returns the status.
func pageOver(t *testing.T, at string) (status int, err error) {
	t.Helper()
	c := tls.Client(dialRaw(t, at), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

// TestProxy checks that behind a proxy that has 443 each guest is counted by the
// address that the proxy names, and not by the proxy's.
func TestProxy(t *testing.T) {
	for version, name := range map[byte]string{1: "version 1", 2: "version 2"} {
		t.Run(name, func(t *testing.T) {
			few := defaultLimits
			few.connectionsPerAddress = 2
			s, plain := openPublicRelay(t, func(o *Options) { o.Proxies, o.limits = here, &few })
			first := proxyBefore(t, s.hostPort(), func() []byte { return headerFrom(t, version, "198.51.100.1:1000") })
			second := proxyBefore(t, s.hostPort(), func() []byte { return headerFrom(t, version, "[2001:db8::1]:1000") })
			if status, err := pageOver(t, first); status != http.StatusOK {
				t.Fatalf("%d, %v", status, err)
			}
			eventually(t, func() bool { return s.none("198.51.100.1") })
			for range few.connectionsPerAddress {
				dialTLS(t, first, "http/1.1")
			}
			if !ends(tls.Client(dialRaw(t, first), &tls.Config{InsecureSkipVerify: true})) {
				t.Error("one more from this address is let through")
			}
			if status, err := pageOver(t, second); status != http.StatusOK {
				t.Errorf("another address: %d, %v", status, err)
			}
			c := dialRaw(t, plain)
			request := append(headerFrom(t, version, "198.51.100.9:1"), "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"...)
			if _, err := c.Write(request); err != nil {
				t.Fatal(err)
			}
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if r.StatusCode != http.StatusPermanentRedirect {
				t.Errorf("plain HTTP: %d", r.StatusCode)
			}
		})
	}
}

// none reports whether an address has no connection.
func (s *Server) none(address string) bool {
	return !s.connections.Has(household.Of(netip.MustParseAddr(address)))
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time")
		}
	}
}

// TestProxyTurn checks that TURN over TLS sees the client's address, too.
func TestProxyTurn(t *testing.T) {
	streams := make(turnForTest, 1)
	s, err := Open(context.Background(), Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Pages: testPages, Logger: slog.New(slog.DiscardHandler), Turn: streams, Proxies: here,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := dialTLS(t, proxyBefore(t, s.hostPort(), func() []byte { return headerFrom(t, 2, "198.51.100.1:1000") }), "stun.turn")
	if _, err := c.Write(stunHead); err != nil {
		t.Fatal(err)
	}
	got := <-streams
	defer got.Close()
	if from := got.RemoteAddr().String(); from != "198.51.100.1:1000" {
		t.Errorf("from %s", from)
	}
}

// TestProxyRefused checks that a header counts only from a proxy, and that a
// proxy needs one.
func TestProxyRefused(t *testing.T) {
	quick := defaultTimes
	quick.firstByte = 200 * time.Millisecond
	v2 := headerFrom(t, 2, "198.51.100.1:1000")
	udp := bytes.Clone(v2)
	udp[13] = 0x12 // UDP over IPv4
	for name, tc := range map[string]struct {
		trusted []netip.Prefix
		head    []byte
	}{
		"nobody is trusted, 1":        {nil, headerFrom(t, 1, "198.51.100.1:1000")},
		"nobody is trusted, 2":        {nil, v2},
		"somebody else is trusted":    {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, v2},
		"no header":                   {here, nil},
		"half a header, then no more": {here, v2[:9]},
		"no version":                  {here, []byte("PROXY nonsense\r\n")},
		"a line without end":          {here, []byte("PROXY TCP4 " + strings.Repeat("1", 4096))},
		"no TCP":                      {here, udp},
	} {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			s, _ := openPublicRelay(t, func(o *Options) {
				o.Proxies, o.times, o.Logger = tc.trusted, &quick, slog.New(slog.NewTextHandler(&log, nil))
			})
			if status, err := pageOver(t, proxyBefore(t, s.hostPort(), func() []byte { return tc.head })); err == nil && status == http.StatusOK {
				t.Error("the page came")
			}
			if told := strings.Contains(log.String(), "sent no PROXY header"); told != (name == "no header" || strings.HasPrefix(name, "half") ||
				name == "no version" || name == "a line without end") {
				t.Errorf("the operator is told: %v\n%s", told, log.String())
			}
		})
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestProxyLocal checks that a proxy that checks on this relay counts as itself.
func TestProxyLocal(t *testing.T) {
	s, _ := openPublicRelay(t, func(o *Options) { o.Proxies = here })
	local, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}).Format()
	if err != nil {
		t.Fatal(err)
	}
	if status, err := pageOver(t, proxyBefore(t, s.hostPort(), func() []byte { return local })); status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
}

// TestProxySlow checks that a proxy's late header holds up no other connection.
func TestProxySlow(t *testing.T) {
	s, _ := openPublicRelay(t, func(o *Options) { o.Proxies = here })
	dialRaw(t, s.hostPort())
	if status, err := pageOver(t, proxyBefore(t, s.hostPort(), func() []byte { return headerFrom(t, 2, "198.51.100.1:1") })); status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
}

// TestOtherName checks that a request by another name of the relay gets a page
// that says what to do, and not which name would be right.
func TestOtherName(t *testing.T) {
	s, _ := openPublicRelay(t, func(o *Options) { o.Domain = "call.example" })
	c := dialTLS(t, s.hostPort(), "http/1.1")
	if _, err := io.WriteString(c, "GET /j/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	answer := string(b)
	if !strings.Contains(answer, "421") || !strings.Contains(answer, "ask them for a new one") || !strings.Contains(answer, "-domain") {
		t.Errorf("%s", answer)
	}
	if strings.Contains(answer, "call.example") {
		t.Error("the answer names the relay")
	}
}

type faulty struct{ slog.Handler }

func (faulty) Enabled(context.Context, slog.Level) bool { return true }

func (faulty) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "no PROXY header") {
		panic("a fault")
	}
	return nil
}

// TestPanicEndsOneConnection checks that a panic in the first look at a
// connection ends that connection alone.
func TestPanicEndsOneConnection(t *testing.T) {
	s, _ := openPublicRelay(t, func(o *Options) {
		o.Proxies = here
		o.Logger = slog.New(faulty{slog.DiscardHandler}) // logging a proxy without a header panics
	})
	if !ends(dialRaw(t, proxyBefore(t, s.hostPort(), func() []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }))) {
		t.Error("the connection goes on")
	}
	if s.Panics() != 1 {
		t.Errorf("%d panics are counted", s.Panics())
	}
	eventually(t, func() bool { return s.none("127.0.0.1") })
	if status, err := pageOver(t, proxyBefore(t, s.hostPort(), func() []byte { return headerFrom(t, 2, "198.51.100.1:1") })); status != http.StatusOK {
		t.Errorf("another: %d, %v", status, err)
	}
}
