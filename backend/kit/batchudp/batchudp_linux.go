//go:build !porch_udp_other

package batchudp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// messages are the arguments of the system calls. They are made once and used
// again.
type messages struct {
	headers []message
	vectors []unix.Iovec
	names   []unix.RawSockaddrInet6 // room for the larger of the two address families
}

func newMessages(n int) messages {
	m := messages{
		headers: make([]message, n), vectors: make([]unix.Iovec, n), names: make([]unix.RawSockaddrInet6, n),
	}
	for i := range m.headers {
		h := &m.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
	}
	return m
}

// In is memory for the datagrams of one read.
type In struct {
	messages
	used int // in the last read: so many names have a length that the kernel wrote
}

// NewIn returns memory for as many datagrams as there are buffers.
func NewIn(buffers [][]byte) *In {
	in := &In{messages: newMessages(len(buffers)), used: len(buffers)}
	for i, b := range buffers {
		in.vectors[i].Base = unsafe.SliceData(b)
		in.vectors[i].SetLen(len(b))
	}
	return in
}

// Datagram returns the length of the i-th datagram that was read, which is in the
// i-th buffer, and its sender. whole is false if it did not fit.
func (in *In) Datagram(i int) (size int, from netip.AddrPort, whole bool) {
	h, n := &in.headers[i], &in.names[i]
	port := n.Port<<8 | n.Port>>8 // big-endian, at the same place in sockaddr_in
	var a netip.Addr
	if n.Family == unix.AF_INET {
		a = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr)
	} else {
		a = netip.AddrFrom16(n.Addr).Unmap()
	}
	return int(h.length), netip.AddrPortFrom(a, port), h.header.Flags&unix.MSG_TRUNC == 0
}

// reading is the state of a read.
type reading[B Batch] struct {
	batch B
	held  bool
	n     int
	errno syscall.Errno
	fill  func(fd uintptr) bool // made once, because a closure for each system call would be garbage
}

func (r *Reader[B]) prepare() { r.fill = r.recvmmsg }

// Read waits for datagrams and returns their number. The caller owns the batch
// then.
func (r *Reader[B]) Read() (b B, n int, err error) {
	err = r.conn.raw.Read(r.fill)
	if err == nil && r.errno != 0 {
		err = r.errno
	}
	b, n = r.batch, r.n
	held := r.held
	var none B
	r.batch, r.held, r.n = none, false, 0
	if err != nil {
		if held {
			r.put(b)
		}
		return none, 0, err
	}
	return b, n, nil
}

// recvmmsg returns false to wait until there is something to read. The call can't
// block, so it bypasses the scheduler: telling it would wake its monitor with
// every burst, which shows in the cost of a packet.
func (r *Reader[B]) recvmmsg(fd uintptr) bool {
	b := r.get()
	in := b.Incoming()
	for i := range in.used {
		in.headers[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	in.used = 0
	var n uintptr
	for r.errno = unix.EINTR; r.errno == unix.EINTR; {
		n, _, r.errno = unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&in.headers[0])),
			uintptr(len(in.headers)), unix.MSG_DONTWAIT, 0, 0)
	}
	if r.errno == unix.EAGAIN {
		r.put(b)
		return false
	}
	if r.errno == 0 {
		in.used = int(n)
	} else {
		n = 0
	}
	r.batch, r.held, r.n = b, true, int(n)
	return true
}

// Mark is a control message that marks single datagrams for whoever ranks them on
// their way, Wi-Fi first.
type Mark struct {
	header unix.Cmsghdr
	value  int64 // of which the system reads an int
}

// NewMark lets the socket mark what it sends with the traffic class usual (the byte
// of IPv4 and IPv6, RFC 2474), and returns what marks single datagrams with special.
// It returns nil where the system allows neither.
func NewMark(c *Conn, usual, special int) *Mark {
	m := &Mark{value: int64(special)}
	m.header.Level, m.header.Type = unix.IPPROTO_IP, unix.IP_TOS
	if c.local.Addr().Is6() {
		m.header.Level, m.header.Type = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	m.header.SetLen(unix.CmsgLen(4))
	level, option := int(m.header.Level), int(m.header.Type)
	allowed := false
	err := c.raw.Control(func(fd uintptr) {
		allowed = unix.SetsockoptInt(int(fd), level, option, special) == nil &&
			unix.SetsockoptInt(int(fd), level, option, usual) == nil
	})
	if err != nil || !allowed {
		return nil
	}
	return m
}

// Out collects datagrams for one socket. It is for one goroutine at a time.
type Out struct {
	messages
	n, sent int
	try     func(fd uintptr)
	insist  func(fd uintptr) bool
}

// NewOut returns room for n datagrams.
func NewOut(n int) *Out {
	o := &Out{messages: newMessages(n)}
	o.try = func(fd uintptr) { o.sendmmsg(fd) }
	o.insist = o.sendmmsg
	return o
}

// Len returns the number of datagrams that are to be sent.
func (o *Out) Len() int { return o.n }

// AddMarked is Add for a datagram with a mark, or with none if mark is nil.
func (o *Out) AddMarked(c *Conn, b []byte, to netip.AddrPort, mark *Mark) {
	if o.n == len(o.headers) {
		o.Flush(c)
	}
	i := o.n
	h := &o.headers[i].header
	h.Control = (*byte)(unsafe.Pointer(mark))
	h.SetControllen(0)
	if mark != nil {
		h.SetControllen(unix.CmsgSpace(4))
	}
	o.n++
	o.vectors[i].Base = unsafe.SliceData(b)
	o.vectors[i].SetLen(len(b))
	port := to.Port()<<8 | to.Port()>>8
	if c.local.Addr().Is4() {
		n := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.names[i]))
		n.Family, n.Port, n.Addr = unix.AF_INET, port, to.Addr().As4()
		h.Namelen = unix.SizeofSockaddrInet4
		return
	}
	o.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	h.Namelen = unix.SizeofSockaddrInet6
}

// Try sends what was added, as far as the system takes it at once, and returns how
// many datagrams are done with: sent, or refused by the system and so lost, as on the
// network. The caller still has the rest; none is kept here.
func (o *Out) Try(c *Conn) (done int) {
	if c.raw.Control(o.try) != nil {
		o.sent = o.n // the socket is closed, which takes everything and sends nothing
	}
	done = o.sent
	o.Reset()
	return done
}

// Flush sends what was added, as far as the system takes it at once. The rest is
// lost, as on the network.
func (o *Out) Flush(c *Conn) { o.Try(c) }

// FlushAll sends what was added, and waits until the system takes it. A datagram
// that the system refuses is lost, as on the network.
func (o *Out) FlushAll(c *Conn) {
	_ = c.raw.Write(o.insist) // as above
	o.Reset()
}

// Reset drops what was added.
func (o *Out) Reset() {
	for i := range o.n {
		o.vectors[i].Base = nil
	}
	o.n, o.sent = 0, 0
}

// sendmmsg sends what is left. It returns false if the socket takes no more for
// now. Like recvmmsg, it can't block.
func (o *Out) sendmmsg(fd uintptr) (done bool) {
	for o.sent < o.n {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.headers[o.sent])),
			uintptr(o.n-o.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			o.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false // the system's buffer is full
		default:
			o.sent++ // the first datagram was refused
		}
	}
	return true
}
