//go:build !linux

package turn

import (
	"net/netip"
	"syscall"
)

const canShare = false

func prepare(syscall.RawConn, bool) error { return nil }

// incoming: without system calls for many datagrams they come one by one.
type incoming struct {
	length int
	from   netip.AddrPort
}

func (b *batch) prepare() {}

// datagram returns the datagram that was read, with room for a header before
// it. ok is false for one that may not have fitted.
func (b *batch) datagram(int) (frame []byte, from netip.AddrPort, ok bool) {
	return b.buffers[0][:channelHeader+b.in.length], b.in.from, b.in.length < maxDatagram
}

// reader reads a socket.
type reader struct{ socket *socket }

func newReader(s *socket) *reader { return &reader{s} }

// read waits for a datagram. The caller releases the batch.
func (r *reader) read() (*batch, error) {
	b := batches.Get().(*batch)
	n, from, err := r.socket.conn.ReadFromUDPAddrPort(b.buffers[0][channelHeader:])
	if err != nil {
		b.release()
		return nil, err
	}
	b.n, b.in = 1, incoming{n, unmap(from)}
	return b, nil
}

// outgoing collects datagrams for one socket.
type outgoing struct {
	data [batchSize][]byte
	to   [batchSize]netip.AddrPort
	n    int
}

// add appends a datagram, which must stay as it is until it is sent. It first
// sends what is there if no more than that fits.
func (o *outgoing) add(s *socket, b []byte, to netip.AddrPort) {
	if o.n == batchSize {
		o.flush(s)
	}
	o.data[o.n], o.to[o.n] = b, to
	o.n++
}

// flush sends what was added. What the system does not take is lost, as on the
// network.
func (o *outgoing) flush(s *socket) {
	for i := range o.n {
		_, _ = s.conn.WriteToUDPAddrPort(o.data[i], o.to[i])
	}
	o.reset()
}

// reset lets go of what was added.
func (o *outgoing) reset() {
	clear(o.data[:o.n])
	o.n = 0
}
