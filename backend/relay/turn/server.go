package turn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	// minSecret is the length of the secret, in bytes.
	minSecret = 16

	defaultTTL = 4 * time.Hour

	// maxAge is how long after its credentials have expired an allocation may be
	// renewed, because a call may last longer than the time to begin one.
	maxAge = 24 * time.Hour

	maxFronts = 8
)

// Limits bound what is in use at one time. Zero means the default.
type Limits struct {
	Allocations       int // in all; 8000
	PerOwner          int // allocations; 256
	PerUsername       int // allocations; 24: a browser makes one for each of its addresses and each URL
	Streams           int // TCP and TLS connections; 4096
	StreamsPerAddress int // from one address; 256
}

func (l Limits) orDefaults() Limits {
	for _, f := range []struct {
		value     *int
		byDefault int
	}{{&l.Allocations, 8000}, {&l.PerOwner, 256}, {&l.PerUsername, 24}, {&l.Streams, 4096}, {&l.StreamsPerAddress, 256}} {
		if *f.value <= 0 {
			*f.value = f.byDefault
		}
	}
	return l
}

// Options are the options of a TURN server.
type Options struct {
	// Secret is shared by all nodes, so that credentials work on each of them: at
	// least 16 random bytes.
	Secret []byte
	// Realm is shown to clients and must be the same on all nodes. It is the
	// relay's domain.
	Realm string
	// Listen is where clients connect over UDP and TCP: "host:port" or ":port".
	// On a machine with several addresses name one, because answers may otherwise
	// leave from another. With "", clients come only by Serve and ServeStream.
	Listen string
	// Public are the addresses at which peers find the relayed sockets: one of
	// IPv4, one of IPv6, or both. An address that this computer does not have is
	// that of a NAT in front of it, which maps the ports one to one.
	Public []netip.Addr
	// FirstPort and LastPort bound the relayed sockets: 49152 to 65535 when 0.
	FirstPort, LastPort uint16
	// TURN are the URLs that Credentials gives out.
	TURN []string
	// TTL is how long credentials are good for new allocations. 0 means four
	// hours. Existing allocations may go on after it.
	TTL time.Duration
	// AllowPeers are prefixes to which packets are relayed although they are not
	// on the internet, even those of this computer. They are for laboratories.
	// DenyPeers are prefixes to which nothing is relayed, whatever the other
	// options say: a provider's own network, a NAT64.
	AllowPeers, DenyPeers []netip.Prefix
	Limits                Limits
	// Quota gets the number of bytes that an owner's allocations have relayed,
	// both ways, since its last call, and returns whether they may go on. It is
	// called every second and every megabyte, one call at a time. It is also
	// called with 0 before each new allocation or credential, at any time. It
	// must not wait. nil allows all.
	Quota func(owner string, bytes int64) bool
	// Logger is slog.Default() when nil.
	Logger *slog.Logger

	// For tests of this package; the defaults when nil.
	streamTimes *streamTimes
	strangers   *limit.Hashed
}

// Server is a running STUN and TURN server.
type Server struct {
	log         *slog.Logger
	keys        keys
	realm       string
	ttl         time.Duration
	turn        []string // URLs
	limits      Limits
	streamTimes streamTimes
	peers       peers
	ports       ports
	quota       func(string, int64) bool

	pion           *turn.Server
	fronts         []*front
	streamListener *streamListener
	strangers      *limit.Hashed
	connections    *limit.PerAddress
	kick           chan struct{}
	closing        chan struct{}
	idled          chan struct{} // closed when pion has closed every allocation, after Close has begun
	idle           func()
	once           sync.Once
	wg             sync.WaitGroup // counts this server's goroutines

	made     atomic.Uint64
	up, down traffic
	refused  [refusals]atomic.Uint64
	panics   contain.Panics

	mu          sync.RWMutex // guards what follows, and owner.allocations
	closed      bool
	allocations int                            // those that have not ended
	relayed     map[netip.AddrPort]*allocation // all that pion has not closed
	owners      map[string]*owner
	revoked     *revoked
	streams     map[ends]*stream
	listeners   map[net.Listener]struct{}
}

// Open starts a TURN server. ctx bounds opening, not the server.
func Open(ctx context.Context, options Options) (*Server, error) {
	s := &Server{
		log: options.Logger, keys: newKeys(options.Secret), realm: options.Realm, ttl: options.TTL,
		turn: options.TURN, limits: options.Limits.orDefaults(), streamTimes: defaultStreamTimes,
		peers: peers{allow: options.AllowPeers, deny: options.DenyPeers}, quota: options.Quota,
		streamListener: newStreamListener(), strangers: limit.NewHashed(100, 600),
		kick: make(chan struct{}, 1), closing: make(chan struct{}), idled: make(chan struct{}),
		relayed: make(map[netip.AddrPort]*allocation), owners: make(map[string]*owner), revoked: newRevoked(),
		streams: make(map[ends]*stream), listeners: make(map[net.Listener]struct{}),
	}
	s.idle = sync.OnceFunc(func() { close(s.idled) })
	if s.log == nil {
		s.log = slog.Default()
	}
	s.panics.Log, s.panics.Part = s.log, "turn"
	if s.ttl == 0 {
		s.ttl = defaultTTL
	}
	if options.streamTimes != nil {
		s.streamTimes = *options.streamTimes
	}
	if options.strangers != nil {
		s.strangers = options.strangers
	}
	s.connections = limit.NewPerAddress(s.limits.Streams, s.limits.StreamsPerAddress, nil)
	if err := s.check(&options); err != nil {
		return nil, err
	}
	if err := s.listen(ctx, options.Listen); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.startPion(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, f := range s.fronts {
		s.wg.Go(f.read)
	}
	for l := range s.listeners {
		s.wg.Go(func() { s.accept(l) })
	}
	s.wg.Go(s.tend)
	s.log.Info("turn: open", "udp", len(s.fronts) > 0, "addresses", len(options.Public))
	return s, nil
}

// check refuses options that can't work.
func (s *Server) check(options *Options) error {
	first, last := options.FirstPort, options.LastPort
	if first == 0 && last == 0 {
		first, last = 49152, 65535 // RFC 8656 section 7.2
	}
	switch {
	case len(options.Secret) < minSecret:
		return fmt.Errorf("turn: the secret has fewer than %d bytes", minSecret)
	case options.Realm == "" || len(options.Realm) > 128:
		return errors.New("turn: no realm, or one too long")
	case len(options.Public) == 0:
		return errors.New("turn: no public address")
	case first < firstPeerPort || last < first:
		return fmt.Errorf("turn: ports %d to %d", first, last)
	case len(options.TURN) > signalling.MaxICEServers:
		return errors.New("turn: too many URLs")
	}
	if err := s.peers.look(); err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	for _, a := range options.Public {
		if a = a.Unmap(); !a.IsValid() || a.IsUnspecified() || a.Zone() != "" {
			return errors.New("turn: a public address that is none")
		}
		s.peers.relayed = append(s.peers.relayed, a)
	}
	var err error
	s.ports, err = newPorts(first, last, s.peers.relayed, *s.peers.own.Load())
	return err
}

// listen opens the sockets. TCP comes first, because another process can't share
// its port by mistake.
func (s *Server) listen(ctx context.Context, address string) error {
	if address == "" {
		return nil
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	s.listeners[l] = struct{}{}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	n := 1
	if canShare {
		n = min(runtime.GOMAXPROCS(0), maxFronts)
	}
	for range n {
		socket, err := openSocket("udp", net.JoinHostPort(host, fmt.Sprint(port)), frontBuffer, n > 1)
		if err != nil {
			return err
		}
		s.fronts = append(s.fronts, newFront(s, socket))
	}
	return nil
}

func (s *Server) startPion() error {
	config := turn.ServerConfig{
		Realm: s.realm, AuthHandler: s.authenticate, QuotaHandler: s.mayHave, EventHandler: s.events(),
		LoggerFactory: pionlog.Silent{}, InboundMTU: maxDatagram + 1,
		ListenerConfigs: []turn.ListenerConfig{{
			Listener: s.streamListener, RelayAddressGenerator: &generator{server: s}, PermissionHandler: s.mayReach,
		}},
	}
	for _, f := range s.fronts {
		config.PacketConnConfigs = append(config.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: f, RelayAddressGenerator: &generator{server: s, front: f}, PermissionHandler: s.mayReach,
		})
	}
	var err error
	if s.pion, err = turn.NewServer(config); err != nil {
		return fmt.Errorf("turn: %w", err)
	}
	return nil
}

var errQuota = errors.New("turn: the owner's quota is used up")

// Credentials makes new credentials for owner, a text of up to 64 letters,
// digits, "-" and "_". They are good on every node. The fault is
// [fault.TurnUsedUp] if the quota refuses.
func (s *Server) Credentials(owner string) (servers []signalling.ICEServer, expires time.Time, err error) {
	if !isOwner(owner) {
		return nil, time.Time{}, errors.New("turn: an owner that can't be in a user name")
	}
	if s.quota != nil && !s.quota(owner, 0) {
		return nil, time.Time{}, fault.New(fault.TurnUsedUp, errQuota)
	}
	u := s.keys.issue(owner, time.Now().Add(s.ttl))
	if len(s.turn) > 0 {
		servers = append(servers, signalling.ICEServer{URLs: s.turn, Username: u.text, Credential: s.keys.password(u.text)})
	}
	return servers, u.expires, nil
}

// Revoke makes a user name void whose owner begins with this one. When Revoke
// returns, nothing is relayed for it, and never will be. Revoke ignores other
// names. To revoke on every node, call it on every node.
func (s *Server) Revoke(owner, name string) {
	u, err := s.keys.parse(name)
	if err != nil || owner == "" || !strings.HasPrefix(u.owner, owner) {
		return
	}
	s.mu.Lock()
	s.revoked.add(u, time.Now(), s.ttl)
	s.mu.Unlock()
	s.cut(func(a *allocation) bool { return a.username.text == u.text })
}

// authenticate is pion's AuthHandler.
func (s *Server) authenticate(r *turn.RequestAttributes) (user string, key []byte, ok bool) {
	u, err := s.keys.parse(r.Username)
	if err != nil || r.Realm != s.realm {
		s.refuse(RefusedCredential)
		return "", nil, false
	}
	now := time.Now()
	if r.Method != stun.MethodAllocate {
		now = now.Add(-maxAge) // this user has an allocation, which pion is to renew
	}
	if u.expired(now) {
		s.refuse(RefusedExpired)
		return "", nil, false
	}
	s.mu.RLock()
	void := s.revoked.has(u)
	s.mu.RUnlock()
	if void {
		s.refuse(RefusedRevoked)
		return "", nil, false
	}
	return u.text, s.keys.key(u.text, s.realm), true
}

// mayHave is pion's QuotaHandler, for a user who has been authenticated.
func (s *Server) mayHave(user, _ string, _ net.Addr) bool {
	u, err := s.keys.parse(user)
	if err != nil {
		return false
	}
	s.mu.RLock()
	why, ok := s.mayAllocate(u)
	s.mu.RUnlock()
	if ok && s.quota != nil && !s.quota(u.owner, 0) {
		why, ok = RefusedQuota, false
	}
	if !ok {
		s.refuse(why)
	}
	return ok
}

// mayReach is pion's PermissionHandler.
func (s *Server) mayReach(_ net.Addr, peer net.IP) bool {
	a, _ := netip.AddrFromSlice(peer)
	if s.peers.address(a) == refused {
		s.refuse(RefusedPeer)
		return false
	}
	return true
}

// events records what pion has decided. Pion holds its own locks during a call,
// so the handlers must not wait for pion. A panic of ours in pion's goroutine
// ends the allocation that the event is about.
func (s *Server) events() turn.EventHandler {
	about := func(relay net.Addr, f func(*allocation)) {
		if a := s.at(relay); a != nil && !s.panics.Run(func() { f(a) }) {
			a.end()
		}
	}
	return turn.EventHandler{
		OnAuth: func(_, _ net.Addr, _, _, _, _ string, verdict bool) {
			if !verdict {
				s.refuse(RefusedCredential)
			}
		},
		OnAllocationCreated: func(src, dst net.Addr, _, _, _ string, relay net.Addr, _ int) {
			about(relay, func(a *allocation) { s.introduce(a, src, dst) })
		},
		OnPermissionCreated: func(_, _ net.Addr, _, _, _ string, relay net.Addr, peer net.IP) {
			about(relay, func(a *allocation) { s.within(a, a.permit(unmapIP(peer), true)) })
		},
		OnPermissionDeleted: func(_, _ net.Addr, _, _, _ string, relay net.Addr, peer net.IP) {
			about(relay, func(a *allocation) { a.permit(unmapIP(peer), false) })
		},
		OnChannelCreated: func(_, _ net.Addr, _, _, _ string, relay, peer net.Addr, channel uint16) {
			about(relay, func(a *allocation) { s.within(a, a.bind(channel, unmap(peer.(*net.UDPAddr).AddrPort()))) })
		},
		OnChannelDeleted: func(_, _ net.Addr, _, _, _ string, relay, _ net.Addr, channel uint16) {
			about(relay, func(a *allocation) { a.unbind(channel) })
		},
	}
}

// within ends an allocation if ok is false: it has asked for more than it may
// have.
func (s *Server) within(a *allocation, ok bool) {
	if !ok {
		s.refuse(RefusedQuota)
		a.end()
	}
}

func unmapIP(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// at returns the allocation with a relayed address, as pion names it.
func (s *Server) at(relay net.Addr) *allocation {
	udp, ok := relay.(*net.UDPAddr)
	if !ok {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.relayed[unmap(udp.AddrPort())]
}

// neighbour returns the running allocation with a relayed address, or nil.
func (s *Server) neighbour(relay netip.AddrPort) *allocation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.relayed[relay]
	if a == nil || a.ended.Load() {
		return nil
	}
	return a
}

// introduce sets an allocation's client.
func (s *Server) introduce(a *allocation, src, dst net.Addr) {
	if a.front != nil {
		c := &client{address: unmap(src.(*net.UDPAddr).AddrPort())}
		a.client.Store(c)
		a.front.own(c.address, a)
		return
	}
	s.mu.RLock()
	st := s.streams[endsOf(src, dst)]
	s.mu.RUnlock()
	if st == nil {
		a.end() // the stream has closed meanwhile
		return
	}
	a.client.Store(&client{stream: st})
	st.own(a)
}

// ends are the two addresses of a connection.
type ends struct{ remote, local netip.AddrPort }

// endsOf returns the zero ends for what is not TCP.
func endsOf(remote, local net.Addr) ends {
	r, ok := remote.(*net.TCPAddr)
	l, also := local.(*net.TCPAddr)
	if !ok || !also {
		return ends{}
	}
	return ends{unmap(r.AddrPort()), unmap(l.AddrPort())}
}

// forgetStream is called by a stream that has closed.
func (s *Server) forgetStream(st *stream) {
	s.mu.Lock()
	delete(s.streams, st.ends)
	s.mu.Unlock()
	s.connections.Release(household.Of(st.ends.remote.Addr()))
}

// ServeStream takes a connection, of TCP or of TLS, that speaks STUN. It returns
// at once, and closes the connection later.
func (s *Server) ServeStream(conn net.Conn) {
	at := endsOf(conn.RemoteAddr(), conn.LocalAddr())
	prefix := household.Of(at.remote.Addr())
	if at == (ends{}) || !s.connections.Take(prefix) {
		s.refuse(RefusedFull)
		conn.Close()
		return
	}
	st := newStream(s, conn, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.streams[at] != nil {
		s.connections.Release(prefix)
		conn.Close()
		return
	}
	s.streams[at] = st
	s.wg.Go(func() { s.panics.Run(st.read) })
	s.wg.Go(func() { s.panics.Run(st.write) })
	s.wg.Go(func() { s.streamListener.hand(st) })
}

// Serve takes the connections of a listener, of TCP or TLS. It returns at once.
// The listener closes with the server.
func (s *Server) Serve(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.Close()
		return
	}
	s.listeners[l] = struct{}{}
	s.wg.Go(func() { s.accept(l) })
}

// accept runs until the listener is closed.
func (s *Server) accept(l net.Listener) {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.ServeStream(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Out of file descriptors, or a connection that broke at once.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Warn("turn: accept", "error", err)
		select {
		case <-time.After(pause):
		case <-s.closing:
			return
		}
	}
}

// Addr returns where clients connect over UDP and TCP. It is not valid if
// Options.Listen was "".
func (s *Server) Addr() netip.AddrPort {
	if len(s.fronts) == 0 {
		return netip.AddrPort{}
	}
	return s.fronts[0].socket.local
}

// Close ends all relaying. It waits, and may be called twice.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		streams := make([]*stream, 0, len(s.streams))
		for _, st := range s.streams {
			streams = append(streams, st)
		}
		for l := range s.listeners {
			l.Close()
		}
		if len(s.relayed) == 0 {
			s.idle()
		}
		s.mu.Unlock()
		close(s.closing)
		s.cut(func(*allocation) bool { return true })
		<-s.idled
		for _, st := range streams {
			st.Close()
		}
		for _, f := range s.fronts {
			f.Close()
		}
		s.streamListener.Close()
		s.wg.Wait()
		s.log.Info("turn: closed")
	})
	return nil
}
