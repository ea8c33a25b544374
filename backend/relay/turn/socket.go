package turn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/kit/contain"
)

const (
	batchSize = 32 // datagrams that are read or sent with one system call

	// Wanted buffers; the system may give less.
	frontBuffer = 4 << 20
	relayBuffer = 512 << 10
)

// socket is a UDP socket that reads and sends many datagrams at once where the
// system can.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort
}

// openSocket binds an address. shared sockets may be bound several times: the
// system deals the senders out to them.
func openSocket(network, address string, buffer int, shared bool) (*socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return prepare(raw, shared) }}
	conn, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("turn: %w", err)
	}
	udp := conn.(*net.UDPConn)
	raw, err := udp.SyscallConn()
	if err != nil {
		udp.Close()
		return nil, fmt.Errorf("turn: %w", err)
	}
	// Less than wanted still works.
	_ = udp.SetReadBuffer(buffer)
	_ = udp.SetWriteBuffer(buffer)
	return &socket{conn: udp, raw: raw, local: unmap(udp.LocalAddr().(*net.UDPAddr).AddrPort())}, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// batch is memory for datagrams that have been read, and for what is sent on
// because of them. Batches are used by whoever has something to do at the
// moment: a socket that is waiting has none.
type batch struct {
	n       int // datagrams that were read
	in      incoming
	out     outgoing
	buffers [batchSize][channelHeader + maxDatagram]byte // each with room for a header
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	b.prepare()
	return b
}}

func (b *batch) release() {
	b.out.reset()
	batches.Put(b)
}

// each hands batches to take, until the socket is closed or the reader is done.
// A panic of take loses the rest of its batch.
func (r *reader) each(panics *contain.Panics, done func() bool, take func(*batch)) {
	for !done() {
		b, err := r.read()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // the system is out of something
			continue
		}
		panics.Run(func() {
			defer b.release()
			take(b)
		})
	}
}
