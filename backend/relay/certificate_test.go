package relay

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificateIsMadeOnceAndRenewedInTime(t *testing.T) {
	f, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	home := certificateSubject{hosts: []string{"localhost", "porch"}, addresses: addrs("127.0.0.1", "192.168.1.5", "fd00::5")}
	open := func(names certificateSubject, now time.Time) *x509.Certificate {
		t.Helper()
		c, err := openCertificates(f, slog.New(slog.DiscardHandler), names, now)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	first := open(home, now)
	pool := x509.NewCertPool()
	pool.AddCert(first)
	for _, name := range []string{"localhost", "porch", "127.0.0.1", "192.168.1.5", "fd00::5"} {
		// 20 hours ago, for guests whose clock is slow.
		if _, err := first.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now.Add(-20 * time.Hour)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if life := first.NotAfter.Sub(first.NotBefore); life > 398*24*time.Hour {
		t.Errorf("lives %v, which browsers refuse", life)
	}
	if first.IsCA {
		t.Error("may sign others")
	}
	if again := open(home, now.Add(300*24*time.Hour)); !again.Equal(first) {
		t.Error("made anew without need")
	}
	less := certificateSubject{hosts: home.hosts, addresses: addrs("127.0.0.1")}
	if again := open(less, now); !again.Equal(first) {
		t.Error("made anew because an address is gone")
	}

	away := certificateSubject{hosts: home.hosts, addresses: addrs("127.0.0.1", "10.0.0.7")}
	second := open(away, now)
	if second.Equal(first) {
		t.Error("not made anew for a new address")
	}
	for _, ip := range []string{"10.0.0.7", "192.168.1.5"} {
		if err := second.VerifyHostname(ip); err != nil {
			t.Errorf("away: %v", err)
		}
	}
	if back := open(home, now); !back.Equal(second) {
		t.Error("coming home made a new one")
	}
	if string(second.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
		t.Error("the key has changed")
	}

	late := now.Add(certificateLife - 10*24*time.Hour)
	if third := open(home, late); third.Equal(second) || !third.NotAfter.After(late.Add(300*24*time.Hour)) {
		t.Error("not renewed before its end")
	}
	if early := open(home, now.Add(-48*time.Hour)); early.NotBefore.After(now.Add(-48 * time.Hour)) {
		t.Error("not made anew though it is not valid yet")
	}
}

func TestCertificateNamesAreBounded(t *testing.T) {
	f, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c, err := openCertificates(f, slog.New(slog.DiscardHandler), certificateSubject{hosts: []string{"localhost"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	a := addrs("10.0.0.1")[0]
	for range certificateNames + 10 {
		if err := c.ensure(certificateSubject{hosts: []string{"localhost"}, addresses: addrs(a.String())}, now); err != nil {
			t.Fatal(err)
		}
		a = a.Next()
	}
	cert, _ := c.get(nil)
	if n := len(cert.Leaf.IPAddresses) + len(cert.Leaf.DNSNames); n > certificateNames {
		t.Errorf("names %d", n)
	}
}

func TestDamagedFilesAreReplaced(t *testing.T) {
	for _, name := range []string{certificateFile, keyFile, noteKeyFile, portFile} {
		for kind, content := range map[string]string{"empty": "", "garbage": "garbage", "other PEM": "-----BEGIN X-----\nAAAA\n-----END X-----\n"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				dir := t.TempDir()
				s := openRelay(t, func(o *Options) { o.Dir = dir })
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				s = openRelay(t, func(o *Options) { o.Dir = dir })
				if got := get(t, client(t, s), "https://"+s.hostPort()+"/", nil); got.status != 200 {
					t.Error(got.status)
				}
			})
		}
	}
}

func TestKeyOfAnotherCertificate(t *testing.T) {
	a, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	names := certificateSubject{hosts: []string{"localhost"}}
	for _, f := range []folder{a, b} {
		if _, err := makeCertificate(f, names, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	key, err := b.read(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.write(keyFile, key); err != nil {
		t.Fatal(err)
	}
	if _, err := loadCertificate(a); err == nil {
		t.Error("accepted")
	}
	if _, err := openCertificates(a, slog.New(slog.DiscardHandler), names, time.Now()); err != nil {
		t.Error(err)
	}
}
