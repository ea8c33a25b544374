package relay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	certificateLife   = 397 * 24 * time.Hour // browsers accept no more of a public one either
	certificateRenew  = 30 * 24 * time.Hour  // this long before it ends
	certificateBackIn = 24 * time.Hour       // begins this much earlier, for guests whose clock is slow
	certificateNames  = 64                   // addresses that one names at the most
)

// certificates keeps the relay's own certificate current. A guest's browser asks
// once about a certificate that no authority has signed, and again whenever it
// changes. Therefore it changes only near its end, or when this computer has an
// address that it does not name. Addresses of other networks that this computer
// has been in stay named.
type certificates struct {
	folder folder
	log    *slog.Logger

	mu      sync.RWMutex // guards what follows
	current *tls.Certificate
}

// openCertificates loads the certificate and makes or renews it when needed.
func openCertificates(f folder, log *slog.Logger, names certificateSubject, now time.Time) (*certificates, error) {
	c := &certificates{folder: f, log: log}
	if cert, err := loadCertificate(f); err == nil {
		c.current = cert
	}
	return c, c.ensure(names, now)
}

// certificateSubject is what a certificate must name.
type certificateSubject struct {
	hosts     []string
	addresses []netip.Addr
}

// ensure makes a new certificate unless the current one is good for names.
func (c *certificates) ensure(names certificateSubject, now time.Time) error {
	c.mu.RLock()
	current := c.current
	c.mu.RUnlock()
	if current != nil {
		if isGood(current.Leaf, names, now) {
			return nil
		}
		names = names.and(current.Leaf)
	}
	cert, err := makeCertificate(c.folder, names, now)
	if err != nil {
		return err
	}
	c.log.Info("relay: certificate made", "until", cert.Leaf.NotAfter.Format(time.DateOnly))
	c.mu.Lock()
	c.current = cert
	c.mu.Unlock()
	return nil
}

// get is tls.Config's GetCertificate.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.current, nil
}

func isGood(leaf *x509.Certificate, names certificateSubject, now time.Time) bool {
	if now.Before(leaf.NotBefore) || now.Add(certificateRenew).After(leaf.NotAfter) {
		return false
	}
	for _, h := range names.hosts {
		if !slices.Contains(leaf.DNSNames, h) {
			return false
		}
	}
	for _, a := range names.addresses {
		if !slices.ContainsFunc(addressesOf(leaf), func(b netip.Addr) bool { return a == b }) {
			return false
		}
	}
	return true
}

func addressesOf(leaf *x509.Certificate) []netip.Addr {
	var out []netip.Addr
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap())
		}
	}
	return out
}

// and adds the names of leaf, as far as there is room.
func (s certificateSubject) and(leaf *x509.Certificate) certificateSubject {
	out := certificateSubject{hosts: slices.Clone(s.hosts), addresses: slices.Clone(s.addresses)}
	for _, h := range leaf.DNSNames {
		if !slices.Contains(out.hosts, h) && len(out.hosts)+len(out.addresses) < certificateNames {
			out.hosts = append(out.hosts, h)
		}
	}
	for _, a := range addressesOf(leaf) {
		if !slices.Contains(out.addresses, a) && len(out.hosts)+len(out.addresses) < certificateNames {
			out.addresses = append(out.addresses, a)
		}
	}
	return out
}

// makeCertificate makes and keeps a self-signed certificate (RFC 5280) for a
// P-256 key, which stays the same from one certificate to the next.
func makeCertificate(f folder, names certificateSubject, now time.Time) (*tls.Certificate, error) {
	key, err := loadKey(f)
	if err != nil {
		if key, err = makeKey(f); err != nil {
			return nil, err
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("relay: serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Porch on this network"},
		NotBefore:             now.Add(-certificateBackIn).UTC().Truncate(time.Second),
		NotAfter:              now.Add(certificateLife - certificateBackIn).UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names.hosts,
	}
	for _, a := range names.addresses {
		template.IPAddresses = append(template.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("relay: make certificate: %w", err)
	}
	if err := f.write(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return nil, err
	}
	return pairOf(der, key)
}

func makeKey(f folder) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("relay: make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("relay: make key: %w", err)
	}
	return key, f.write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func loadKey(f folder) (*ecdsa.PrivateKey, error) {
	b, err := f.read(keyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("relay: key: no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("relay: key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("relay: key: not P-256")
	}
	return key, nil
}

func loadCertificate(f folder) (*tls.Certificate, error) {
	key, err := loadKey(f)
	if err != nil {
		return nil, err
	}
	b, err := f.read(certificateFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("relay: certificate: no PEM")
	}
	return pairOf(block.Bytes, key)
}

// pairOf joins a certificate and its key. It refuses a certificate of another
// key.
func pairOf(der []byte, key *ecdsa.PrivateKey) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("relay: certificate: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("relay: key: %w", err)
	}
	if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, public) {
		return nil, errors.New("relay: certificate: of another key")
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
