package ways

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/kit/portmap"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a host's ways, with a real relay inside.
type place struct {
	*Ways
	t      *testing.T
	inside *relay.Server
	router *noRouter
	store  *store.Store
}

// noRouter notes what it is told.
type noRouter struct{ on atomic.Bool }

func (r *noRouter) Enable(on bool)  { r.on.Store(on) }
func (r *noRouter) NetworkChanged() {}
func (r *noRouter) Status() portmap.Status {
	if !r.on.Load() {
		return portmap.Status{State: portmap.Off}
	}
	return portmap.Status{State: portmap.Shared}
}

func open(t *testing.T, roots *x509.CertPool) *place {
	t.Helper()
	p := &place{t: t, router: new(noRouter)}
	var err error
	if p.store, err = store.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.store.Close() })
	p.inside, err = relay.Open(t.Context(), relay.Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		Pages: fstest.MapFS{"index.html": {Data: []byte("<title>Porch</title>")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.inside.Close() })
	l, background := loop.New(func() {}), new(loop.Background)
	ctx, cancel := context.WithCancel(context.Background())
	p.Ways = New(Options{
		Keeper: p.store, Inside: p.inside, Router: p.router, TLS: &tls.Config{RootCAs: roots}, Context: ctx, Loop: l, Background: background,
		Do: func(ctx context.Context, fn func() error) error {
			var err error
			if gone := l.Do(ctx, func() { err = fn() }); gone != nil {
				return gone
			}
			return err
		},
		Touch: func() {}, Forget: func() {}, Probe: 5 * time.Second, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	t.Cleanup(func() {
		cancel()
		background.Wait()
		l.Close()
	})
	if gone := l.Do(t.Context(), func() { err = p.Load() }); gone != nil || err != nil {
		t.Fatal(gone, err)
	}
	return p
}

func (p *place) view() (v hoststate.Reach) {
	_ = p.parts.Loop.Do(p.t.Context(), func() { v = p.View(p.inside.Addresses()) })
	return v
}

func (p *place) addresses() (urls []string) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		p.t.Fatal(err)
	}
	_ = p.parts.Loop.Do(p.t.Context(), func() {
		for _, a := range p.AddressesOf(links.Link{ID: keys.ID(), Keys: keys}, p.inside.Addresses()) {
			base, _, _ := strings.Cut(a.URL, "/j/")
			urls = append(urls, base)
		}
	})
	return urls
}

// proxy is a proxy that ends TLS before p's relay, and its authority.
func proxy(t *testing.T, handler http.Handler) (origin string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots
}

// passes returns a proxy's handler that leads to the relay that is stored in to.
func passes(to *atomic.Pointer[relay.Server], change func(*httputil.ProxyRequest)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: strings.TrimPrefix(to.Load().Addresses()[0].Base, "http://")})
			r.Out.Host = r.In.Host
			for _, name := range append(relay.TrialHeaders, "Forwarded") {
				r.Out.Header[name] = r.In.Header[name]
			}
			change(r)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

func TestLookThrough(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*httputil.ProxyRequest)
		header string
		want   fault.Code
	}{
		{"a proxy that adds the guest's address", func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "X-Forwarded-For", ""},
		{"a tunnel that passes on what guests say", func(*httputil.ProxyRequest) {}, "", ""},
		{"a tunnel with a header of its own", func(r *httputil.ProxyRequest) { r.Out.Header.Set("Cf-Connecting-Ip", "198.51.100.4") }, "Cf-Connecting-Ip", ""},
		{"a proxy that hides the name", func(r *httputil.ProxyRequest) { r.SetXForwarded(); r.Out.Host = r.Out.URL.Host }, "", fault.OutsideHost},
		{"a proxy without WebSockets", func(r *httputil.ProxyRequest) { r.Out.Header.Del("Upgrade"); r.Out.Header.Del("Connection") }, "", fault.OutsideSockets},
		{"a proxy that has another Origin", func(r *httputil.ProxyRequest) { r.Out.Header.Set("Origin", "https://other.example") }, "", fault.OutsideSockets},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var to atomic.Pointer[relay.Server]
			origin, roots := proxy(t, passes(&to, c.change))
			p := open(t, roots)
			to.Store(p.inside)
			v, err := p.TestOwn(t.Context(), origin+"/")
			if fault.CodeOf(err) != c.want && (err != nil || c.want != "") {
				t.Fatalf("%+v, %v", v, err)
			}
			if c.want == "" && (v.URL != origin || v.Counted != (c.header != "")) {
				t.Errorf("seen: %+v", v)
			}
			if got := p.view().Own; got.URL != "" {
				t.Errorf("a test alone is taken: %+v", got)
			}
			if err := p.UseOwn(t.Context(), origin); err != nil {
				t.Fatal(err)
			}
			own := p.view().Own
			if own.URL != origin || own.Code != string(c.want) || (own.State == hoststate.OwnWorks) != (c.want == "") || own.Counted != (c.header != "") {
				t.Errorf("own: %+v", own)
			}
			var kept choice
			if _, err := p.store.Setting(keyReach, &kept); err != nil || kept.Own.Header != c.header {
				t.Errorf("kept: %+v, %v", kept, err)
			}
		})
	}
}

func TestLookElsewhere(t *testing.T) {
	other, roots := proxy(t, http.NotFoundHandler())
	away, _ := proxy(t, http.RedirectHandler(other, http.StatusFound))
	down, _ := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "https://" + l.Addr().String()
	_ = l.Close()
	p, stranger := open(t, roots), open(t, nil)
	for _, c := range []struct {
		p       *place
		address string
		want    fault.Code
	}{
		{p, other, fault.OutsideElsewhere},
		{p, away, fault.OutsideElsewhere},
		{p, down, fault.OutsideUnreachable},
		{p, nobody, fault.OutsideUnreachable},
		{stranger, other, fault.OutsideUntrusted},
		{p, "https://porch.example/j/x#y", fault.RelayIsLink},
		{p, "https://porch.example/path", fault.RelayAddressInvalid},
		{p, "ftp://porch.example", fault.RelayAddressInvalid},
		{p, "", fault.RelayAddressInvalid},
	} {
		if _, err := c.p.TestOwn(t.Context(), c.address); fault.CodeOf(err) != c.want {
			t.Errorf("%q: %v, want %s", c.address, err, c.want)
		}
	}
}

// TestWho: the host's choice closes addresses at once, and opens them again.
func TestWho(t *testing.T) {
	var to atomic.Pointer[relay.Server]
	origin, roots := proxy(t, passes(&to, func(r *httputil.ProxyRequest) { r.SetXForwarded() }))
	p := open(t, roots)
	to.Store(p.inside)
	local := p.inside.Addresses()[0].Base
	if err := p.UseOwn(t.Context(), origin); err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	status := func() int {
		t.Helper()
		r, err := c.Get(origin + "/j/x")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	for _, want := range []struct {
		who, kind string
		addresses []string
		status    int
	}{
		{WhoAnywhere, "anywhere", []string{origin, local}, http.StatusOK},
		{WhoNetwork, "computer", []string{local}, http.StatusForbidden},
		{WhoComputer, "computer", []string{local}, http.StatusForbidden},
		{WhoAnywhere, "anywhere", []string{origin, local}, http.StatusOK},
	} {
		if err := p.SetWho(t.Context(), want.who); err != nil {
			t.Fatal(err)
		}
		if v := p.view(); v.Who != want.who || v.Kind != want.kind {
			t.Errorf("%s: %s, %s", want.who, v.Who, v.Kind)
		}
		if got := p.addresses(); !slices.Equal(got, want.addresses) {
			t.Errorf("%s: %q", want.who, got)
		}
		if got := status(); got != want.status {
			t.Errorf("%s: status %d", want.who, got)
		}
	}
	if err := p.SetWho(t.Context(), "nobody"); fault.CodeOf(err) != fault.MessageInvalid {
		t.Error(err)
	}
	if err := p.UseOwn(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if v := p.view(); v.Own.URL != "" || v.Kind != "computer" || len(p.addresses()) != 1 || status() != http.StatusMisdirectedRequest {
		t.Errorf("removed: %d, %q, %+v", status(), p.addresses(), v)
	}
}

func TestRouterIsAskedOnlyWhenToldTo(t *testing.T) {
	p := open(t, nil)
	if p.router.on.Load() || p.view().Router.State != "off" {
		t.Fatal("asked unbidden")
	}
	if err := p.SetRouter(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if v := p.view().Router; !p.router.on.Load() || !v.On || v.State != "shared" {
		t.Errorf("router: %+v", v)
	}
	var kept choice
	if _, err := p.store.Setting(keyReach, &kept); err != nil || !kept.Router {
		t.Errorf("kept: %+v, %v", kept, err)
	}
}

// fakeTailscale puts a program of that name in front, which notes its arguments.
func fakeTailscale(t *testing.T, script string) (log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	text := "#!/bin/sh\necho \"$@\" >> " + log + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, "tailscale"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return log
}

func TestFunnel(t *testing.T) {
	log := fakeTailscale(t, `case "$1 $2" in
"status --json") echo '{"BackendState":"Running","Self":{"DNSName":"Porch.tail1.ts.net."}}';;
"serve status") echo '{"TCP":{"443":{"HTTPS":true}},"Web":{"porch.tail1.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:3000"}}}}}';;
esac`)
	p := open(t, nil)
	p.parts.Probe = 200 * time.Millisecond // nothing is at that name
	if p.view().Funnel != "off" {
		t.Fatal("the program is not seen")
	}
	if err := p.UseFunnel(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if v := p.view(); v.Funnel != "on" || v.Own.URL != "https://porch.tail1.ts.net:8443" || v.Own.State != hoststate.OwnFails {
		t.Errorf("on: %+v", v)
	}
	if err := p.UseFunnel(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if v := p.view(); v.Funnel != "off" || v.Own.URL != "" {
		t.Errorf("off: %+v", v)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(p.inside.Addresses()[0].Base, "http://"))
	want := "status --json\nserve status --json\nfunnel --bg --yes --https=8443 http://127.0.0.1:" + port + "\nfunnel --yes --https=8443 off\n"
	if string(b) != want {
		t.Errorf("ran\n%swant\n%s", b, want)
	}
}

func TestFunnelRefused(t *testing.T) {
	for _, c := range []struct {
		script string
		want   fault.Code
	}{
		{`exit 1`, fault.FunnelMissing},
		{`echo '{"BackendState":"NeedsLogin"}'`, fault.FunnelMissing},
		{`echo '{"BackendState":"Running","Self":{"DNSName":"evil.example/#"}}'`, fault.FunnelMissing},
		{`echo not json`, fault.FunnelMissing},
		{`[ "$1" = status ] && echo '{"BackendState":"Running","Self":{"DNSName":"a.ts.net."}}' && exit; [ "$1" = serve ] && exit; exit 1`, fault.FunnelRefused},
		{`head -c 3000000 /dev/zero`, fault.FunnelMissing},
	} {
		fakeTailscale(t, c.script)
		p := open(t, nil)
		if err := p.UseFunnel(t.Context(), true); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.script, err, c.want)
		}
		if v := p.view(); v.Own.URL != "" || v.Funnel != "off" {
			t.Errorf("%s: %+v", c.script, v)
		}
	}
}
