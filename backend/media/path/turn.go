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

// TURNSocket is an address at a TURN server (RFC 8656), used as one more socket of
// this machine: all peers of a call share it, and media goes through it the same
// way as through the others, encrypted by us. To the server it is one
// connection over UDP, TCP or TLS.
type TURNSocket struct {
	socket  *udpSocket
	base    net.Conn // to the server
	packets net.PacketConn
	client  *turn.Client
	conn    net.PacketConn // what the server relays

	queueMu sync.Mutex
	queue   sendQueue
	filled  chan struct{} // holds one: the queue is not empty
	openers chan struct{} // one for each permission that is being asked for
	check   chan struct{} // holds one: see Recheck
	lost    chan struct{} // closed when it is of no use any longer
	fail    func()
	workers sync.WaitGroup

	mu    sync.Mutex
	peers map[netip.AddrPort]*permission
	asked map[netip.Addr]struct{} // what the client takes for permitted
}

// permission is what the server knows of an address that we send to.
type permission struct {
	ready bool // the server lets packets through
	used  time.Time
}

const (
	relayAge       = 150 * time.Millisecond // that pictures may wait for a server that takes them slowly
	maxPermissions = 512                    // at a time
	maxAsked       = 4096
	relayStall     = 3 * time.Second // of a server that does not read
	maxOpeners     = 16
	allocateWithin = 10 * time.Second
	allocateApart  = 250 * time.Millisecond // between tries of several ways
	permissionAge  = 4 * time.Minute        // the server forgets after five (RFC 8656 section 9)
	keepEvery      = 20 * time.Second       // less than NATs remember, and permissions last
	keepAtOnce     = 32                     // permissions in one request, which must fit a datagram
	maxTURN        = 8                      // ways that are tried
	relayRTO       = 200 * time.Millisecond
)

// TURNClient asks TURN servers for addresses.
type TURNClient struct {
	Mux    *Mux
	TLS    *tls.Config
	Logger *slog.Logger
}

// turnWay is one way to reach a TURN server.
type turnWay struct {
	uri                  *stun.URI
	username, credential string
}

// turnWays returns the ways to the servers that we can go, in their order.
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

// Allocate takes the first address that one of the servers gives. Its errors say
// nothing of credentials.
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
		// Browsers' own relayed addresses are IPv4, too, whatever leads there.
		RequestedAddressFamily: turn.RequestedAddressFamilyIPv4,
		// We ask for those that are used, in requests that fit.
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
		_ = base.Close() // ends what waits for an answer
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

// impatient is a stream that is given up when the other end does not read.
type impatient struct{ net.Conn }

func (c impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(relayStall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// connected is a UDP socket that talks to one address only, as [net.PacketConn].
type connected struct{ net.Conn }

func (c connected) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c connected) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

var errRelayedAddress = errors.New("the server relays at an address that can't be")

// open begins to use what the server gave.
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

// Moved gives up if this machine has the address no longer that the server is reached from.
func (s *TURNSocket) Moved() {
	if p, _ := addrPortOf(s.base.LocalAddr()); !s.socket.mux.Has(p.Addr()) {
		s.fail()
	}
}

// Close gives the address back and waits for the goroutines.
func (s *TURNSocket) Close() {
	if s.Over() {
		_ = s.base.Close() // there is nobody to take leave of
	}
	s.mu.Lock() // nothing begins from now on; see begin
	s.fail()
	s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close() // the server forgets it by itself, too
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

// readServer takes what the server sends.
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
		// What it does not understand is lost, as on the network.
		_, _ = s.client.HandleInbound(b[:n], from)
	}
}

// isTemporary reports whether a socket may still be of use: over UDP an error
// can mean that one packet was refused.
func isTemporary(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Net == "udp" && !errors.Is(err, net.ErrClosed)
}

// Gone is closed when the address is of no use any longer.
func (s *TURNSocket) Gone() <-chan struct{} { return s.lost }

// Over reports whether the address is of no use any longer.
func (s *TURNSocket) Over() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// readRelayed takes what peers send.
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

// send sends a buffer of the pool, or drops it: when the server is slow, and as
// long as it has not agreed to the address. It never blocks.
func (s *TURNSocket) send(d datagram) {
	switch ready, known := s.permitted(d.to); {
	case ready:
		s.queueMu.Lock()
		s.queue.put(d, time.Now())
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

// begin runs f on a goroutine of its own. It returns false if too many run, or if the address is of no use any longer:
// Close waits for those that have begun before.
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

// permitted reports whether packets to an address pass, and else whether somebody
// sees to it. If nobody does, the caller must.
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

// permit asks the server to let packets to an address through, and sends the
// first. An address that the server refuses stays refused.
func (s *TURNSocket) permit(first []byte, to netip.AddrPort) {
	s.mu.Lock()
	_, again := s.asked[to.Addr()]
	s.asked[to.Addr()] = struct{}{}
	s.mu.Unlock()
	address := net.UDPAddrFromAddrPort(to)
	var err error
	if again { // else the client asks before it writes
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

// ask asks for permissions. A server that finds our nonce old gives a new one
// with its answer.
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

// refused reports whether the server won't have one address, but the others.
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
			// What can't be sent is lost, as on the network; keep finds out why.
			_, err := s.conn.WriteTo(*d.buffer, net.UDPAddrFromAddrPort(d.to))
			d.free()
			if err != nil {
				s.Recheck()
			}
		}
	}
}

// next takes what is to be sent next from the queue.
func (s *TURNSocket) next() (d datagram, ok bool) {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	return s.queue.take(time.Now())
}

// Recheck makes keep ask the server whether all is well.
func (s *TURNSocket) Recheck() {
	select {
	case s.check <- struct{}{}:
	default:
	}
}

// keep keeps permissions, and the NAT in front of us, from forgetting us. It
// notices a server that has.
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

// live returns the addresses that were used lately, and forgets the others.
func (s *TURNSocket) live(now time.Time) (chunks [][]net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) > maxAsked {
		s.fail() // a new one forgets them
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
