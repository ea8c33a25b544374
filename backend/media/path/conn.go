package path

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/icecheck"
)

// udpConn is the part of a socket that belongs to one peer connection, as
// pion's agent sees it.
type udpConn struct {
	socket *udpSocket
	ufrag  string
	// take gets media. If it reports false, pion gets the packet.
	take func([]byte) bool
	// answeredBy reports whether pion gets an answer to a check. answered is
	// called after pion got one.
	answeredBy func(from netip.AddrPort) bool
	answered   func()
	vouch      func(icecheck.Check, netip.AddrPort) bool // see PeerMux.Vouch

	addresses int // in socket.remotes; guarded by the socket's lock

	mu     sync.Mutex
	queue  []arrived
	held   []datagram // see udpSocket.knows
	filled chan struct{}
	closed chan struct{}
	shutMu sync.Once
}

const (
	maxQueue = 128 // datagrams that wait for pion
	maxHeld  = 16  // addresses to which a loopback connection may not write yet
)

type arrived struct {
	buffer *[]byte
	from   netip.AddrPort
}

// deliver passes on a datagram. Media is handled on this goroutine, and checks
// and handshakes wait for pion.
func (c *udpConn) deliver(b []byte, from netip.AddrPort) {
	if len(b) > 0 && b[0] >= 128 && b[0] < 192 && c.take(b) { // RFC 7983
		return
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = append((*buffer)[:0], b...)
	c.mu.Lock()
	full := len(c.queue) >= maxQueue
	if !full {
		c.queue = append(c.queue, arrived{buffer, from})
	}
	c.mu.Unlock()
	if full {
		buffers.Put(buffer)
		return
	}
	select {
	case c.filled <- struct{}{}:
	default:
	}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *udpConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			first := c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			c.mu.Unlock()
			n := copy(b, *first.buffer)
			buffers.Put(first.buffer)
			return n, first.from, nil
		}
		c.mu.Unlock()
		select {
		case <-c.filled:
		case <-c.closed:
			return 0, netip.AddrPort{}, io.EOF
		}
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *udpConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.isClosed() {
		return 0, io.ErrClosedPipe
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if len(b) > maxDatagram || to.Addr().Is4() != c.socket.local.Addr().Is4() {
		return 0, errors.New("datagram for another network")
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = append((*buffer)[:0], b...)
	switch {
	case c.socket.knows(c, to):
		c.socket.send(datagram{buffer: buffer, to: to})
	case c.socket.streams != nil: // nobody has proved who they are there
		buffers.Put(buffer)
	default:
		c.hold(datagram{buffer: buffer, to: to})
	}
	return len(b), nil
}

// hold keeps the newest datagram for an address to which c may not write yet.
func (c *udpConn) hold(d datagram) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.held {
		if c.held[i].to == d.to {
			buffers.Put(c.held[i].buffer)
			c.held[i] = d
			return
		}
	}
	if len(c.held) == maxHeld {
		buffers.Put(d.buffer)
		return
	}
	c.held = append(c.held, d)
}

// release sends the datagram that was held for an address.
func (c *udpConn) release(to netip.AddrPort) {
	c.mu.Lock()
	i := slices.IndexFunc(c.held, func(d datagram) bool { return d.to == to })
	var d datagram
	if i >= 0 {
		d = c.held[i]
		c.held = slices.Delete(c.held, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 {
		c.socket.send(d)
	}
}

// ReadFrom implements [net.PacketConn].
func (c *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements [net.PacketConn].
func (c *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	return c.WriteToAddrPort(b, a.AddrPort())
}

// LocalAddr implements [net.PacketConn].
func (c *udpConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.socket.local) }

// SetDeadline implements [net.PacketConn]. It does nothing. The agent sets a
// deadline only to end reading, and then closes the connection, which ends it
// as well.
func (c *udpConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.PacketConn].
func (c *udpConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.PacketConn].
func (c *udpConn) SetWriteDeadline(time.Time) error { return nil }

// Close implements [net.PacketConn]. It may be called twice.
func (c *udpConn) Close() error {
	c.shut()
	c.socket.forget(c)
	return nil
}

func (c *udpConn) shut() { c.shutMu.Do(func() { close(c.closed) }) }

func (c *udpConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
