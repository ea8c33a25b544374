package relay

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/switchboard"
)

const outsideOrigin = "https://example.com" // the name in httptest's certificate

// tlsProxy ends TLS before a relay, as a reverse proxy or a tunnel does. change
// edits what it passes on.
func tlsProxy(t *testing.T, s *Server, change func(*httputil.ProxyRequest)) *httptest.Server {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: s.hostPort()}
	p := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded() // appends the address of whoever has connected
			if change != nil {
				change(r)
			}
		},
		ErrorLog: log.New(io.Discard, "", 0),
	})
	t.Cleanup(p.Close)
	return p
}

// guestOf returns a browser at an address of 127.0.0.0/8, for which the name of
// the origin leads to the proxy.
func guestOf(t *testing.T, p *httptest.Server, from string) *http.Client {
	t.Helper()
	tr := p.Client().Transport.(*http.Transport).Clone()
	tr.ForceAttemptHTTP2 = false
	tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, p.Listener.Addr().String())
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func outsideSocket(t *testing.T, c *http.Client, header http.Header) (*websocket.Conn, reply, error) {
	t.Helper()
	return dialAt(t, outsideOrigin+switchboard.SocketPath, c, func(o *websocket.DialOptions) { o.HTTPHeader = header })
}

// TestOutside: behind a proxy that ends TLS, guests get the page, sockets and seats
// with addresses of their own, and are not people at this computer.
func TestOutside(t *testing.T) {
	few := defaultLimits
	few.socketsPerAddress = 2
	s := openRelay(t, func(o *Options) { o.limits = &few })
	p := tlsProxy(t, s, nil)
	ada, boris := guestOf(t, p, "127.0.0.2"), guestOf(t, p, "127.0.0.3")

	if r := get(t, ada, outsideOrigin+"/j/x", nil); r.status != http.StatusMisdirectedRequest {
		t.Errorf("an address that the host has not entered: %d", r.status)
	}
	s.SetOutside(&Outside{Origin: outsideOrigin, Header: "X-Forwarded-For"})
	r := get(t, ada, outsideOrigin+"/j/x", nil)
	if r.status != http.StatusOK || r.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("page: %d, HSTS %q", r.status, r.header.Get("Strict-Transport-Security"))
	}
	if policy := r.header.Get("Content-Security-Policy"); policy != contentPolicy("example.com", true) {
		t.Errorf("policy: %s", policy)
	}
	if r := get(t, client(t, s), "http://"+s.hostPort()+"/j/x", nil); r.status != http.StatusOK || r.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("this computer: %d, HSTS %q", r.status, r.header.Get("Strict-Transport-Security"))
	}

	keys, guests, _ := host(t, s)
	page := http.Header{"Origin": {outsideOrigin}}
	ws, _, err := outsideSocket(t, ada, page)
	if err != nil {
		t.Fatal(err)
	}
	_, frames := connectOver(t, ws, keys, guests)
	if frames.Remote().Loopback {
		t.Error("a guest from outside passes for one at this computer")
	}
	first := frames.Remote().Key

	// Limits are by the guest's address, and a forged header changes nothing.
	forged := func(n string) http.Header {
		return http.Header{"Origin": {outsideOrigin}, "X-Forwarded-For": {"198.51.100." + n}, "X-Real-Ip": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1"}}
	}
	ws, _, err = outsideSocket(t, ada, forged("1"))
	if err != nil {
		t.Fatal(err)
	}
	_, frames = connectOver(t, ws, keys, guests)
	if frames.Remote().Key != first || frames.Remote().Loopback {
		t.Error("a forged header makes another guest")
	}
	if _, r, err := outsideSocket(t, ada, forged("2")); err == nil || r.status != http.StatusTooManyRequests {
		t.Errorf("a third socket: %d, %v", r.status, err)
	}
	ws, _, err = outsideSocket(t, boris, page)
	if err != nil {
		t.Fatal(err)
	}
	_, frames = connectOver(t, ws, keys, guests)
	if frames.Remote().Key == first {
		t.Error("two guests count as one address")
	}

	// Pages of others, and of this computer, may not open sockets there.
	for _, origin := range []string{"https://evil.example", "http://example.com", "https://example.com.evil.example", "https://EXAMPLE.com", "http://" + s.hostPort(), "null"} {
		if _, r, err := outsideSocket(t, boris, http.Header{"Origin": {origin}}); err == nil || r.status != http.StatusForbidden {
			t.Errorf("origin %s: %d, %v", origin, r.status, err)
		}
	}
}

// TestOutsideIsForProxies: the name alone opens nothing, and a proxy that hides it
// passes nobody off as a person at this computer.
func TestOutsideIsForProxies(t *testing.T) {
	s := openRelay(t, nil)
	s.SetOutside(&Outside{Origin: outsideOrigin, Header: "X-Forwarded-For"})
	here := client(t, s)
	local := "http://" + s.hostPort() + "/"
	named := func(host string, headers ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Host = host
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
	}
	for _, c := range []struct {
		what   string
		change func(*http.Request)
		want   int
	}{
		{"this computer", named("localhost"), http.StatusOK},
		{"the name, with its default port", named("EXAMPLE.com:443"), http.StatusOK},
		{"another port", named("example.com:8443"), http.StatusMisdirectedRequest},
		{"a longer name", named("www.example.com"), http.StatusMisdirectedRequest},
		{"a hidden name", named("localhost", "X-Forwarded-For", "198.51.100.7"), http.StatusMisdirectedRequest},
		{"a hidden name, by Forwarded", named("127.0.0.1", "Forwarded", "for=198.51.100.7"), http.StatusMisdirectedRequest},
		{"a hidden name, by Via", named("localhost", "Via", "1.1 x"), http.StatusMisdirectedRequest},
	} {
		if r := get(t, here, local, c.change); r.status != c.want {
			t.Errorf("%s: %d, want %d", c.what, r.status, c.want)
		}
	}
	o := &Outside{Proxies: []netip.Addr{netip.MustParseAddr("192.168.1.9")}}
	for from, want := range map[string]bool{"127.0.0.1": true, "::1": true, "192.168.1.9": true, "192.168.1.10": false, "198.51.100.1": false} {
		if got := o.trusts(netip.MustParseAddr(from)); got != want {
			t.Errorf("%s is a proxy: %v", from, got)
		}
	}
}

func TestLastAddress(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{"198.51.100.1"}, "198.51.100.1"},
		{[]string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{[]string{"198.51.100.9", "198.51.100.1 , 2001:db8::1 "}, "2001:db8::1"},
		{[]string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{[]string{"198.51.100.1:5000"}, "198.51.100.1"},
		{[]string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{[]string{"fe80::1%eth0"}, "fe80::1"},
		{[]string{"198.51.100.1,"}, ""},
		{[]string{"unknown"}, ""},
	} {
		got := LastAddress(c.values)
		if got.IsValid() != (c.want != "") || got.IsValid() && got.String() != c.want {
			t.Errorf("%q: %v, want %q", c.values, got, c.want)
		}
	}
	if a := (&Outside{Header: "X-Forwarded-For"}).guest(http.Header{}); a.IsLoopback() || !a.IsValid() {
		t.Errorf("no header: %v", a)
	}
}

func TestAudience(t *testing.T) {
	s := openRelay(t, nil)
	s.SetOutside(&Outside{Origin: outsideOrigin})
	ada := guestOf(t, tlsProxy(t, s, nil), "127.0.0.2")
	for _, c := range []struct {
		audience Audience
		outside  int
	}{{ThisComputer, http.StatusForbidden}, {ThisNetwork, http.StatusForbidden}, {Everybody, http.StatusOK}} {
		s.SetAudience(c.audience)
		if r := get(t, ada, outsideOrigin+"/", nil); r.status != c.outside {
			t.Errorf("audience %d, from outside: %d", c.audience, r.status)
		}
		if r := get(t, client(t, s), "http://"+s.hostPort()+"/", nil); r.status != http.StatusOK {
			t.Errorf("audience %d, at this computer: %d", c.audience, r.status)
		}
	}
	near := visit{from: netip.MustParseAddr("192.168.1.7")}
	for a, want := range map[Audience]bool{Everybody: true, ThisNetwork: true, ThisComputer: false} {
		if s.SetAudience(a); s.admits(near) != want {
			t.Errorf("audience %d takes a neighbour: %v", a, !want)
		}
	}
}

// TestTrial: what a proxy passes on is told to whoever knows the token, and to
// nobody else.
func TestTrial(t *testing.T) {
	s := openRelay(t, nil)
	ada := guestOf(t, tlsProxy(t, s, nil), "127.0.0.2")
	secret := func(r *http.Request) { r.Header.Set(TrialToken, "secret") }
	if r := get(t, ada, outsideOrigin+TrialPath, secret); r.status != http.StatusMisdirectedRequest {
		t.Errorf("no trial: %d", r.status)
	}
	end := s.Try(Outside{Origin: outsideOrigin}, "secret")
	if r := get(t, ada, outsideOrigin+TrialPath, func(r *http.Request) { r.Header.Set(TrialToken, "secreT") }); r.status != http.StatusNotFound {
		t.Errorf("another token: %d, %s", r.status, r.header.Get("Content-Type"))
	}
	r := get(t, ada, outsideOrigin+TrialPath, func(r *http.Request) {
		secret(r)
		r.Header.Set("X-Forwarded-For", "192.0.2.77")
	})
	var seen Seen
	if err := json.Unmarshal(r.body, &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Host != "example.com" || !seen.From.IsLoopback() || LastAddress(seen.Headers["X-Forwarded-For"]).String() != "127.0.0.2" {
		t.Errorf("seen: %+v", seen)
	}
	if _, _, err := outsideSocket(t, ada, http.Header{"Origin": {outsideOrigin}}); err != nil {
		t.Fatal(err)
	}
	end()
	if r := get(t, ada, outsideOrigin+"/", nil); r.status != http.StatusMisdirectedRequest {
		t.Errorf("after its end: %d", r.status)
	}
}

// TestTrialOfAProxyThatHasMoved: the proxy of the address in use comes from another
// address than before. A trial may find it; without one it stays a stranger.
func TestTrialOfAProxyThatHasMoved(t *testing.T) {
	s := openRelay(t, nil)
	before, now := netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("192.168.1.9")
	s.SetOutside(&Outside{Origin: outsideOrigin, Proxies: []netip.Addr{before}})
	trusts := func(from netip.Addr) bool { return s.outsideOf("example.com", from).trusts(from) }
	if !trusts(before) || trusts(now) {
		t.Error("before a trial")
	}
	end := s.Try(Outside{Origin: outsideOrigin, Proxies: []netip.Addr{now}}, "secret")
	if !trusts(before) || !trusts(now) || trusts(netip.MustParseAddr("192.168.1.10")) {
		t.Error("in a trial")
	}
	end()
	if trusts(now) {
		t.Error("after a trial")
	}
	if s.outsideOf("other.example", before) != nil {
		t.Error("another name")
	}
}
