package turn

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canShare: several sockets on one port each get a part of the senders
// (SO_REUSEPORT), and a processor core each.
const canShare = true

func prepare(raw syscall.RawConn, shared bool) error {
	var err error
	failed := raw.Control(func(fd uintptr) {
		// Go allows broadcasts: to nobody that a relay serves.
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err == nil && shared {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// messages are the arguments of recvmmsg(2) and sendmmsg(2).
type messages struct {
	headers [batchSize]message
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6 // the larger of the two
}

func (m *messages) prepare() {
	for i := range m.headers {
		h := &m.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
	}
}

// incoming is what was read.
type incoming struct{ messages }

func (b *batch) prepare() {
	b.in.prepare()
	b.out.prepare()
	for i := range b.buffers {
		b.in.vectors[i].Base = &b.buffers[i][channelHeader]
	}
}

// datagram returns the i-th datagram that was read, with room for a header
// before it. ok is false for one that did not fit.
func (b *batch) datagram(i int) (frame []byte, from netip.AddrPort, ok bool) {
	h := &b.in.headers[i]
	n := &b.in.names[i]
	port := n.Port<<8 | n.Port>>8
	var a netip.Addr
	if n.Family == unix.AF_INET {
		a = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr)
	} else {
		a = netip.AddrFrom16(n.Addr).Unmap()
	}
	return b.buffers[i][:channelHeader+h.length], netip.AddrPortFrom(a, port), h.header.Flags&unix.MSG_TRUNC == 0
}

// reader reads a socket.
type reader struct {
	socket *socket
	batch  *batch
	errno  syscall.Errno
	fill   func(fd uintptr) bool // made once, since a closure for each system call would be garbage
}

func newReader(s *socket) *reader {
	r := &reader{socket: s}
	r.fill = r.recvmmsg
	return r
}

// read waits for datagrams. The caller releases the batch.
func (r *reader) read() (*batch, error) {
	err := r.socket.raw.Read(r.fill)
	b := r.batch
	r.batch = nil
	if err == nil && r.errno != 0 {
		err = r.errno
	}
	if err != nil && b != nil {
		b.release()
		b = nil
	}
	return b, err
}

// recvmmsg returns false to wait until there is something. The call can't
// block, so the scheduler need not know of it: to tell it would wake its
// monitor with every burst.
func (r *reader) recvmmsg(fd uintptr) bool {
	b := batches.Get().(*batch)
	for i := range b.in.headers {
		b.in.vectors[i].SetLen(maxDatagram)
		b.in.headers[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	var n uintptr
	for r.errno = unix.EINTR; r.errno == unix.EINTR; {
		n, _, r.errno = unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in.headers[0])),
			batchSize, unix.MSG_DONTWAIT, 0, 0)
	}
	if r.errno == unix.EAGAIN {
		b.release()
		return false
	}
	b.n = int(n)
	r.batch = b
	return true
}

// outgoing collects datagrams for one socket.
type outgoing struct {
	messages
	n     int
	sent  int
	write func(fd uintptr)
}

func (o *outgoing) prepare() {
	o.messages.prepare()
	o.write = o.sendmmsg
}

// add appends a datagram, which must stay as it is until it is sent. It first
// sends what is there if no more than that fits.
func (o *outgoing) add(s *socket, b []byte, to netip.AddrPort) {
	if o.n == batchSize {
		o.flush(s)
	}
	i := o.n
	o.n++
	o.vectors[i].Base = unsafe.SliceData(b)
	o.vectors[i].SetLen(len(b))
	port := to.Port()<<8 | to.Port()>>8
	if s.local.Addr().Is4() {
		n := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.names[i]))
		n.Family, n.Port, n.Addr = unix.AF_INET, port, to.Addr().As4()
		o.headers[i].header.Namelen = unix.SizeofSockaddrInet4
		return
	}
	o.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	o.headers[i].header.Namelen = unix.SizeofSockaddrInet6
}

// flush sends what was added. What the system does not take is lost, as on the
// network.
func (o *outgoing) flush(s *socket) {
	o.sent = 0
	_ = s.raw.Control(o.write) // fails for a closed socket, which sends nothing
	o.reset()
}

// reset lets go of what was added.
func (o *outgoing) reset() {
	for i := range o.n {
		o.vectors[i].Base = nil
	}
	o.n = 0
}

// sendmmsg, like recvmmsg, can't block.
func (o *outgoing) sendmmsg(fd uintptr) {
	for o.sent < o.n {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.headers[o.sent])),
			uintptr(o.n-o.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			o.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return // the system's buffer is full
		default:
			o.sent++ // the first was refused
		}
	}
}
