package ways

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
)

// nginx runs a real nginx that ends TLS at a name of this computer and passes
// requests on with these lines of configuration.
func nginx(t *testing.T, port int, roots *x509.CertPool, to, lines string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		"nginx.conf": fmt.Appendf(nil, `daemon off; pid %[1]s/pid; error_log %[1]s/error.log; events {}
http {
	access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen 127.0.0.1:%[2]d ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
		location / { proxy_pass %[3]s; proxy_http_version 1.1; %[4]s }
	}
}
`, dir, port, to, lines),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			b, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx: %v: %s", err, b)
		}
	}
}

// TestLaboratoryNginx: a real reverse proxy, configured well and badly.
func TestLaboratoryNginx(t *testing.T) {
	if os.Getenv("PORCH_LAB") == "" {
		t.Skip("make lab")
	}
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("the laboratory needs nginx")
	}
	const (
		host     = "proxy_set_header Host $http_host;"
		sockets  = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
		appends  = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
		replaces = "proxy_set_header X-Forwarded-For $remote_addr;"
		realIP   = "proxy_set_header X-Real-Ip $remote_addr;"
	)
	for _, c := range []struct {
		name, lines, header string
		want                fault.Code
	}{
		{"as documented", host + sockets + appends, "X-Forwarded-For", ""},
		{"with the address alone", host + sockets + replaces, "X-Forwarded-For", ""},
		{"with X-Real-IP alone", host + sockets + realIP, "X-Real-Ip", ""},
		{"without a word of guests", host + sockets, "", ""},
		{"without Host", sockets + appends, "", fault.OutsideHost},
		{"without sockets", host + appends, "", fault.OutsideSockets},
	} {
		t.Run(c.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			p := open(t, roots)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			port := l.Addr().(*net.TCPAddr).Port
			_ = l.Close()
			nginx(t, port, roots, strings.Replace(p.inside.Addresses()[0].Base, "localhost", "127.0.0.1", 1), c.lines)
			origin := fmt.Sprintf("https://localhost:%d", port)
			if err := p.UseOwn(t.Context(), origin); err != nil {
				t.Fatal(err)
			}
			own := p.view().Own
			if own.Code != string(c.want) || (own.State == hoststate.OwnWorks) != (c.want == "") || own.Counted != (c.header != "") {
				t.Errorf("own: %+v", own)
			}
			var kept choice
			if _, err := p.store.Setting(keyReach, &kept); err != nil || kept.Own.Header != c.header {
				t.Errorf("kept: %+v, %v", kept, err)
			}
			if c.want == fault.OutsideHost {
				return
			}
			hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
			r, err := hc.Get(origin + "/j/x")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if r.StatusCode != http.StatusOK || r.Header.Get("Strict-Transport-Security") != "" {
				t.Errorf("page: %d, HSTS %q for a port that is not 443", r.StatusCode, r.Header.Get("Strict-Transport-Security"))
			}
		})
	}
}
