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

// certificates are where the relay's own certificate comes from. All methods
// may be called from many goroutines.
type certificates interface {
	// start begins to look after it. The relay's ports are open: the
	// certificate authority may ask.
	start()
	// get answers a handshake.
	get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// protocols are further ALPN names that get answers to.
	protocols() []string
	// challenge answers a question of the certificate authority on plain HTTP,
	// and reports whether it was one.
	challenge(http.ResponseWriter, *http.Request) bool
	// status tells what there is now.
	status() certificateStatus
	// refresh looks again at once.
	refresh()
	// close ends it, and waits.
	close()
}

// certificateStatus is what /healthz and the metrics tell.
type certificateStatus struct {
	expires time.Time // zero: there is none
	trouble error     // why there is no newer one
}

// usable reports whether browsers will take it.
func (s certificateStatus) usable(now time.Time) bool { return s.expires.After(now) }

// acmePace is how often the certificate is looked at, and how soon it is tried
// again after a failure: the pause doubles from first to last.
type acmePace struct {
	look                         time.Duration
	unreachable, unreachableLast time.Duration // the ACME server did not answer
	refused, refusedLast         time.Duration // it did, and said no; it counts failures (Let's Encrypt: five in an hour)
	renewalWindow                float64       // share of its lifetime that a certificate has left when it is renewed; 0 is certmagic's
	byAgeOnly                    bool          // and not when the authority asks for it
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
	directory     string // of the ACME server; "" is Let's Encrypt's
	roots         *x509.CertPool
	host          string // that the relay listens on
	https, http   int    // ports the relay listens on; http 0: none
	pace          acmePace
	log           *slog.Logger
}

// acmeCertificates gets and renews a certificate by ACME (RFC 8555), proving
// the domain by HTTP-01 (section 8.3) or TLS-ALPN-01 (RFC 8737) on the relay's
// own ports. certmagic does the work; when it is done is decided here, so that
// every failure is known and the wait for the next try can be cut short.
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

	mu      sync.Mutex
	trouble error
}

// openACME uses what is in the folder. The rest is looked for in the
// background, after start: nobody waits for the ACME server.
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

// certmagic makes a cache that is looked at every so often, and what belongs to
// it.
func (o acmeOptions) certmagic(look time.Duration) (cache *certmagic.Cache, config *certmagic.Config, issuer *certmagic.ACMEIssuer) {
	quiet := zap.NewNop() // its own log names the addresses of those who connect
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

// run looks at the certificate until ctx ends.
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

// after is the pause after err, which is the failure number n in a row.
func (p acmePace) after(err error, n int) time.Duration {
	first, last := p.unreachable, p.unreachableLast
	var problem acme.Problem
	if errors.As(err, &problem) {
		first, last = p.refused, p.refusedLast
	}
	return min(first<<min(n, 20), last)
}

// ensure gets a certificate when there is none, and a newer one when it is
// time: by its age, or when the authority asks for it (RFC 9773).
//
// It does so in a cache of its own: certmagic looks after what it has just
// loaded in one go and says how that went, but after what it holds already in
// the background, with pauses of its own.
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

// take serves what is in the folder, and reports whether that is another one.
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

// current is the newest certificate of the domain.
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

	mu      sync.Mutex
	now     *tls.Certificate
	trouble error
}

// openFiles returns an error when the files can't be used.
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

// load takes the files, and keeps what it has when they are wrong.
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

// openCertificates opens what the settings say.
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

// readRoots reads certificate authorities; "" is the system's.
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
