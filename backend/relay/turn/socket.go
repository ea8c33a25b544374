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

	"github.com/porch-call/porch/backend/kit/batchudp"
	"github.com/porch-call/porch/backend/kit/contain"
)

const (
	batchSize = 32 // datagrams that one system call reads or sends

	// Wanted buffers, in bytes; the system may give less.
	frontBuffer = 4 << 20
	relayBuffer = 512 << 10
)

// socket is a UDP socket that reads and sends many datagrams at once where the
// system can.
type socket struct {
	conn  *net.UDPConn
	many  *batchudp.Conn // conn, for many datagrams at once
	local netip.AddrPort
}

// openSocket binds an address. A shared socket may be bound several times: the
// system then divides the senders among them.
func openSocket(network, address string, buffer int, shared bool) (*socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return prepare(raw, shared) }}
	conn, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("turn: %w", err)
	}
	udp := conn.(*net.UDPConn)
	many, err := batchudp.New(udp)
	if err != nil {
		udp.Close()
		return nil, fmt.Errorf("turn: %w", err)
	}
	// A smaller buffer works, too.
	_ = udp.SetReadBuffer(buffer)
	_ = udp.SetWriteBuffer(buffer)
	return &socket{conn: udp, many: many, local: many.Local()}, nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// batch is memory for datagrams that were read, and for what is sent on because
// of them. Only goroutines with something to do hold a batch; a socket that waits
// holds none.
type batch struct {
	n       int // datagrams that were read
	in      *batchudp.In
	out     *batchudp.Out
	buffers [batchSize][channelHeader + maxDatagram]byte // each with room for a header
}

var batches = sync.Pool{New: func() any {
	b := &batch{out: batchudp.NewOut(batchSize)}
	var room [batchSize][]byte
	for i := range room {
		room[i] = b.buffers[i][channelHeader:]
	}
	b.in = batchudp.NewIn(room[:])
	return b
}}

// Incoming implements batchudp.Batch.
func (b *batch) Incoming() *batchudp.In { return b.in }

// datagram returns the i-th datagram that was read, with room for a header
// before it. ok is false for one that did not fit.
func (b *batch) datagram(i int) (frame []byte, from netip.AddrPort, ok bool) {
	size, from, ok := b.in.Datagram(i)
	return b.buffers[i][:channelHeader+size], from, ok
}

func (b *batch) release() {
	b.out.Reset()
	batches.Put(b)
}

// each passes batches that are read from a socket to take, until the socket is
// closed or done reports true. A panic of take loses the rest of its batch.
func (s *socket) each(panics *contain.Panics, done func() bool, take func(*batch)) {
	r := batchudp.NewReader(s.many, func() *batch { return batches.Get().(*batch) }, (*batch).release)
	for !done() {
		b, n, err := r.Read()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // the system lacks a resource
			continue
		}
		b.n = n
		panics.Run(func() {
			defer b.release()
			take(b)
		})
	}
}
