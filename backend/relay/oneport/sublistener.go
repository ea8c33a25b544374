package oneport

import (
	"net"
	"sync"
)

// subListener is the net.Listener of one protocol.
type subListener struct {
	port   *Port
	ready  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *subListener) hand(c *Conn) {
	select {
	case l.ready <- c:
	case <-l.closed:
		c.Close()
	case <-l.port.closing:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *subListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-l.port.closing:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *subListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *subListener) Addr() net.Addr { return l.port.listener.Addr() }
