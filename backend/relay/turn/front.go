package turn

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/porch-call/porch/backend/kit/household"
)

// front is a UDP socket that clients talk to. Channel data goes straight to the
// allocations. All other messages go to pion, for which this is the
// net.PacketConn.
type front struct {
	server   *Server
	socket   *socket
	toPion   queue
	handling handling

	mu      sync.RWMutex // guards what follows
	clients map[netip.AddrPort]*allocation
}

func newFront(s *Server, socket *socket) *front {
	return &front{server: s, socket: socket, toPion: newQueue(frontQueue), clients: make(map[netip.AddrPort]*allocation)}
}

// read takes what clients send, until the socket is closed.
func (f *front) read() {
	f.socket.each(&f.server.panics, func() bool { return false }, f.fromClients)
}

func (f *front) fromClients(b *batch) {
	var frames [batchSize][]byte
	var from [batchSize]*allocation
	f.sort(b, &frames, &from)
	// Frames of one allocation are sent together, in their order.
	for i := range b.n {
		a := from[i]
		if a == nil || a.ended.Load() {
			continue
		}
		var bytes, packets int
		for j := i; j < b.n; j++ {
			if from[j] == a {
				if n, ok := a.fromClient(b.out, frames[j]); ok {
					bytes += n
					packets++
				}
				from[j] = nil
			}
		}
		a.count(&f.server.up, bytes, packets)
		b.out.Flush(a.socket.many)
	}
}

// sort passes the STUN messages of a batch to pion, and fills in the other
// messages with their allocations.
func (f *front) sort(b *batch, frames *[batchSize][]byte, from *[batchSize]*allocation) {
	now := time.Now()
	f.mu.RLock()
	defer f.mu.RUnlock()
	for i := range b.n {
		frame, address, ok := b.datagram(i)
		message := frame[channelHeader:]
		a := f.clients[address]
		switch {
		case !ok:
			f.server.refuse(RefusedOversized)
		case len(message) == 0:
		case isSTUN(message[0]):
			f.ask(a, message, address, now)
		case a == nil:
			f.server.refuse(RefusedUnpermitted)
		default:
			frames[i], from[i] = message, a
		}
	}
}

// ask passes a STUN message to pion, unless pion has too many.
func (f *front) ask(a *allocation, message []byte, from netip.AddrPort, now time.Time) {
	allowed := stun.IsMessage(message)
	if !allowed {
		f.server.refuse(RefusedMalformed)
		return
	}
	if a != nil {
		allowed = a.mayAsk(now)
	} else {
		allowed = f.server.strangers.Allow(household.Of(from.Addr()), now)
	}
	if !allowed || !f.toPion.put(message, from) {
		f.server.refuse(RefusedTooFast)
	}
}

// own records that an address is the client of a.
func (f *front) own(address netip.AddrPort, a *allocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !a.ended.Load() {
		f.clients[address] = a
	}
}

func (f *front) disown(address netip.AddrPort, a *allocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.clients[address] == a {
		delete(f.clients, address)
	}
}

// ReadFrom implements net.PacketConn for pion.
func (f *front) ReadFrom(p []byte) (int, net.Addr, error) {
	f.handling.done()
	n, from, err := f.toPion.readFrom(p)
	if err == nil {
		f.handling.begin()
	}
	return n, from, err
}

// WriteTo implements net.PacketConn for pion.
func (f *front) WriteTo(p []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	address := udp.AddrPort()
	f.mu.RLock()
	a := f.clients[unmap(address)]
	f.mu.RUnlock()
	if a != nil {
		a.answered(p)
	}
	return f.socket.conn.WriteToUDPAddrPort(p, address)
}

// Close implements net.PacketConn. It may be called twice.
func (f *front) Close() error {
	f.socket.conn.Close()
	f.toPion.close()
	return nil
}

// LocalAddr implements net.PacketConn.
func (f *front) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(f.socket.local) }

// SetDeadline implements net.PacketConn. Pion sets none.
func (f *front) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (f *front) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (f *front) SetWriteDeadline(time.Time) error { return nil }
