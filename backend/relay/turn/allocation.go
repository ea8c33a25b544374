package turn

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"
	"github.com/porch-call/porch/backend/kit/batchudp"
	"golang.org/x/time/rate"
)

// What one allocation may ask for. It is far more than the candidates of any
// call.
const (
	maxPermissions = 64
	maxBindings    = 64

	// Messages of an allocation that pion handles: those before a channel is
	// bound, and those that ask for one.
	clientMessages, clientBurst = 2000, 6000
)

// allocation is a relayed socket. Pion makes and ends it, and Server.events
// records which peers pion has permitted and which channels it has bound. The
// packets bypass pion: those of channels go from socket to socket, all others
// through ReadFrom and WriteTo.
//
// It is the net.PacketConn that pion holds.
type allocation struct {
	server   *Server
	front    *front // the front that its client uses; nil for a stream's
	username username
	owner    *owner
	socket   *socket
	relayed  netip.AddrPort // as clients and peers see it
	toPion   queue
	asked    *rate.Limiter

	client      atomic.Pointer[client]
	bindings    atomic.Pointer[[]binding]
	permissions atomic.Pointer[[]netip.Addr]

	changing sync.Mutex  // guards what follows, and changes of bindings and permissions; acquired after handling.mu
	life     *time.Timer // until the allocation ends by itself
	gone     bool        // pion has closed it
	holding  *handling   // held until pion closes it

	ended atomic.Bool
	once  sync.Once
}

// client is where an allocation's packets go.
type client struct {
	address netip.AddrPort // of a client that uses a front
	stream  *stream        // or nil
}

// binding is a bound channel. It needs the permission for its peer, which expires
// earlier unless the client renews it (RFC 8656 section 12).
type binding struct {
	peer      netip.AddrPort
	channel   uint16
	verdict   verdict
	permitted bool
}

// generator makes the allocations of one front, or of all streams. It is
// pion's RelayAddressGenerator.
type generator struct {
	server *Server
	front  *front
}

var (
	errNoTCP = errors.New("turn: TCP is not relayed")
	errLimit = errors.New("turn: too many allocations")
)

// Validate implements turn.RelayAddressGenerator.
func (g *generator) Validate() error { return nil }

// AllocateListener implements turn.RelayAddressGenerator. It refuses, because
// there are no TCP allocations here (RFC 6062).
func (g *generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	g.server.refuse(RefusedTCP)
	return nil, nil, errNoTCP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (g *generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	g.server.refuse(RefusedTCP)
	return nil, errNoTCP
}

// AllocatePacketConn implements turn.RelayAddressGenerator. Pion also calls it,
// without a user, to find a pair of ports; there are none (RFC 5766 section
// 14.6).
func (g *generator) AllocatePacketConn(config turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	u, err := g.server.keys.parse(config.UserID)
	if err != nil || config.RequestedPort != 0 {
		g.server.refuse(RefusedPort)
		return nil, nil, errNoPort
	}
	s, relayed, err := g.server.ports.open(config.Network)
	if err != nil {
		g.server.refuse(RefusedPort)
		return nil, nil, err
	}
	a := &allocation{
		server: g.server, front: g.front, username: u, socket: s, relayed: relayed, toPion: newQueue(allocationQueue),
		asked: rate.NewLimiter(clientMessages, clientBurst),
	}
	a.bindings.Store(new([]binding))
	a.permissions.Store(new([]netip.Addr))
	if !g.server.enter(a) {
		s.conn.Close()
		return nil, nil, errLimit
	}
	return a, net.UDPAddrFromAddrPort(relayed), nil
}

// read relays what peers send, until the allocation ends.
func (a *allocation) read() { a.socket.each(&a.server.panics, a.ended.Load, a.fromPeers) }

// fromPeers relays the datagrams of a batch.
func (a *allocation) fromPeers(b *batch) {
	c := a.client.Load()
	if c == nil {
		return // no peer is permitted yet
	}
	bindings := *a.bindings.Load()
	var bytes, packets int
	for i := range b.n {
		frame, from, ok := b.datagram(i)
		if !ok {
			a.server.refuse(RefusedOversized)
			continue
		}
		channel, ok := channelTo(bindings, from)
		if !ok {
			a.unbound(frame[channelHeader:], from)
			continue
		}
		putChannelHeader(frame, channel)
		if c.stream == nil {
			b.out.Add(a.front.socket.many, frame, c.address)
		} else if !c.stream.offer(frame) {
			continue
		}
		bytes += len(frame) - channelHeader
		packets++
	}
	if packets == 0 || a.ended.Load() {
		return
	}
	a.count(&a.server.down, bytes, packets)
	if c.stream == nil {
		b.out.Flush(a.front.socket.many)
	}
}

// channelTo returns the channel that is bound to a peer.
func channelTo(bindings []binding, peer netip.AddrPort) (channel uint16, ok bool) {
	for i := range bindings {
		if b := &bindings[i]; b.peer == peer && b.permitted {
			return b.channel, true
		}
	}
	return 0, false
}

// unbound passes on a datagram of a peer that has no channel.
func (a *allocation) unbound(payload []byte, from netip.AddrPort) {
	if !slices.Contains(*a.permissions.Load(), from.Addr()) {
		a.server.refuse(RefusedUnpermitted)
		return
	}
	if a.toPion.put(payload, from) {
		a.count(&a.server.down, len(payload), 1)
	}
}

// fromNeighbour passes on a datagram of another allocation of this server. frame
// has room for a header.
func (a *allocation) fromNeighbour(frame []byte, from netip.AddrPort) {
	c := a.client.Load()
	if c == nil || a.ended.Load() {
		return
	}
	channel, ok := channelTo(*a.bindings.Load(), from)
	if !ok {
		a.unbound(frame[channelHeader:], from)
		return
	}
	putChannelHeader(frame, channel)
	if c.stream == nil {
		_, _ = a.front.socket.conn.WriteToUDPAddrPort(frame, c.address) // lost, as on the network
	} else if !c.stream.offer(frame) {
		return
	}
	a.count(&a.server.down, len(frame)-channelHeader, 1)
}

// fromClient adds the payload of one ChannelData message to out, which the caller
// flushes to a.socket. It returns the bytes of the payload, which may be 0, and
// whether it was relayed.
func (a *allocation) fromClient(out *batchudp.Out, message []byte) (bytes int, ok bool) {
	channel, payload, ok := channelData(message)
	if !ok {
		a.server.refuse(RefusedMalformed)
		return 0, false
	}
	bindings := *a.bindings.Load()
	i := slices.IndexFunc(bindings, func(b binding) bool { return b.channel == channel })
	if i < 0 || !bindings[i].permitted {
		a.server.refuse(RefusedUnpermitted)
		return 0, false
	}
	switch b := &bindings[i]; b.verdict {
	case allowed:
		out.Add(a.socket.many, payload, b.peer)
	case relayed:
		n := a.server.neighbour(b.peer)
		if n == nil {
			a.server.refuse(RefusedPeer)
			return 0, false
		}
		n.fromNeighbour(message[:channelHeader+len(payload)], a.relayed)
	default:
		a.server.refuse(RefusedPeer)
		return 0, false
	}
	return len(payload), true
}

// count records relayed bytes.
func (a *allocation) count(t *traffic, bytes, packets int) {
	t.bytes.Add(uint64(bytes))
	t.packets.Add(uint64(packets))
	a.owner.spend(a.server, int64(bytes))
}

// ReadFrom implements net.PacketConn for pion.
func (a *allocation) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := a.toPion.readFrom(p)
	if err != nil {
		a.letGo()
	}
	return n, from, err
}

// WriteTo implements net.PacketConn for pion. It sends the data of a Send
// indication to a peer whose address is permitted.
func (a *allocation) WriteTo(p []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok || a.ended.Load() {
		return 0, net.ErrClosed
	}
	peer := unmap(udp.AddrPort())
	switch a.judge(peer) {
	case allowed:
		_, _ = a.socket.conn.WriteToUDPAddrPort(p, peer) // lost, as on the network
	case relayed:
		n := a.server.neighbour(peer)
		if n == nil {
			a.server.refuse(RefusedPeer)
			return len(p), nil
		}
		n.fromNeighbour(append(make([]byte, channelHeader, channelHeader+len(p)), p...), a.relayed)
	default:
		a.server.refuse(RefusedPeer)
		return len(p), nil
	}
	a.count(&a.server.up, len(p), 1)
	return len(p), nil
}

// judge returns what may be sent to a peer.
func (a *allocation) judge(peer netip.AddrPort) verdict {
	if peer.Addr().Is4() != a.relayed.Addr().Is4() {
		return refused
	}
	return a.server.peers.peer(peer)
}

// bind records a channel. It returns false if there are too many.
func (a *allocation) bind(channel uint16, peer netip.AddrPort) bool {
	verdict := a.judge(peer)
	if verdict == refused {
		a.server.refuse(RefusedPeer)
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	next := append(slices.Clone(*a.bindings.Load()), binding{
		peer: peer, channel: channel, verdict: verdict, permitted: slices.Contains(*a.permissions.Load(), peer.Addr()),
	})
	a.bindings.Store(&next)
	return len(next) <= maxBindings
}

func (a *allocation) unbind(channel uint16) {
	a.changing.Lock()
	defer a.changing.Unlock()
	next := slices.DeleteFunc(slices.Clone(*a.bindings.Load()), func(b binding) bool { return b.channel == channel })
	a.bindings.Store(&next)
}

// permit records that a peer's address is permitted, or no longer is. It returns
// false if there are too many.
func (a *allocation) permit(peer netip.Addr, on bool) bool {
	a.changing.Lock()
	defer a.changing.Unlock()
	permissions := slices.DeleteFunc(slices.Clone(*a.permissions.Load()), func(p netip.Addr) bool { return p == peer })
	if on {
		permissions = append(permissions, peer)
	}
	a.permissions.Store(&permissions)
	bindings := slices.Clone(*a.bindings.Load())
	for i := range bindings {
		if bindings[i].peer.Addr() == peer {
			bindings[i].permitted = on
		}
	}
	a.bindings.Store(&bindings)
	return len(permissions) <= maxPermissions
}

// mayAsk limits what pion must handle for this allocation.
func (a *allocation) mayAsk(now time.Time) bool {
	return a.asked.AllowN(now, 1)
}

// end stops relaying at once. Pion notices, and closes. It may be called twice.
func (a *allocation) end() {
	a.once.Do(func() {
		a.ended.Store(true)
		a.socket.conn.Close()
		a.toPion.close()
		if c := a.client.Load(); c != nil && c.stream != nil {
			c.stream.disown(a)
		} else if c != nil {
			a.front.disown(c.address, a)
		}
		a.changing.Lock()
		if a.life != nil {
			a.life.Stop()
		}
		a.changing.Unlock()
		a.server.leave(a)
	})
}

// Close implements net.PacketConn. Pion calls it when it no longer uses the
// allocation.
func (a *allocation) Close() error {
	a.end()
	a.isGone()
	a.server.forget(a)
	return nil
}

// LocalAddr implements net.PacketConn.
func (a *allocation) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(a.relayed) }

// SetDeadline implements net.PacketConn. Pion sets none.
func (a *allocation) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (a *allocation) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (a *allocation) SetWriteDeadline(time.Time) error { return nil }

// queue holds the datagrams that pion has not read yet.
type queue struct {
	waiting chan arrived
	closed  chan struct{}
	once    *sync.Once
}

type arrived struct {
	b    []byte
	from net.Addr
}

const (
	allocationQueue = 64
	frontQueue      = 1024
)

func newQueue(n int) queue {
	return queue{make(chan arrived, n), make(chan struct{}), new(sync.Once)}
}

// put copies a datagram into the queue. It reports false if the queue is full.
func (q *queue) put(b []byte, from netip.AddrPort) bool {
	select {
	case q.waiting <- arrived{slices.Clone(b), net.UDPAddrFromAddrPort(from)}:
		return true
	default:
		return false
	}
}

func (q *queue) readFrom(p []byte) (int, net.Addr, error) {
	for {
		select {
		case d := <-q.waiting:
			if len(d.b) > len(p) {
				continue // pion takes no datagram as large as this
			}
			return copy(p, d.b), d.from, nil
		case <-q.closed:
			return 0, nil, net.ErrClosed
		}
	}
}

func (q *queue) close() { q.once.Do(func() { close(q.closed) }) }
