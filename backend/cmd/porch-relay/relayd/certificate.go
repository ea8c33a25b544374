package relayd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// certificates is a source of the relay's own certificate. All methods may be
// called from many goroutines.
type certificates interface {
	// start begins its work. It is called when the relay's ports are open, so
	// that the certificate authority can reach them.
	start()
	// get returns the certificate for a handshake.
	get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// protocols are the ALPN names, besides HTTP's, that get answers to.
	protocols() []string
	// challenge answers a question of the certificate authority on plain HTTP. It
	// reports whether it was one.
	challenge(http.ResponseWriter, *http.Request) bool
	// status returns the current state.
	status() certificateStatus
	// refresh makes it look again at once.
	refresh()
	// close ends its work, and waits.
	close()
}

// certificateStatus is what /healthz and the metrics show.
type certificateStatus struct {
	expires time.Time // zero means that there is none
	trouble error     // why there is no newer one
}

// usable reports whether browsers will accept it.
func (s certificateStatus) usable(now time.Time) bool { return s.expires.After(now) }

// acmePace is how often the certificate is checked, and how long to wait after a
// failure. That pause doubles from first to last.
type acmePace struct {
	look                         time.Duration
	unreachable, unreachableLast time.Duration // the ACME server did not answer
	refused, refusedLast         time.Duration // it refused, and counts failures (Let's Encrypt: five in an hour)
	renewalWindow                float64       // share of its lifetime left when a certificate is renewed; 0: certmagic's
	byAgeOnly                    bool          // even if the authority asks for it earlier
}

var defaultACMEPace = acmePace{
	look:        time.Minute,
	unreachable: 10 * time.Second, unreachableLast: 5 * time.Minute,
	refused: 2 * time.Minute, refusedLast: time.Hour,
}

// acmeOptions are what openACME needs.
type acmeOptions struct {
	domain, email string
	dir           string // for accounts, certificates and keys
	directory     string // of the ACME server; "" means Let's Encrypt's
	roots         *x509.CertPool
	host          string // on which the relay listens
	https, http   int    // ports on which the relay listens; http is 0 for none
	pace          acmePace
	log           *slog.Logger
}

// acmeCertificates gets and renews a certificate by ACME (RFC 8555). It proves
// the domain by HTTP-01 (section 8.3) or TLS-ALPN-01 (RFC 8737) on the relay's
// own ports. certmagic does the work. This type decides when, so that every
// failure is known and the pause before the next try can be ended early.
type acmeCertificates struct {
	options acmeOptions
	log     *slog.Logger

	cache  *certmagic.Cache // what is served
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer

	again    chan struct{}
	lifetime context.Context
	end      context.CancelFunc
	wg       sync.WaitGroup
	closing  sync.Once

	mu      sync.Mutex // guards what follows
	trouble error
}

// openACME uses what is in the folder. After start it gets the rest in the
// background, so that nothing waits for the ACME server.
func openACME(o acmeOptions) *acmeCertificates {
	a := &acmeCertificates{options: o, log: o.log, again: make(chan struct{}, 1)}
	const never = 1 << 62 // see ensure
	a.cache, a.config, a.issuer = o.certmagic(never)
	a.lifetime, a.end = context.WithCancel(context.Background())
	if _, err := a.take(a.lifetime); err != nil {
		a.log.Info("certificate: none yet")
	}
	return a
}

// certmagic makes a cache whose certificates are checked at the interval look,
// and its configuration and issuer.
func (o acmeOptions) certmagic(look time.Duration) (cache *certmagic.Cache, config *certmagic.Config, issuer *certmagic.ACMEIssuer) {
	quiet := zap.NewNop() // its own log names the addresses of clients
	cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
		RenewCheckInterval: look, OCSPCheckInterval: look,
		Logger: quiet,
	})
	config = certmagic.New(cache, certmagic.Config{
		Storage:            &certmagic.FileStorage{Path: filepath.Join(o.dir, "acme")},
		DefaultServerName:  o.domain, // clients of TURN may name no server
		OCSP:               certmagic.OCSPConfig{DisableStapling: true},
		RenewalWindowRatio: o.pace.renewalWindow,
		DisableARI:         o.pace.byAgeOnly,
		Logger:             quiet,
	})
	issuer = certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{
		CA: o.directory, Email: o.email, Agreed: true, TrustedRoots: o.roots,
		ListenHost: o.host, AltHTTPPort: o.http, AltTLSALPNPort: o.https,
		DisableHTTPChallenge: o.http == 0,
		Logger:               quiet,
	})
	config.Issuers = []certmagic.Issuer{issuer}
	return cache, config, issuer
}

func (a *acmeCertificates) start() { a.wg.Go(func() { a.run(a.lifetime) }) }

// run checks the certificate until ctx ends.
func (a *acmeCertificates) run(ctx context.Context) {
	failures := 0
	for {
		err := a.ensure(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := a.options.pace.look
		if err != nil {
			wait = a.options.pace.after(err, failures)
			failures++
			a.log.Error("certificate: not obtained", "error", err, "again in", wait.String())
		} else {
			failures = 0
		}
		a.mu.Lock()
		a.trouble = err
		a.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-a.again:
		case <-ctx.Done():
			return
		}
	}
}

// after returns the pause after err, which is failure number n in a row.
func (p acmePace) after(err error, n int) time.Duration {
	first, last := p.unreachable, p.unreachableLast
	var problem acme.Problem
	if errors.As(err, &problem) {
		first, last = p.refused, p.refusedLast
	}
	return min(first<<min(n, 20), last)
}

// ensure gets a certificate if there is none. It gets a newer one when that is
// due by its age, or when the authority asks for it (RFC 9773).
//
// It uses a cache of its own for that. certmagic renews what it has just loaded
// in one call and returns the result. What it already holds it renews in the
// background, with pauses of its own.
func (a *acmeCertificates) ensure(ctx context.Context) error {
	cache, config, _ := a.options.certmagic(a.options.pace.look)
	defer cache.Stop()
	if err := config.ManageSync(ctx, []string{a.options.domain}); err != nil {
		return err
	}
	changed, err := a.take(ctx)
	if changed {
		if c, ok := a.current(); ok {
			a.log.Info("certificate: obtained", "expires", c.Leaf.NotAfter.UTC())
		}
	}
	return err
}

// take serves what is in the folder, and reports whether that is another
// certificate than before.
func (a *acmeCertificates) take(ctx context.Context) (changed bool, err error) {
	before, had := a.current()
	now, err := a.config.CacheManagedCertificate(ctx, a.options.domain)
	if err != nil || had && now.Hash() == before.Hash() {
		return false, err
	}
	if had {
		a.cache.Remove([]string{before.Hash()})
	}
	return true, nil
}

// current returns the newest certificate of the domain.
func (a *acmeCertificates) current() (newest certmagic.Certificate, ok bool) {
	for _, c := range a.cache.AllMatchingCertificates(a.options.domain) {
		if c.Leaf != nil && (!ok || c.Leaf.NotAfter.After(newest.Leaf.NotAfter)) {
			newest, ok = c, true
		}
	}
	return newest, ok
}

func (a *acmeCertificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.config.GetCertificate(hello)
}

func (a *acmeCertificates) protocols() []string { return []string{acmeTLS1} }

// acmeTLS1 is the protocol of TLS-ALPN-01 (RFC 8737 section 6.2).
const acmeTLS1 = "acme-tls/1"

func (a *acmeCertificates) challenge(w http.ResponseWriter, r *http.Request) bool {
	return a.issuer.HandleHTTPChallenge(w, r)
}

func (a *acmeCertificates) status() certificateStatus {
	a.mu.Lock()
	s := certificateStatus{trouble: a.trouble}
	a.mu.Unlock()
	if c, ok := a.current(); ok {
		s.expires = c.Leaf.NotAfter
	}
	return s
}

func (a *acmeCertificates) refresh() {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

func (a *acmeCertificates) close() {
	a.closing.Do(func() {
		a.end()
		a.wg.Wait()
		a.cache.Stop()
	})
}

// fileCertificates serve a certificate of the operator's own.
type fileCertificates struct {
	certificate, key string
	look             time.Duration
	log              *slog.Logger
	again            chan struct{}
	lifetime         context.Context
	end              context.CancelFunc
	wg               sync.WaitGroup

	mu      sync.Mutex // guards what follows
	now     *tls.Certificate
	trouble error
}

// openFiles returns an error if the files can't be used.
func openFiles(certificate, key string, look time.Duration, log *slog.Logger) (*fileCertificates, error) {
	f := &fileCertificates{certificate: certificate, key: key, look: look, log: log, again: make(chan struct{}, 1)}
	if err := f.load(); err != nil {
		return nil, err
	}
	f.lifetime, f.end = context.WithCancel(context.Background())
	return f, nil
}

func (f *fileCertificates) start() {
	f.wg.Go(func() {
		for {
			select {
			case <-time.After(f.look):
			case <-f.again:
			case <-f.lifetime.Done():
				return
			}
			if err := f.load(); err != nil {
				f.log.Error("certificate: not read", "error", err)
			}
		}
	})
}

// load reads the files. If they are wrong, it keeps the certificate that it has.
func (f *fileCertificates) load() error {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.trouble = fmt.Errorf("certificate files: %w", err)
		return f.trouble
	}
	f.now, f.trouble = &pair, nil
	return nil
}

func (f *fileCertificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, nil
}

func (f *fileCertificates) protocols() []string { return nil }

func (f *fileCertificates) challenge(http.ResponseWriter, *http.Request) bool { return false }

func (f *fileCertificates) status() certificateStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return certificateStatus{expires: f.now.Leaf.NotAfter, trouble: f.trouble}
}

func (f *fileCertificates) refresh() {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

func (f *fileCertificates) close() {
	f.end()
	f.wg.Wait()
}

// openCertificates opens the source of certificates that the settings name.
func openCertificates(s settings, log *slog.Logger) (certificates, error) {
	if s.certificate != "" {
		return openFiles(s.certificate, s.key, time.Minute, log)
	}
	roots, err := readRoots(s.acmeRoot)
	if err != nil {
		return nil, err
	}
	o := acmeOptions{
		domain: s.domain, email: s.email, dir: s.data, directory: s.acmeDirectory, roots: roots,
		pace: defaultACMEPace, log: log,
	}
	if o.host, o.https, err = splitAddress(s.listen); err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	if s.listenHTTP != "" {
		if _, o.http, err = splitAddress(s.listenHTTP); err != nil {
			return nil, fmt.Errorf("-listen-http: %w", err)
		}
	}
	return openACME(o), nil
}

// splitAddress reads "host:port" and ":port".
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not an address like :443", address)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q has no port", address)
	}
	return host, int(n), nil
}

// readRoots reads certificate authorities. "" stands for the system's.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := readSmall(path, 1<<20)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return roots, nil
}
