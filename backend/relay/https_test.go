package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

func TestOnePortSpeaksBoth(t *testing.T) {
	s := openRelay(t, nil)
	c := client(t, s)
	for _, scheme := range []string{"http", "https"} {
		got := get(t, c, scheme+"://"+s.hostPort()+"/j/AAAAAAAAAAAAAAAAAAAAAA", nil)
		if got.status != http.StatusOK || !bytes.Equal(got.body, testPages["index.html"].Data) {
			t.Errorf("%s: %d, %d bytes", scheme, got.status, len(got.body))
		}
		if want := map[string]int{"http": 1, "https": 2}[scheme]; got.proto != want {
			t.Errorf("%s: HTTP/%d", scheme, got.proto)
		}
	}
}

func TestSocketOverTLS(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	c := client(t, s)
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	c.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	ws, _, err := dialAt(t, "wss://"+s.hostPort()+switchboard.SocketPath, c, func(o *websocket.DialOptions) {
		o.HTTPHeader = http.Header{"Origin": {"https://" + s.hostPort()}}
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, ws, keys.ID())
	if _, ok := answer(t, ws).(signalling.Opened); !ok {
		t.Fatal("not opened")
	}
	f := <-guests
	write(t, ws, websocket.MessageBinary, []byte("over TLS"))
	if b := recv(t, f); string(b) != "over TLS" {
		t.Errorf("%q", b)
	}
}

func TestHeaders(t *testing.T) {
	s := openRelay(t, nil)
	c := client(t, s)
	for _, path := range []string{"/", "/j/x", "/assets/app-Ab12_-9z.js", "/nowhere", switchboard.SocketPath} {
		for _, scheme := range []string{"http", "https"} {
			h := get(t, c, scheme+"://"+s.hostPort()+path, nil).header
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if h.Get(name) != want {
					t.Errorf("%s %s: %s is %q", scheme, path, name, h.Get(name))
				}
			}
			if h.Get("Strict-Transport-Security") != "" {
				t.Errorf("%s %s: a guest could not accept the certificate", scheme, path)
			}
			csp := h.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(csp, part) {
					t.Errorf("%s %s: policy %q has no %s", scheme, path, csp, part)
				}
			}
			socket := " ws://" + s.hostPort() + ";"
			if scheme == "https" {
				socket = " wss://" + s.hostPort() + ";"
			}
			if !strings.Contains(csp, socket) || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
				t.Errorf("%s %s: policy %q", scheme, path, csp)
			}
			if p := h.Get("Permissions-Policy"); !strings.Contains(p, "camera=(self)") || !strings.Contains(p, "microphone=(self)") || !strings.Contains(p, "geolocation=()") {
				t.Errorf("%s %s: permissions %q", scheme, path, p)
			}
		}
	}
}

// TestOneScriptMayCompile checks that nothing but the worker of camera effects may
// compile WebAssembly, and that it may evaluate no text.
func TestOneScriptMayCompile(t *testing.T) {
	s := openRelay(t, nil)
	c := client(t, s)
	base := "http://" + s.hostPort()
	for path, may := range map[string]bool{
		"/assets/scene.worker-Ab12_-9z.js": true, "/assets/app-Ab12_-9z.js": false, "/": false,
		"/j/assets/scene.worker-Ab12_-9z.js": false, "/assets/scene.worker-x/../app-Ab12_-9z.js": false,
		"/assets/scene.worker-none.js": false, // which is not there
	} {
		policy := get(t, c, base+path, nil).header.Get("Content-Security-Policy")
		if strings.Contains(policy, "'wasm-unsafe-eval'") != may || strings.Contains(policy, "'unsafe-eval'") ||
			!strings.HasPrefix(policy, "default-src 'none'; script-src 'self'") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := openRelay(t, nil)
	c := client(t, s)
	base := "http://" + s.hostPort()
	for _, tc := range []struct {
		name   string
		method string
		path   string
		host   string
		status int
	}{
		{"rebound name", "GET", "/", "evil.example", 421},
		{"rebound name with the port", "GET", "/j/x", "evil.example:7674", 421},
		{"name within a name", "GET", "/", "localhost.evil.example", 421},
		{"port that is none", "GET", "/", "localhost:80;script-src", 421},
		{"localhost", "GET", "/", "localhost", 200},
		{"LOCALHOST", "GET", "/", "LOCALHOST:1", 200},
		{"IPv6", "GET", "/", "[::1]:7674", 200},
		{"post", "POST", "/", "", 405},
		{"put", "PUT", "/j/x", "", 405},
		{"connect", "OPTIONS", "/", "", 405},
		{"head", "HEAD", "/", "", 200},
		{"outside", "GET", "/../server.go", "", 404},
		{"encoded outside", "GET", "/%2e%2e/%2e%2e/etc/passwd", "", 404},
		{"inside a link", "GET", "/j/x/y", "", 200}, // as a mail scanner may change an address; the page says what is missing
		{"precompressed by name", "GET", "/assets/app-Ab12_-9z.js.br", "", 404},
		{"hidden file", "GET", "/.gitkeep", "", 404},
		{"socket without upgrade", "GET", switchboard.SocketPath, "", 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var body io.Reader
			if tc.method == "POST" || tc.method == "PUT" {
				body = strings.NewReader("body")
			}
			r, err := http.NewRequestWithContext(contextFor(t), tc.method, base+tc.path, body)
			if err != nil {
				t.Fatal(err)
			}
			if tc.host != "" {
				r.Host = tc.host
			}
			resp, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tc.status {
				t.Errorf("%s, want %d", resp.Status, tc.status)
			}
		})
	}
}

func TestHeaderBomb(t *testing.T) {
	s := openRelay(t, nil)
	raw, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(raw, "GET / HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for line := "X: " + strings.Repeat("x", 1000) + "\r\n"; sent < 8<<20; sent += len(line) {
		if _, err := io.WriteString(raw, line); err != nil {
			return // cut
		}
	}
	t.Errorf("%d bytes of headers were read", sent)
}

// TestPlainHTTPIsForThisComputer uses an address of this machine that is not
// loopback, so that the relay sees a peer on the network.
func TestPlainHTTPIsForThisComputer(t *testing.T) {
	addrs := netaddr.Reachable(netaddr.Interfaces(), netip.Addr{})
	if len(addrs) == 0 {
		t.Skip("this machine has no network")
	}
	s := openRelay(t, func(o *Options) { o.Listen = "" })
	there := netip.AddrPortFrom(addrs[0].Addr, s.bound.Port()).String()
	c := client(t, s)
	got := get(t, c, "http://"+there+"/j/x?y=1", nil)
	if want := "https://" + there + "/j/x?y=1"; got.status != http.StatusTemporaryRedirect || got.header.Get("Location") != want {
		t.Errorf("%d to %q", got.status, got.header.Get("Location"))
	}
	if got := get(t, c, "https://"+there+"/j/x", nil); got.status != http.StatusOK {
		t.Errorf("https: %d", got.status)
	}
	if _, got, err := dialAt(t, "ws://"+there+switchboard.SocketPath, c, nil); err == nil || got.status != http.StatusTemporaryRedirect {
		t.Errorf("a socket without TLS from the network: %d, %v", got.status, err)
	}
}

func TestBrokenTLSDisturbsNobody(t *testing.T) {
	s := openRelay(t, nil)
	// A ClientHello, cut at every length.
	hello := clientHello(t)
	for n := 1; n < len(hello); n += 7 {
		raw, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write(hello[:n]); err != nil {
			t.Fatal(err)
		}
		raw.Close()
	}
	// TLS too old to be safe.
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", s.hostPort(), conf); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	if got := get(t, client(t, s), "https://"+s.hostPort()+"/", nil); got.status != http.StatusOK {
		t.Error(got.status)
	}
}

// clientHello records the first flight of a TLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	ctx, cancel := context.WithCancel(contextFor(t))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = tls.Client(there, &tls.Config{ServerName: "localhost"}).HandshakeContext(ctx)
		there.Close()
	}()
	b := make([]byte, 4096)
	n, err := here.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	return b[:n]
}
