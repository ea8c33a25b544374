package path

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/signalling"
)

// TURNSocket is an address at a TURN server (RFC 8656), used as one more socket of this machine. All peers of a call
// share it. Media passes it the same way as the other sockets, encrypted by us. For the server it is one connection
// over UDP, TCP or TLS.
type TURNSocket struct {
	socket  *udpSocket
	base    net.Conn // to the server
	packets net.PacketConn
	client  *turn.Client
	conn    net.PacketConn // what the server relays

	queueMu sync.Mutex
	queue   sendQueue
	filled  chan struct{} // buffered 1; full means that write is woken already
	openers chan struct{} // holds one for each permission that is being asked for
	check   chan struct{} // buffered 1; full means that keep is woken already
	lost    chan struct{} // closed when the address is lost
	fail    func()
	workers sync.WaitGroup

	mu    sync.Mutex
	peers map[netip.AddrPort]*permission
	asked map[netip.Addr]struct{} // addresses that the client takes for permitted
}

// permission is what the server knows of an address to which we send.
type permission struct {
	ready bool // the server lets packets pass
	used  time.Time
}

const (
	relayAge       = 150 * time.Millisecond // how long pictures may wait for a server that takes them slowly
	maxPermissions = 512                    // at any time
	maxAsked       = 4096
	relayStall     = 3 * time.Second // after which a server that does not read is given up
	maxOpeners     = 16
	allocateWithin = 10 * time.Second
	allocateApart  = 250 * time.Millisecond // between tries of several servers
	permissionAge  = 4 * time.Minute        // the server forgets after five (RFC 8656 section 9)
	keepEvery      = 20 * time.Second       // shorter than NATs and permissions last
	keepAtOnce     = 32                     // permissions in one request, which must fit a datagram
	maxTURN        = 8                      // servers and transports that are tried
	relayRTO       = 200 * time.Millisecond
)

// TURNClient asks TURN servers for addresses.
type TURNClient struct {
	Mux    *Mux
	TLS    *tls.Config
	Logger *slog.Logger
}

// turnWay is one way to reach a TURN server: its URI and credentials.
type turnWay struct {
	uri                  *stun.URI
	username, credential string
}

// turnWays returns the ways to the servers that we support, in their order.
func turnWays(servers []signalling.ICEServer) (ways []turnWay) {
	for _, s := range servers {
		for _, u := range s.URLs {
			uri, err := stun.ParseURI(u)
			if err != nil || s.Username == "" || s.Credential == "" || len(ways) == maxTURN {
				continue
			}
			switch {
			case uri.Scheme == stun.SchemeTypeTURN,
				uri.Scheme == stun.SchemeTypeTURNS && uri.Proto == stun.ProtoTypeTCP:
				ways = append(ways, turnWay{uri, s.Username, s.Credential})
			}
		}
	}
	return ways
}

// Allocate takes the first address that one of the servers gives. Its errors do not reveal credentials.
func (t *TURNClient) Allocate(ctx context.Context, servers []signalling.ICEServer, by Named) (*TURNSocket, error) {
	ways := turnWays(servers)
	if len(ways) == 0 {
		return nil, errors.New("no TURN server")
	}
	ctx, cancel := context.WithTimeout(ctx, allocateWithin)
	defer cancel()
	type result struct {
		a   *TURNSocket
		err error
	}
	results := make(chan result)
	for i, w := range ways {
		go func() {
			timer := time.NewTimer(time.Duration(i) * allocateApart)
			defer timer.Stop()
			select {
			case <-timer.C:
				s, err := t.allocateAt(ctx, w, by)
				results <- result{s, err}
			case <-ctx.Done():
				results <- result{nil, ctx.Err()}
			}
		}()
	}
	var first *TURNSocket
	var errs []error
	for range ways {
		r := <-results
		switch {
		case r.err != nil:
			errs = append(errs, r.err)
		case first == nil:
			first = r.a
			cancel()
		default:
			r.a.Close()
		}
	}
	if first == nil {
		return nil, errors.Join(errs...)
	}
	return first, nil
}

func (t *TURNClient) allocateAt(ctx context.Context, w turnWay, by Named) (*TURNSocket, error) {
	address := net.JoinHostPort(w.uri.Host, strconv.Itoa(w.uri.Port))
	base, packets, err := t.dial(ctx, w.uri, address, by)
	if err != nil {
		return nil, fmt.Errorf("TURN server: %w", err)
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: base.RemoteAddr().String(),
		Username:       w.username, Password: w.credential,
		Conn: packets, RTO: relayRTO, LoggerFactory: pionlog.New(t.Logger),
		// The relayed addresses of browsers are IPv4, too, whatever the connection to the server is.
		RequestedAddressFamily: turn.RequestedAddressFamilyIPv4,
		// keep refreshes those that are in use, in requests that fit into a datagram.
		PermissionRefreshInterval: never,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("TURN client: %w", err), base.Close())
	}
	s := &TURNSocket{
		base: base, packets: packets, client: client,
		queue:   sendQueue{age: relayAge},
		filled:  make(chan struct{}, 1),
		openers: make(chan struct{}, maxOpeners),
		check:   make(chan struct{}, 1),
		lost:    make(chan struct{}),
		peers:   make(map[netip.AddrPort]*permission),
		asked:   make(map[netip.Addr]struct{}),
	}
	s.fail = sync.OnceFunc(func() { close(s.lost) })
	s.workers.Go(s.readServer)
	abort := context.AfterFunc(ctx, func() {
		_ = base.Close() // ends every wait for an answer
		client.Close()
	})
	conn, err := client.Allocate()
	if !abort() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		s.conn = conn
		err = s.open(t.Mux)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("TURN allocation: %w", err)
	}
	return s, nil
}

// dial connects to a server.
func (t *TURNClient) dial(ctx context.Context, uri *stun.URI, address string, by Named) (net.Conn, net.PacketConn, error) {
	if uri.Proto == stun.ProtoTypeUDP {
		base, err := by.dialer().DialContext(ctx, "udp", address)
		if err != nil {
			return nil, nil, err
		}
		keepShort(base)
		return base, connected{base}, nil
	}
	base, err := by.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	keepShort(base)
	if uri.Scheme == stun.SchemeTypeTURNS {
		config := t.TLS.Clone()
		config.ServerName = uri.Host
		secured := tls.Client(base, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, nil, errors.Join(err, base.Close())
		}
		base = secured
	}
	base = impatient{base}
	return base, turn.NewSTUNConn(base), nil
}

// impatient is a stream that fails if the other end does not read for relayStall.
type impatient struct{ net.Conn }

func (c impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(relayStall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// connected is a UDP socket that talks to one address only, as a [net.PacketConn].
type connected struct{ net.Conn }

func (c connected) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c connected) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

var errRelayedAddress = errors.New("the server relays at an address that can't be")

// open puts the address that the server gave to use.
func (s *TURNSocket) open(mux *Mux) error {
	local, ok := addrPortOf(s.conn.LocalAddr())
	server, _ := addrPortOf(s.base.RemoteAddr())
	if !ok || !local.Addr().Is4() || local.Port() == 0 || local.Addr().IsUnspecified() || local.Addr().IsMulticast() ||
		local.Addr().IsLoopback() && !server.Addr().IsLoopback() {
		return errRelayedAddress
	}
	s.socket = &udpSocket{
		mux: mux, relay: s, local: local,
		ufrags: make(map[string]*udpConn), remotes: make(map[netip.AddrPort]*udpConn),
	}
	s.workers.Go(s.readRelayed)
	s.workers.Go(s.write)
	s.workers.Go(s.keep)
	return nil
}

// addrPortOf returns the address of UDP or TCP.
func addrPortOf(a net.Addr) (netip.AddrPort, bool) {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		p = a.AddrPort()
	case *net.TCPAddr:
		p = a.AddrPort()
	default:
		return p, false
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), true
}

// Moved gives the address up if this machine has lost its own address from which it reaches the server.
func (s *TURNSocket) Moved() {
	if p, _ := addrPortOf(s.base.LocalAddr()); !s.socket.mux.Has(p.Addr()) {
		s.fail()
	}
}

// Close gives the address back and waits for the goroutines.
func (s *TURNSocket) Close() {
	if s.Over() {
		_ = s.base.Close() // the server is gone, so there is nothing to say
	}
	s.mu.Lock() // begin starts nothing from now on
	s.fail()
	s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close() // without it, the server would forget the address later
	}
	_ = s.base.Close()
	s.client.Close()
	s.workers.Wait()
	if s.socket != nil {
		s.socket.shut()
	}
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	s.queue.close()
}

// readServer reads what the server sends.
func (s *TURNSocket) readServer() {
	defer s.fail()
	b := make([]byte, 1<<16)
	for {
		n, from, err := s.packets.ReadFrom(b)
		if err != nil {
			if s.Over() || !isTemporary(err) {
				return
			}
			continue
		}
		// An unknown packet is dropped, as if lost on the network.
		_, _ = s.client.HandleInbound(b[:n], from)
	}
}

// isTemporary reports whether a socket may still work. Over UDP an error may mean that only one packet was refused.
func isTemporary(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Net == "udp" && !errors.Is(err, net.ErrClosed)
}

// Gone returns a channel that is closed when the address is lost.
func (s *TURNSocket) Gone() <-chan struct{} { return s.lost }

// Over reports whether the address is lost.
func (s *TURNSocket) Over() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// readRelayed reads what peers send.
func (s *TURNSocket) readRelayed() {
	defer s.fail()
	b := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if errors.Is(err, io.ErrShortBuffer) {
			continue
		}
		if err != nil {
			return
		}
		if p, ok := addrPortOf(from); ok {
			s.socket.mux.Cork()
			s.socket.receive(b[:n], p)
			s.socket.mux.Uncork()
		}
	}
}

// send sends a buffer of the pool. It drops the buffer if the server is slow, or has not permitted the address yet. It
// never blocks.
func (s *TURNSocket) send(d datagram) {
	switch ready, known := s.permitted(d.to); {
	case ready:
		s.queueMu.Lock()
		now := time.Now()
		s.queue.put(d, now)
		if s.queue.waited(now) > stallAfter {
			s.socket.stalls.Add(1)
		}
		s.queueMu.Unlock()
		select {
		case s.filled <- struct{}{}:
		default:
		}
		return
	case !known:
		if s.begin(func() {
			s.permit(*d.buffer, d.to)
			d.free()
		}) {
			return
		}
		s.withdraw(d.to) // the next packet tries again
	}
	d.free()
}

// begin runs f on its own goroutine. It reports false if too many run, or if the address is lost. Close waits for
// those that began before.
func (s *TURNSocket) begin(f func()) bool {
	select {
	case s.openers <- struct{}{}:
	default:
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Over() {
		<-s.openers
		return false
	}
	s.workers.Go(func() {
		defer func() { <-s.openers }()
		f()
	})
	return true
}

// permitted reports whether packets to an address pass, and if not, whether that is being dealt with. If it is not,
// the caller must call permit.
func (s *TURNSocket) permitted(to netip.AddrPort) (ready, known bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.peers[to]; p != nil {
		p.used = now
		return p.ready, true
	}
	if len(s.peers) >= maxPermissions || s.Over() {
		return false, true
	}
	s.peers[to] = &permission{used: now}
	return false, false
}

func (s *TURNSocket) withdraw(to netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, to)
}

// permit asks the server to let packets to an address pass, and sends the first one. An address that the server
// refuses stays refused.
func (s *TURNSocket) permit(first []byte, to netip.AddrPort) {
	s.mu.Lock()
	_, again := s.asked[to.Addr()]
	s.asked[to.Addr()] = struct{}{}
	s.mu.Unlock()
	address := net.UDPAddrFromAddrPort(to)
	var err error
	if again { // otherwise the client asks before it writes
		err = s.ask(address)
	}
	if err == nil {
		_, err = s.conn.WriteTo(first, address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := s.peers[to]; {
	case err == nil && p != nil:
		p.ready = true
	case err != nil && !refused(err):
		s.fail()
	}
}

// ask asks for permissions. It tries twice, because a server that finds our nonce too old answers with a new one.
func (s *TURNSocket) ask(addresses ...net.Addr) (err error) {
	for range 2 {
		if err = s.client.CreatePermission(addresses...); err == nil || turnCode(err) != 0 {
			return err
		}
	}
	return err
}

// turnCode returns the code of a server's error, or 0.
func turnCode(err error) stun.ErrorCode {
	var t *stun.TurnError
	if !errors.As(err, &t) {
		return 0
	}
	return t.ErrorCodeAttr.Code
}

// refused reports whether the server refuses this one address, and would permit others.
func refused(err error) bool {
	switch turnCode(err) {
	case stun.CodeForbidden, stun.CodePeerAddrFamilyMismatch:
		return true
	default:
		return false
	}
}

// write sends what is queued.
func (s *TURNSocket) write() {
	for {
		select {
		case <-s.filled:
		case <-s.lost:
			return
		}
		for d, ok := s.next(); ok; d, ok = s.next() {
			// A datagram that can't be sent is dropped, as if lost on the network. keep finds out why.
			_, err := s.conn.WriteTo(*d.buffer, net.UDPAddrFromAddrPort(d.to))
			d.free()
			if err != nil {
				s.Recheck()
			}
		}
	}
}

// next takes the datagram that goes first from the queue.
func (s *TURNSocket) next() (d datagram, ok bool) {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	return s.queue.take(time.Now())
}

// Recheck makes keep ask the server at once whether it still knows the address.
func (s *TURNSocket) Recheck() {
	select {
	case s.check <- struct{}{}:
	default:
	}
}

// keep renews permissions, and the mapping of the NAT in front of us. It notices if the server has forgotten them.
func (s *TURNSocket) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.check:
		case <-s.lost:
			return
		}
		chunks := s.live(time.Now())
		for _, chunk := range chunks {
			if err := s.ask(chunk...); err != nil && !refused(err) {
				s.fail()
				return
			}
		}
		if len(chunks) > 0 {
			continue
		}
		if _, err := s.client.SendBindingRequestTo(s.base.RemoteAddr()); err != nil {
			s.fail()
			return
		}
	}
}

// live returns the addresses that were used within permissionAge, and forgets the others.
func (s *TURNSocket) live(now time.Time) (chunks [][]net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) > maxAsked {
		s.fail() // the socket that replaces this one starts with an empty list
	}
	for to, p := range s.peers {
		if now.Sub(p.used) > permissionAge {
			delete(s.peers, to)
			continue
		}
		if !p.ready {
			continue
		}
		if len(chunks) == 0 || len(chunks[len(chunks)-1]) == keepAtOnce {
			chunks = append(chunks, nil)
		}
		last := &chunks[len(chunks)-1]
		*last = append(*last, net.UDPAddrFromAddrPort(to))
	}
	return chunks
}
