//go:build !linux || porch_udp_other

package batchudp

import "net/netip"

// In is memory for the datagram of one read.
type In struct {
	buffer []byte
	size   int
	from   netip.AddrPort
}

// NewIn returns memory for one datagram, in the first buffer.
func NewIn(buffers [][]byte) *In { return &In{buffer: buffers[0]} }

// Datagram returns the length of the datagram that was read, which is in the
// first buffer, and its sender. whole is false if it may not have fitted.
func (in *In) Datagram(int) (size int, from netip.AddrPort, whole bool) {
	return in.size, in.from, in.size < len(in.buffer)
}

type reading[B Batch] struct{}

func (r *Reader[B]) prepare() {}

// Read waits for a datagram and returns 1. The caller owns the batch then.
func (r *Reader[B]) Read() (b B, n int, err error) {
	b = r.get()
	in := b.Incoming()
	size, from, err := r.conn.UDP.ReadFromUDPAddrPort(in.buffer)
	if err != nil && tooLong(err) {
		size, err = len(in.buffer), nil // a stranger may send what does not fit; that is no fault of the socket
	}
	if err != nil {
		r.put(b)
		var none B
		return none, 0, err
	}
	in.size, in.from = size, unmap(from)
	return b, 1, nil
}

// Mark would mark single datagrams, which happens on Linux only.
type Mark struct{}

// NewMark returns nil, because datagrams are not marked here.
func NewMark(*Conn, int, int) *Mark { return nil }

// Out collects datagrams for one socket. It is for one goroutine at a time.
type Out struct {
	data [][]byte
	to   []netip.AddrPort
}

// NewOut returns room for n datagrams.
func NewOut(n int) *Out {
	return &Out{data: make([][]byte, 0, n), to: make([]netip.AddrPort, 0, n)}
}

// Len returns the number of datagrams that are to be sent.
func (o *Out) Len() int { return len(o.data) }

// AddMarked is Add, because datagrams are not marked here.
func (o *Out) AddMarked(c *Conn, b []byte, to netip.AddrPort, _ *Mark) {
	if len(o.data) == cap(o.data) {
		o.Flush(c)
	}
	o.data, o.to = append(o.data, b), append(o.to, to)
}

// Try sends nothing and returns 0, because the system may wait here. The caller has
// what was added; none is kept here.
func (o *Out) Try(*Conn) (done int) {
	o.Reset()
	return 0
}

// Flush sends what was added. What the system does not take is lost, as on the
// network.
func (o *Out) Flush(c *Conn) {
	for i, b := range o.data {
		_, _ = c.UDP.WriteToUDPAddrPort(b, o.to[i])
	}
	o.Reset()
}

// FlushAll is Flush, because the system itself waits here.
func (o *Out) FlushAll(c *Conn) { o.Flush(c) }

// Reset drops what was added.
func (o *Out) Reset() {
	clear(o.data)
	o.data, o.to = o.data[:0], o.to[:0]
}
