// Package embedded runs a NATS server within a node's own process, in a cluster
// with those of the relay's other machines. It is the bus of a relay that has no
// separate NATS server. A message crosses two processes, not three, and the
// operator runs one program less.
//
// Machines join by TLS. Each has a certificate of the key that is derived from
// the secret that they share. A client without that secret gets no further than
// the handshake.
package embedded

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"
)

// KeySize is the size of [Options.Key] in bytes.
const KeySize = ed25519.SeedSize

// How long a machine may be silent before its connection is ended and opened
// again. The board above gives it up earlier.
const (
	pingInterval = 2 * time.Second
	pingsOut     = 2
	writeWithin  = pingInterval * pingsOut
	startWithin  = 10 * time.Second
)

// Options are the options of a server.
type Options struct {
	// Listen is the address at which the other machines reach this one:
	// "10.0.0.1:4248". Their firewall should keep all others away.
	Listen string
	// Peers are the same addresses of the other machines. This machine's own may
	// be among them. Peers may be empty at the machine that is started first,
	// because the machines that join tell it.
	Peers []string
	// Key is secret, and the same at all machines: KeySize bytes.
	Key []byte
	// Logger is slog.Default() when nil.
	Logger *slog.Logger
}

// Server is a running server. It is a nats.InProcessConnProvider.
type Server struct {
	nats  *server.Server
	token string
}

// Start starts a server. It does not wait for other machines.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	settings, err := o.settings()
	if err != nil {
		return nil, err
	}
	s := &Server{token: settings.Authorization}
	if s.nats, err = server.NewServer(settings); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	log := logger{o.Logger, rate.NewLimiter(rate.Every(time.Second), linesAtOnce), make(chan string, 1)}
	s.nats.SetLoggerV2(log, false, false, false)
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	s.nats.Start()
	for !s.nats.ReadyForConnections(50 * time.Millisecond) {
		select {
		case why := <-log.fatal:
			err = errors.New(why)
		default:
			err = ctx.Err()
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("embedded: start on %s: %w", o.Listen, err)
		}
	}
	return s, nil
}

func (o *Options) settings() (*server.Options, error) {
	host, port, err := splitAddress(o.Listen)
	if err != nil {
		return nil, err
	}
	var peers []*url.URL
	for _, p := range o.Peers {
		if _, _, err := splitAddress(p); err != nil {
			return nil, err
		}
		peers = append(peers, &url.URL{Scheme: "nats-route", Host: p})
	}
	secured, err := mutual(o.Key)
	if err != nil {
		return nil, err
	}
	return &server.Options{
		// A server of a cluster insists on a port for clients. This one has a
		// random password that is told to no client, and Porch connects by
		// InProcessConn.
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: rand.Text(),
		Cluster: server.ClusterOpts{
			Name: "porch", Host: host, Port: port, NoAdvertise: true,
			TLSConfig: secured, TLSTimeout: writeWithin.Seconds(),
			PingInterval: pingInterval, MaxPingsOut: pingsOut, WriteDeadline: writeWithin,
			PoolSize:    -1,                                                  // all belongs to one account
			Compression: server.CompressionOpts{Mode: server.CompressionOff}, // all is sealed
		},
		Routes:       peers,
		PingInterval: pingInterval, MaxPingsOut: pingsOut, WriteDeadline: writeWithin,
		NoSystemAccount: true, NoSigs: true,
	}, nil
}

// splitAddress splits an address whose port is a number.
func splitAddress(s string) (host string, port int, err error) {
	host, name, err := net.SplitHostPort(s)
	if err == nil {
		port, err = strconv.Atoi(name)
	}
	if err != nil || host == "" || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("embedded: %q is not of the form HOST:PORT", s)
	}
	return host, port, nil
}

// mutual returns a TLS configuration for ends that know the same key, and for no
// other. Each end has a certificate that any of them could have signed.
func mutual(key []byte) (*tls.Config, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("embedded: a key of %d bytes, not %d", len(key), KeySize)
	}
	private := ed25519.NewKeyFromSeed(key)
	const name = "porch" // the same at every machine
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: never
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	ours, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	all := x509.NewCertPool()
	all.AddCert(ours)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: name, RootCAs: all, ClientCAs: all, ClientAuth: tls.RequireAndVerifyClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
	}, nil
}

// InProcessConn is a client's connection to the server.
func (s *Server) InProcessConn() (net.Conn, error) { return s.nats.InProcessConn() }

// Token returns what a client shows.
func (s *Server) Token() string { return s.token }

// Address returns where other machines reach this one.
func (s *Server) Address() string { return s.nats.ClusterAddr().String() }

// Peers returns how many other machines are connected.
func (s *Server) Peers() int { return s.nats.NumRemotes() }

// Close ends all connections, and waits.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// logger writes the server's lines to our log. The server's notices are routine
// here, so they go to the debug level. Any client that reaches the address can
// cause a line about a failed handshake, so lines are limited to one a second,
// and linesAtOnce at once.
type logger struct {
	to    *slog.Logger
	limit *rate.Limiter
	fatal chan string
}

const linesAtOnce = 20

// Noticef and the methods below implement [server.Logger].
func (l logger) Noticef(format string, v ...any) { l.to.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l logger) Errorf(format string, v ...any)  { l.Warnf(format, v...) }
func (l logger) Debugf(string, ...any)           {}
func (l logger) Tracef(string, ...any)           {}

// Warnf logs errors as well, because none is an error of this program.
func (l logger) Warnf(format string, v ...any) {
	if l.limit.Allow() {
		l.to.Warn("nats: " + fmt.Sprintf(format, v...))
	}
}

// Fatalf would have to end a program that is nothing but a NATS server. Here
// Start returns what it says.
func (l logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
