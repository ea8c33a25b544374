package relay

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/wire"
	"github.com/porch-call/porch/backend/sealed"
)

// HealthPath is where a supervisor asks: 200, or 503 after Drain or Close has
// begun.
const HealthPath = "/healthz"

const (
	maxHeaderBytes = 16 << 10
	minSecret      = 32 // bytes of Options.Secret
)

// Server is a running relay.
type Server struct {
	log     *slog.Logger
	times   times
	limits  limits
	board   switchboard.Switchboard
	pages   pages
	notes   func(sealed.LinkID) ([sealed.NoteSize]byte, bool)
	noteKey []byte

	port         *oneport.Port
	http         *http.Server
	plainPort    *oneport.Port // of Options.Plain, or nil
	proxies      *oneport.Proxies
	queued       *switchboard.Budget
	panics       contain.Panics
	plainHTTP    *http.Server
	public       *publicSite   // nil unless there is a domain
	certificates *certificates // nil if there is a domain
	getCert      func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	nextProtos   []string
	meter        metering.Meter
	turn         Turn // nil if there is none
	stun         []string
	policy       *hosts.Policy // nil if no host may dial in
	hosts        *hosts.Server
	onNote       func(sealed.LinkID, [sealed.NoteSize]byte)
	bound        netip.AddrPort
	changed      bool
	names        []string // names of this computer that a Host header may give
	interfaces   func() ([]netaddr.Interface, netip.Addr)
	addresses    atomic.Pointer[[]Address] // the addresses that watch saw last
	addressKey   []byte                    // of RemoteInfo.Key

	requests  *limit.Buckets[netip.Prefix]
	opens     *limit.Buckets[netip.Prefix]
	sockets   *limit.PerAddress
	silent    silent
	hostConns *limit.PerAddress

	connections *limit.PerAddress

	outside  atomic.Pointer[Outside] // the address from outside; nil without one
	trial    atomic.Pointer[Trial]   // nil unless one is being tested
	audience atomic.Int32            // an Audience

	lifetime context.Context // of all that this server runs
	end      context.CancelFunc
	wg       sync.WaitGroup // counts watch, both HTTP servers, and the sockets
	closing  sync.Once

	mu          sync.Mutex // guards what follows
	closed      bool
	draining    bool
	attachments map[switchboard.Attachment]struct{}
}

// Open starts a relay. ctx bounds opening, not the relay. It returns
// [fault.PortTaken] if the port that Listen names is in use. If a remembered port
// is in use, it takes another for this run (see PortChanged).
func Open(ctx context.Context, options Options) (*Server, error) {
	if err := checkPublic(options); err != nil {
		return nil, err
	}
	s := &Server{
		log: options.Logger, board: options.Switchboard, notes: options.Notes, onNote: options.OnNote,
		times: defaultTimes, limits: defaultLimits, interfaces: options.interfaces,
		attachments: make(map[switchboard.Attachment]struct{}), addressKey: make([]byte, 32),
		policy: options.Hosts, turn: options.Turn, stun: options.STUN, meter: options.Meter,
		getCert: options.GetCertificate, nextProtos: options.NextProtos,
	}
	if options.Domain != "" {
		s.limits = publicLimits()
	}
	s.limits = s.limits.with(options.Capacity)
	if s.meter == nil {
		s.meter = metering.None{}
	}
	_, _ = rand.Read(s.addressKey) // never fails
	if s.log == nil {
		s.log = slog.Default()
	}
	s.proxies = oneport.NewProxies(options.Proxies, s.log)
	s.panics.Log, s.panics.Part = s.log, "relay"
	if options.times != nil {
		s.times = *options.times
	}
	if options.limits != nil {
		s.limits = *options.limits
	}
	s.queued = options.Queued
	if s.queued == nil {
		s.queued = switchboard.NewBudget(switchboard.DefaultQueued())
	}
	if s.board == nil {
		m := switchboard.NewMemory(s.limits.perLink, switchboard.Share(s.limits.perLink))
		m.Queued = s.queued
		s.board = m
	}
	if s.interfaces == nil {
		s.interfaces = func() ([]netaddr.Interface, netip.Addr) { return netaddr.Interfaces(), netaddr.Outward() }
	}
	s.requests = newBuckets(s.limits.requests, s.limits.requestBurst)
	s.opens = newBuckets(s.limits.opens, s.limits.openBurst)
	s.silent.most = max(s.limits.sockets/2, 1)
	s.sockets = limit.NewPerAddress(s.limits.sockets, s.limits.socketsPerAddress, s.metered(metering.Guests))
	s.hostConns = limit.NewPerAddress(s.limits.hosts, s.limits.connectionsPerAddress, nil)
	s.names = hostNames()

	f, err := openFolder(options.Dir)
	if err != nil {
		return nil, err
	}
	if len(options.Secret) > 0 {
		err = s.shareKeys(options.Secret)
	} else {
		s.noteKey, err = f.noteKey()
	}
	if err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(options.Pages); err != nil {
		return nil, err
	}
	if options.Domain != "" {
		return s.openPublic(ctx, options)
	}
	where, err := oneport.ParseEndpoint(options.Listen)
	if err != nil {
		return nil, err
	}
	l, changed, err := oneport.Listen(ctx, f, where)
	if err != nil {
		return nil, err
	}
	s.changed = changed
	s.bound = l.Addr().(*net.TCPAddr).AddrPort()
	if s.certificates, err = openCertificates(f, s.log, s.subject(), time.Now()); err != nil {
		l.Close()
		return nil, err
	}
	s.getCert = s.certificates.get
	s.start(l)
	s.look()
	s.wg.Go(func() { s.watch(options.OnAddresses) })
	s.log.Info("relay: open", "port", s.bound.Port(), "changed", changed)
	return s, nil
}

// openPublic is the rest of Open for a relay with a domain.
func (s *Server) openPublic(ctx context.Context, options Options) (*Server, error) {
	l, err := listenPublic(ctx, options.Listen)
	if err != nil {
		return nil, err
	}
	s.bound = l.Addr().(*net.TCPAddr).AddrPort()
	if s.public, err = siteOf(options.Domain, s.bound.Port()); err != nil {
		l.Close()
		return nil, err
	}
	addresses := []Address{{Base: s.public.base, Reach: ReachAnywhere}}
	s.addresses.Store(&addresses)
	var plain net.Listener
	if options.Plain != "" {
		if plain, err = listenPublic(ctx, options.Plain); err != nil {
			l.Close()
			return nil, err
		}
	}
	s.start(l)
	if plain != nil {
		s.startPlain(plain, options.HTTPChallenge)
	}
	s.log.Info("relay: open to the public", "port", s.bound.Port(), "hosts", s.policy != nil, "turn", s.turn != nil)
	return s, nil
}

// metered counts something that comes and goes.
func (s *Server) metered(what metering.Kind) func(delta int) {
	return func(delta int) { s.meter.Open(what, delta) }
}

// shareKeys derives the keys that the relays of a cluster have in common.
func (s *Server) shareKeys(secret []byte) error {
	if len(secret) < minSecret {
		return fmt.Errorf("relay: the cluster's secret has fewer than %d bytes", minSecret)
	}
	prk, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if s.noteKey, err = hkdf.Expand(sha256.New, prk, "porch relay v1 noise", noteKeySize); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if s.addressKey, err = hkdf.Expand(sha256.New, prk, "porch relay v1 addresses", sha256.Size); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

func (s *Server) start(l net.Listener) {
	s.lifetime, s.end = context.WithCancel(context.Background())
	s.connections = limit.NewPerAddress(s.limits.connections, s.limits.connectionsPerAddress, s.metered(metering.Connections))
	policy := s.policy
	if policy == nil {
		policy = new(hosts.Policy)
	}
	s.hosts = hosts.NewServer(hosts.Options{
		Policy: policy, Board: s.board, Turn: s.turn, STUN: s.stun, Meter: s.meter, OnNote: s.onNote,
		Queued: s.queued, KeyOf: s.keyOf, Opens: s.opens, Conns: s.hostConns, Times: s.times.wire(), Register: s.times.open,
		Limits: hosts.Limits{
			Bytes: s.limits.lineBytes, Burst: s.limits.lineBurst, Pings: s.limits.pings, PingBurst: s.limits.pingBurst,
		},
		Lifetime: s.lifetime, Begin: s.enterSocket, End: s.wg.Done, Closing: s.isClosing, Panics: &s.panics, Log: s.log,
	})
	s.port = oneport.New(l, s.connections, s.times.firstByte, s.proxies, &s.panics, s.log)
	s.http = s.newHTTP(http.HandlerFunc(s.serve))
	s.http.TLSConfig = &tls.Config{
		GetCertificate: s.getCert,
		MinVersion:     tls.VersionTLS12,
		// Named here, because otherwise Serve on the plain listener would decide
		// against HTTP/2 for both.
		NextProtos: append([]string{"h2", "http/1.1"}, s.nextProtos...),
	}
	serveTLS := func() error { return s.http.ServeTLS(s.port.TLS(), "", "") }
	if s.turn != nil {
		s.http.TLSConfig.NextProtos = append(s.http.TLSConfig.NextProtos, oneport.TurnProtos...)
		secure := oneport.NewTLSDemux(s.port, s.http.TLSConfig, s.turn, s.times.header)
		s.wg.Go(secure.Run)
		serveTLS = func() error { return s.http.Serve(secure) }
	}
	s.wg.Go(func() { s.ended(s.http.Serve(s.port.Plain())) })
	s.wg.Go(func() { s.ended(serveTLS()) })
}

// startPlain serves plain HTTP at a port of its own, and nothing else there.
func (s *Server) startPlain(l net.Listener, challenge func(http.ResponseWriter, *http.Request) bool) {
	s.plainPort = oneport.New(l, s.connections, s.times.firstByte, s.proxies, &s.panics, s.log)
	s.plainPort.TLS().Close()
	s.plainHTTP = s.newHTTP(s.servePlain(challenge))
	s.wg.Go(func() { s.ended(s.plainHTTP.Serve(s.plainPort.Plain())) })
}

func (s *Server) newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.times.header,
		ReadTimeout:       s.times.request,
		WriteTimeout:      s.times.request,
		IdleTimeout:       s.times.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       oneport.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return s.lifetime },
		ErrorLog:          slog.NewLogLogger(quietHandler{s.log.Handler()}, slog.LevelDebug),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 32},
	}
}

// ended logs that one of the listeners has stopped by itself.
func (s *Server) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Error("relay: serve", "error", err)
	}
}

// watch notices that this computer has come into another network.
func (s *Server) watch(onAddresses func([]Address)) {
	tick := time.NewTicker(s.times.watch)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.lifetime.Done():
			return
		}
		if err := s.certificates.ensure(s.subject(), time.Now()); err != nil {
			s.log.Error("relay: certificate", "error", err)
		}
		before := s.Addresses()
		s.look()
		now := s.Addresses()
		if slices.Equal(now, before) {
			continue
		}
		s.log.Info("relay: this computer's addresses have changed", "count", len(now))
		if onAddresses != nil {
			onAddresses(now)
		}
	}
}

// look asks the system where this relay is found now.
func (s *Server) look() {
	now := addressesFor(s.bound, netaddr.Reachable(s.interfaces()))
	s.addresses.Store(&now)
}

// subject returns what the certificate must name now.
func (s *Server) subject() certificateSubject {
	subject := certificateSubject{
		hosts:     s.names,
		addresses: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
	}
	interfaces, _ := s.interfaces()
	for _, i := range interfaces {
		if !i.Up {
			continue
		}
		for _, a := range i.Addresses {
			if a.IsGlobalUnicast() && !slices.Contains(subject.addresses, a) && len(subject.addresses) < certificateNames/2 {
				subject.addresses = append(subject.addresses, a)
			}
		}
	}
	return subject
}

// Addresses returns where guests find this relay: this computer first, then this
// network, the likeliest interface first. It returns what watch saw last, so a
// change of network shows within 3 s.
func (s *Server) Addresses() []Address { return slices.Clone(*s.addresses.Load()) }

// PortChanged reports that the port that earlier links name was in use, so
// that this run listens elsewhere.
func (s *Server) PortChanged() bool { return s.changed }

// Close ends all: guests' sockets close with [signalling.CloseHostGone]. It
// waits, and may be called twice.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		attachments := s.attachments
		s.attachments = nil
		s.mu.Unlock()

		s.port.Stop()
		if s.plainPort != nil {
			s.plainPort.Stop()
		}
		for a := range attachments {
			a.Detach()
		}
		s.hosts.Close()
		// Sockets end with the switchboard's channels, or with lifetime if they
		// have no channel yet, and say goodbye. A guest who does not answer in
		// time is cut off.
		s.end()
		ctx, cancel := context.WithTimeout(context.Background(), s.times.farewell)
		defer cancel()
		_ = s.http.Shutdown(ctx) // what is left is cut below
		if s.plainHTTP != nil {
			_ = s.plainHTTP.Shutdown(ctx) // what is left is cut below
		}
		drained := make(chan struct{})
		go func() {
			s.wg.Wait()
			close(drained)
		}()
		select {
		case <-drained:
		case <-ctx.Done():
		}
		s.port.Cut()
		_ = s.http.Close() // its listeners are closed already
		if s.plainPort != nil {
			s.plainPort.Cut()
			_ = s.plainHTTP.Close() // its listeners are closed already
		}
		<-drained
		s.log.Info("relay: closed")
	})
	return nil
}

// hostNames returns the names by which a browser may call this computer.
func hostNames() []string {
	names := []string{"localhost"}
	host, err := os.Hostname()
	if err != nil || !IsHostName(host) {
		return names
	}
	host = strings.ToLower(host)
	names = append(names, host)
	if !strings.Contains(host, ".") {
		names = append(names, host+".local") // multicast DNS (RFC 6762)
	}
	return names
}

// IsHostName reports whether s is a machine's name in the form that certificates
// need: RFC 1123 section 2.1. An IPv4 address passes for one.
func IsHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// isClosing reports whether Close has begun.
func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// guard runs f for a stranger's request or socket, and reports whether f
// returned. A panic ends that request or socket alone.
func (s *Server) guard(f func()) (returned bool) { return s.panics.Run(f) }

// Panics returns how many requests, sockets and connections have ended by a
// panic.
func (s *Server) Panics() uint64 { return s.panics.Count() }

// serve handles every request. It first checks where a request comes from
// and which host it names.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.guard(func() { s.answer(w, r) }) {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	c := oneport.ConnOf(r.Context())
	if c == nil {
		http.Error(w, "no connection", http.StatusInternalServerError)
		return
	}
	if r.TLS == nil {
		r.TLS = c.TLS()
	}
	secure := r.TLS != nil
	if r.URL.Path == HealthPath && s.requests.Allow(household.Of(c.From()), time.Now()) {
		s.serveHealth(w) // a supervisor may ask by address
		return
	}
	if s.answerTrial(w, r, c) {
		return
	}
	v, ok := s.visitOf(r, c)
	if !ok {
		misdirected(w)
		return
	}
	secure = secure || v.outside != nil
	setHeaders(w.Header(), r.Host, secure, s.strict(v))
	if !s.requests.Allow(household.Of(v.from), time.Now()) {
		wire.RefuseTooFast(w)
		return
	}
	if !s.admits(v) {
		http.Error(w, notNow, http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.Header().Set("Connection", "close") // its body is not read
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	switch {
	case !namesPath(r):
		badTarget(w)
	case !secure && s.public != nil:
		s.toHTTPS(w, r)
	case !secure && !c.From().IsLoopback():
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	case r.URL.Path == switchboard.SocketPath:
		s.serveSocket(w, r, c, v)
	case r.URL.Path == switchboard.HostPath && s.policy != nil:
		s.hosts.Serve(w, r, c)
	default:
		s.pages.serve(w, r)
	}
}

// hostAllowed reports whether a Host header names this relay.
func (s *Server) hostAllowed(host string) bool {
	if s.public == nil {
		return hostAllowed(host, s.names)
	}
	name, ok := splitHost(host)
	return ok && strings.EqualFold(name, s.public.host)
}

// remoteOf returns what the switchboard may know of a guest.
func (s *Server) remoteOf(v visit) switchboard.RemoteInfo {
	return switchboard.RemoteInfo{Loopback: v.outside == nil && v.from.IsLoopback(), Key: s.keyOf(household.Of(v.from))}
}

// keyOf returns the key that stands for a household where its address must not be
// known.
func (s *Server) keyOf(p netip.Prefix) string {
	return household.Key(p, func(text string) string {
		mac := hmac.New(sha256.New, s.addressKey)
		mac.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
	})
}
