package media

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/porch-call/porch/backend/lab/topology"
)

// relayDomain is the name of the public relay in the core.
const relayDomain = "relay.example.org"

// startRelay starts the public relay. The host trusts its certificate by SSL_CERT_FILE.
func (x *scene) startRelay() error {
	if err := x.net.Name(relayDomain, topology.CoreAddress); err != nil {
		return err
	}
	certificate, key := x.certificate(), filepath.Join(x.dir, "key.pem")
	if err := writeCertificate(certificate, key); err != nil {
		return err
	}
	c := x.net.Command(topology.Core, x.RelayProgram, "-domain", relayDomain, "-data", filepath.Join(x.dir, "relay"),
		"-certificate", certificate, "-key", key, "-turn-addresses", topology.CoreAddress, "-log-level", "warn", "-pages", x.Pages)
	relay, err := x.launch(c, "relay")
	if err != nil {
		return err
	}
	x.others = append(x.others, relay)
	if x.scenario.Relay != RelayOnly {
		return nil
	}
	// Only TCP reaches the relay, so that media goes by TURN over TCP.
	return x.net.Run(topology.Host, "iptables", "-A", "OUTPUT", "-o", "wan", "-p", "udp", "-j", "DROP")
}

func (x *scene) certificate() string { return filepath.Join(x.dir, "certificate.pem") }

// hostArguments are what the host is told of the relay.
func (x *scene) hostArguments() []string {
	switch x.scenario.Relay {
	case Public:
		return []string{"-relay", relayDomain}
	case RelayOnly:
		return []string{"-relay", relayDomain, "-relay-only"}
	}
	return nil
}

// writeCertificate makes a certificate for the relay that vouches for itself.
func writeCertificate(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: relayDomain}, DNSNames: []string{relayDomain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}
