package nats

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/porch-call/porch/backend/relay/internal/testlog"
	"github.com/porch-call/porch/backend/relay/nats/embedded"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
)

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Servers: []string{"nats://127.0.0.1:1"}, Secret: testSecret}
	for name, change := range map[string]func(*Options){
		"no server":         func(o *Options) { o.Servers = nil },
		"two kinds of them": func(o *Options) { o.Server = &embedded.Server{} },
		"another scheme":    func(o *Options) { o.Servers = []string{"http://bus.example"} },
		"no address":        func(o *Options) { o.Servers = []string{"nats://hunter2:\n"} },
		"a password in it":  func(o *Options) { o.Servers = []string{"nats://user:hunter2@bus.example:4222"} },
		"a short secret":    func(o *Options) { o.Secret = []byte("hunter2") },
		"a wild prefix":     func(o *Options) { o.Prefix = "a.*" },
		"an empty part":     func(o *Options) { o.Prefix = "a..b" },
		"nobody there":      func(o *Options) { o.Password = "hunter2" },
		"no such nkey":      func(o *Options) { o.NKeyFile = "/nowhere/hunter2" },
		"no such creds":     func(o *Options) { o.CredentialsFile = "/nowhere" },
		"nobody, with TLS":  func(o *Options) { o.Servers, o.TLS = []string{"tls://127.0.0.1:1"}, &tls.Config{} },
		"nobody, by tokens": func(o *Options) { o.Token = "hunter2" },
	} {
		o := good
		change(&o)
		b, err := Open(contextFor(t), o)
		if err == nil {
			b.Close()
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ended, good); err == nil {
		t.Error("opened after all")
	}
}

// TestWaysIn connects a node with each kind of NATS credentials, right and wrong.
// No log may contain a secret.
func TestWaysIn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	seed := func() (pub, path, text string) {
		user, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		s, err := user.Seed()
		if err != nil {
			t.Fatal(err)
		}
		if pub, err = user.PublicKey(); err != nil {
			t.Fatal(err)
		}
		return pub, write(pub, string(s)), string(s)
	}
	nkey, nkeyFile, nkeySeed := seed()
	_, otherFile, _ := seed()
	cert, key, roots := certificate(t)
	certFile, keyFile := write("cert.pem", cert), write("key.pem", key)
	for _, c := range []struct {
		name        string
		args        []string
		right       func(*Options)
		wrong       func(*Options)
		secret, url string
	}{
		{
			name: "password", args: []string{"--user", "porch", "--pass", "hunter2"}, secret: "hunter2",
			right: func(o *Options) { o.User, o.Password = "porch", "hunter2" },
			wrong: func(o *Options) { o.User, o.Password = "porch", "hunter3" },
		},
		{
			name: "token", args: []string{"--auth", "hunter2"}, secret: "hunter2",
			right: func(o *Options) { o.Token = "hunter2" },
			wrong: func(o *Options) { o.Token = "hunter3" },
		},
		{
			name: "nkey", args: []string{"-c", write("nkey.conf", "authorization { users: [ { nkey: "+nkey+" } ] }")}, secret: nkeySeed,
			right: func(o *Options) { o.NKeyFile = nkeyFile },
			wrong: func(o *Options) { o.NKeyFile = otherFile },
		},
		{
			name: "TLS", args: []string{"--tls", "--tlscert", certFile, "--tlskey", keyFile}, secret: "PRIVATE",
			right: func(o *Options) { o.TLS = &tls.Config{RootCAs: roots} },
			wrong: func(o *Options) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} },
		},
		{
			name: "permissions", secret: "hunter2",
			args: []string{"-c", write("subjects.conf", `authorization { users: [
				{ user: porch, password: hunter2, permissions: { publish: "ours.v1.>", subscribe: "ours.v1.>" } } ] }`)},
			right: func(o *Options) { o.User, o.Password, o.Prefix = "porch", "hunter2", "ours" },
			wrong: func(o *Options) { o.User, o.Password, o.Prefix = "porch", "hunter2", "theirs" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := natstest.Start(t, c.args...)
			url := s.URL()
			if c.name == "TLS" {
				url = "tls://" + s.Address()
			}
			var log testlog.Log
			with := func(change func(*Options)) func(*Options) {
				return func(o *Options) {
					o.Logger = log.Logger()
					change(o)
				}
			}
			a, b := openNode(t, url, with(c.right)), openNode(t, url, with(c.right))
			h := attach(t, a, newKeys(t))
			pass(t, dial(t, b, h.id), h.guest(t), "hello")
			o := Options{Servers: []string{url}, Secret: testSecret}
			with(c.wrong)(&o)
			if w, err := Open(contextFor(t), o); err == nil {
				w.Close()
				t.Error("the wrong secret opens")
			} else if strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error holds a secret: %v", err)
			}
			h.Detach()
			a.Close()
			b.Close()
			for _, secret := range []string{c.secret, string(testSecret), string(h.id), a.seals.token(h.id).String()} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
		})
	}
}

// TestSmallMessages has a NATS server that does not take messages of the largest
// size.
func TestSmallMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "small.conf")
	if err := os.WriteFile(path, []byte("max_payload: 65536"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t, "-c", path)
	if b, err := Open(contextFor(t), Options{Servers: []string{s.URL()}, Secret: testSecret}); err == nil {
		b.Close()
		t.Error("opened")
	} else if !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("the error does not say why: %v", err)
	}
}

// certificate returns a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), roots
}
