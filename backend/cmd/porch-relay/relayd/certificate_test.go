package relayd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func itoa(n int) string { return strconv.Itoa(n) }

const testDomain = "call.porch.test"

// testPace has short pauses, and renews in the second half of a lifetime.
var testPace = acmePace{
	look:        100 * time.Millisecond,
	unreachable: 100 * time.Millisecond, unreachableLast: 200 * time.Millisecond,
	refused: 200 * time.Millisecond, refusedLast: 400 * time.Millisecond,
	renewalWindow: 0.5, byAgeOnly: true, // pebble's renewal windows are days long
}

// site has two listeners that a certificate authority asks, like a relay's.
type site struct {
	t            *testing.T
	https, plain int
	certificates certificates
}

func newSite(t *testing.T, c func(https, plain int) certificates, withPlain bool) *site {
	t.Helper()
	s := &site{t: t}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.https = secure.Addr().(*net.TCPAddr).Port
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.plain = plain.Addr().(*net.TCPAddr).Port
	s.certificates = c(s.https, s.plain)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	servers := []*http.Server{{
		Handler: hello, ReadHeaderTimeout: time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig: &tls.Config{GetCertificate: s.certificates.get, NextProtos: append([]string{"h2", "http/1.1"}, s.certificates.protocols()...)},
	}}
	first := servers[0]
	go func() { _ = first.ServeTLS(secure, "", "") }() // ends with Close
	if withPlain {
		servers = append(servers, &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !s.certificates.challenge(w, r) {
				http.NotFound(w, r)
			}
		})})
		second := servers[1]
		go func() { _ = second.Serve(plain) }()
	} else {
		plain.Close()
	}
	t.Cleanup(func() {
		s.certificates.close()
		s.certificates.close() // a second close does nothing
		for _, server := range servers {
			_ = server.Close()
		}
	})
	return s
}

// leaf returns the certificate that the site shows to a client that trusts roots.
func (s *site) leaf(domain string, roots *x509.CertPool) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: domain, RootCAs: roots}}
	c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+itoa(s.https))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestACME follows the life of a certificate at a real ACME server. At first the
// server is down. Then it issues the first certificate, and renews it. The server
// is down again when the next is due, and comes back without its memory. Last,
// the relay restarts.
func TestACME(t *testing.T) {
	for _, way := range []struct {
		name  string
		plain bool // port 80 answers, for HTTP-01; otherwise TLS-ALPN-01
	}{{"HTTP-01", true}, {"TLS-ALPN-01", false}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			domain := strings.ToLower(way.name) + ".porch.test" // certmagic's challenges are global in the process
			var p *pebble
			open := func(https, plain int) certificates {
				if p == nil {
					p = newPebble(t, 20*time.Second, https, plain)
				}
				o := acmeOptions{
					domain: domain, email: "ops@porch.test", dir: dir, directory: p.directory, roots: p.roots,
					host: "127.0.0.1", https: https, pace: testPace, log: slog.New(slog.NewTextHandler(t.Output(), nil)),
				}
				if way.plain {
					o.http = plain
				}
				return openACME(o)
			}
			s := newSite(t, open, way.plain)
			s.certificates.start()

			eventually(t, "the failure is known", func() bool { return s.certificates.status().trouble != nil })
			if got := s.certificates.status(); got.usable(time.Now()) {
				t.Fatalf("a certificate out of nothing: %+v", got)
			}
			if _, err := s.leaf(domain, nil); err == nil {
				t.Fatal("a handshake without a certificate")
			}

			p.start()
			eventually(t, "the first certificate", func() bool { return s.certificates.status().usable(time.Now()) })
			first, err := s.leaf(domain, p.issuers())
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "no more trouble", func() bool { return s.certificates.status().trouble == nil })

			roots := p.issuers()
			var second *x509.Certificate
			eventually(t, "renewal", func() bool {
				second, err = s.leaf(domain, roots)
				if err != nil {
					t.Fatalf("between two certificates: %v", err)
				}
				return second.SerialNumber.Cmp(first.SerialNumber) != 0
			})
			if !second.NotAfter.After(first.NotAfter) {
				t.Error("the renewed certificate ends no later")
			}

			p.stop()
			eventually(t, "a renewal fails", func() bool { return s.certificates.status().trouble != nil })
			kept, err := s.leaf(domain, roots)
			if err != nil {
				t.Fatalf("the old certificate is not served while renewal fails: %v", err)
			}
			p.start() // an authority that knows no account
			roots = p.issuers()
			eventually(t, "recovery", func() bool {
				now, err := s.leaf(domain, roots)
				return err == nil && now.SerialNumber.Cmp(kept.SerialNumber) != 0
			})

			// A relay that starts again serves what it has before it asks a
			// server.
			p.stop()
			s.certificates.close()
			again := open(s.https, s.plain)
			defer again.close()
			served := again.status()
			if !served.expires.After(kept.NotAfter) {
				t.Errorf("after a restart: %+v", served)
			}
		})
	}
}

// TestACMECloseInMid closes while the ACME server does not answer.
func TestACMECloseInMid(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	asked := make(chan net.Conn, 8)
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				close(asked)
				return
			}
			asked <- c
		}
	}()
	a := openACME(acmeOptions{
		domain: testDomain, email: "ops@porch.test", dir: t.TempDir(), directory: "https://" + mute.Addr().String() + "/dir",
		host: "127.0.0.1", https: freePort(t), http: freePort(t), pace: testPace, log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	a.start()
	c := <-asked
	ended := make(chan struct{})
	go func() { a.close(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("close waits for the ACME server")
	}
	c.Close()
}

func TestACMEPauses(t *testing.T) {
	refused := errors.Join(errors.New("obtain"), acme.Problem{Type: "urn:ietf:params:acme:error:connection"})
	for _, tc := range []struct {
		err  error
		n    int
		want time.Duration
	}{
		{io.EOF, 0, 10 * time.Second}, {io.EOF, 1, 20 * time.Second}, {io.EOF, 9, 5 * time.Minute}, {io.EOF, 1 << 30, 5 * time.Minute},
		{refused, 0, 2 * time.Minute}, {refused, 2, 8 * time.Minute}, {refused, 60, time.Hour},
	} {
		if got := defaultACMEPace.after(tc.err, tc.n); got != tc.want {
			t.Errorf("after failure %d (%v): %v, want %v", tc.n, tc.err, got, tc.want)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := dir+"/cert.pem", dir+"/key.pem"
	if _, err := openFiles(cert, key, time.Hour, quiet()); err == nil {
		t.Fatal("opened files that are not there")
	}
	first := selfSigned(t, testDomain)
	writeFile(t, cert, first.certificate)
	writeFile(t, key, first.key)
	s := newSite(t, func(int, int) certificates {
		f, err := openFiles(cert, key, time.Hour, quiet())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}, false)
	s.certificates.start()
	if _, err := s.leaf(testDomain, first.pool); err != nil {
		t.Fatal(err)
	}

	second := selfSigned(t, testDomain)
	writeFile(t, cert, second.certificate) // the key is still the old one
	s.certificates.refresh()
	eventually(t, "the trouble is known", func() bool { return s.certificates.status().trouble != nil })
	if _, err := s.leaf(testDomain, first.pool); err != nil {
		t.Fatalf("half a change ended what was there: %v", err)
	}
	writeFile(t, key, second.key)
	s.certificates.refresh()
	eventually(t, "the new certificate", func() bool {
		_, err := s.leaf(testDomain, second.pool)
		return err == nil
	})
	if got := s.certificates.status(); got.trouble != nil || !got.usable(time.Now()) {
		t.Errorf("%+v", got)
	}
	if strings.Contains(s.certificates.status().expires.String(), "0001") {
		t.Error("no end")
	}
}
