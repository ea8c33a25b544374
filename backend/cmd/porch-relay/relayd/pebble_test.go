package relayd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/freeport"
)

// tool builds one of the programs of scripts/relay/go.mod, or finds it in the
// build cache.
func tool(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs a server")
	}
	cmd := exec.Command("go", "tool", "-modfile=scripts/relay/go.mod", "-n", name)
	cmd.Dir = filepath.Join("..", "..", "..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// freePort returns a port of loopback for a server of this test.
func freePort(t *testing.T) int {
	t.Helper()
	ports, release, err := freeport.Take(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return ports[0]
}

// pebble is Let's Encrypt's test server, with a DNS server that resolves every
// name to this computer.
type pebble struct {
	t         *testing.T
	dir       string
	directory string // its URL
	dns       string
	roots     *x509.CertPool // for the ACME server itself
	rootFile  string
	admin     string

	mu  sync.Mutex
	cmd *exec.Cmd
}

// newPebble returns a pebble that is not started. Its certificates are valid for
// validity. It validates at the ports https and http of this computer.
func newPebble(t *testing.T, validity time.Duration, https, plain int) *pebble {
	t.Helper()
	p := &pebble{t: t, dir: t.TempDir(), admin: "127.0.0.1:" + itoa(freePort(t)), dns: "127.0.0.1:" + itoa(freePort(t))}
	listen := "127.0.0.1:" + itoa(freePort(t))
	p.directory = "https://" + listen + "/dir"
	own := selfSigned(t, "127.0.0.1")
	p.roots, p.rootFile = own.pool, filepath.Join(p.dir, "cert.pem")
	writeFile(t, p.rootFile, own.certificate)
	writeFile(t, filepath.Join(p.dir, "key.pem"), own.key)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": p.admin,
		"certificate": p.rootFile, "privateKey": filepath.Join(p.dir, "key.pem"),
		"httpPort": plain, "tlsPort": https,
		"profiles":   map[string]any{"default": map[string]any{"description": "test", "validityPeriod": int(validity.Seconds())}},
		"retryAfter": map[string]any{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(p.dir, "config.json"), config)
	p.run(tool(t, "pebble-challtestsrv"), nil, "-dns01", p.dns, "-http01", "", "-https01", "", "-doh", "", "-tlsalpn01", "",
		"-management", "127.0.0.1:"+itoa(freePort(t)), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	return p
}

// run starts a program that ends with the test.
func (p *pebble) run(program string, environment []string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), environment...)
	log, err := os.Create(filepath.Join(p.dir, filepath.Base(program)+".log"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && p.t.Failed() {
			p.t.Logf("%s:\n%s", filepath.Base(program), b[:min(len(b), 6000)])
		}
	})
	return cmd
}

// start starts the ACME server and waits until it answers. The server has no
// accounts, and makes a new authority.
func (p *pebble) start() {
	p.t.Helper()
	cmd := p.run(tool(p.t, "pebble"), []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"},
		"-config", filepath.Join(p.dir, "config.json"), "-dnsserver", p.dns)
	p.mu.Lock()
	p.cmd = cmd
	p.mu.Unlock()
	p.issuers()
}

// stop kills the ACME server.
func (p *pebble) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// issuers returns the roots of the certificates that it makes.
func (p *pebble) issuers() *x509.CertPool {
	p.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	var body []byte
	eventually(p.t, "pebble answers", func() bool {
		r, err := client.Get("https://" + p.admin + "/roots/0")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		body, err = io.ReadAll(io.LimitReader(r.Body, 1<<20))
		return err == nil && r.StatusCode == http.StatusOK
	})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(body) {
		p.t.Fatal("pebble's root is no certificate")
	}
	return pool
}

// identity is a self-signed certificate.
type identity struct {
	certificate, key []byte // PEM
	pool             *x509.CertPool
}

func selfSigned(t *testing.T, names ...string) identity {
	t.Helper()
	return selfSignedUntil(t, time.Now().Add(24*time.Hour), names...)
}

func selfSignedUntil(t *testing.T, end time.Time, names ...string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		pool:        x509.NewCertPool(),
	}
	id.pool.AppendCertsFromPEM(id.certificate)
	return id
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const patience = 60 * time.Second

// eventually asks again until is reports true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}
