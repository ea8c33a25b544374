// Package batchudp reads and sends many UDP datagrams with one system call where
// the system can: recvmmsg(2) and sendmmsg(2) on Linux. On other systems it makes
// one call for each datagram. It allocates nothing per datagram.
package batchudp

import (
	"net"
	"net/netip"
	"syscall"
)

// Conn is a UDP socket.
type Conn struct {
	UDP   *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort
}

// New returns the socket of c. The caller still owns c and closes it.
func New(c *net.UDPConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Conn{UDP: c, raw: raw, local: unmap(c.LocalAddr().(*net.UDPAddr).AddrPort())}, nil
}

// Local is the address to which the socket is bound.
func (c *Conn) Local() netip.AddrPort { return c.local }

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Batch is what holds the memory of one read.
type Batch interface{ Incoming() *In }

// Reader reads a socket. It is for one goroutine.
type Reader[B Batch] struct {
	conn *Conn
	get  func() B
	put  func(B)
	reading[B]
}

// NewReader returns a reader. It calls get for a batch when there is something to
// read, and returns the batch with put if the read found nothing. A socket that
// waits therefore holds no batch.
func NewReader[B Batch](c *Conn, get func() B, put func(B)) *Reader[B] {
	r := &Reader[B]{conn: c, get: get, put: put}
	r.prepare()
	return r
}

// Add appends a datagram, which must not change until it is sent. If there is no
// room, Add first flushes what is there.
func (o *Out) Add(c *Conn, b []byte, to netip.AddrPort) { o.AddMarked(c, b, to, nil) }
