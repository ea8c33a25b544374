package call

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketIO sends and receives many datagrams with one system call: sendmmsg(2)
// and recvmmsg(2).
type socketIO struct {
	raw syscall.RawConn

	// Guarded by the socket's sendMu. write is made once, since a closure for
	// each system call would be garbage.
	out   messages
	left  []message
	sent  int
	errno syscall.Errno
	write func(fd uintptr) bool
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

// messages are the arguments of the system calls, made once and used again.
type messages struct {
	headers  []message
	vectors  []unix.Iovec
	names    []unix.RawSockaddrInet6 // the larger of the two
	family   uint16
	nameSize uint32
}

func newMessages(n int, a netip.Addr) messages {
	m := messages{
		headers: make([]message, n), vectors: make([]unix.Iovec, n), names: make([]unix.RawSockaddrInet6, n),
		family: unix.AF_INET6, nameSize: unix.SizeofSockaddrInet6,
	}
	if a.Is4() {
		m.family, m.nameSize = unix.AF_INET, unix.SizeofSockaddrInet4
	}
	for i := range m.headers {
		h := &m.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		h.Namelen = m.nameSize
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
	}
	return m
}

// setName writes an address in the form of sockaddr_in or sockaddr_in6, whose
// port is big-endian at the same place.
func (m *messages) setName(i int, a netip.AddrPort) {
	port := a.Port()<<8 | a.Port()>>8
	if m.family == unix.AF_INET {
		n := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.names[i]))
		n.Family, n.Port, n.Addr = unix.AF_INET, port, a.Addr().As4()
		return
	}
	m.names[i] = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: a.Addr().As16()}
}

func (m *messages) name(i int) netip.AddrPort {
	if m.family == unix.AF_INET {
		n := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.names[i]))
		return netip.AddrPortFrom(netip.AddrFrom4(n.Addr), n.Port<<8|n.Port>>8)
	}
	n := &m.names[i]
	return netip.AddrPortFrom(netip.AddrFrom16(n.Addr), n.Port<<8|n.Port>>8)
}

func (s *udpSocket) prepare() (err error) {
	s.io.raw, err = s.conn.SyscallConn()
	s.io.out = newMessages(maxBatch, s.local.Addr())
	s.io.write = s.io.sendmmsg
	return err
}

// sendmmsg sends what is left. It returns false to wait until the socket takes
// more. Neither call can block, so the scheduler need not know of them: to tell
// it would wake its monitor with every burst, which shows in what a packet costs.
func (o *socketIO) sendmmsg(fd uintptr) bool {
	for o.errno = unix.EINTR; o.errno == unix.EINTR; {
		var n uintptr
		n, _, o.errno = unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.left[0])),
			uintptr(len(o.left)), unix.MSG_DONTWAIT, 0, 0)
		o.sent = int(n)
	}
	return o.errno != unix.EAGAIN
}

// writeBatch sends at most maxBatch datagrams. One that the system refuses is
// lost, as on the network.
func (s *udpSocket) writeBatch(batch []datagram) {
	m := &s.io.out
	for i, d := range batch {
		m.vectors[i].Base = unsafe.SliceData(*d.buffer)
		m.vectors[i].SetLen(len(*d.buffer))
		m.setName(i, d.to)
	}
	for s.io.left = m.headers[:len(batch)]; len(s.io.left) > 0; {
		if s.io.raw.Write(s.io.write) != nil {
			break // the socket is closed
		}
		if s.io.errno != 0 {
			s.io.sent = 1 // the first was refused
		}
		s.io.left = s.io.left[s.io.sent:]
	}
	for i := range batch { // don't keep buffers of the pool alive
		m.vectors[i].Base = nil
	}
}

// batchReader reads many datagrams at once.
type batchReader struct {
	socket  *udpSocket
	in      messages
	buffers [][]byte
	n       int
	errno   syscall.Errno
	fill    func(fd uintptr) bool
}

const readBatch = 32

func newBatchReader(s *udpSocket) *batchReader {
	r := &batchReader{socket: s, in: newMessages(readBatch, s.local.Addr()), buffers: make([][]byte, readBatch)}
	r.fill = r.recvmmsg
	for i := range r.buffers {
		r.buffers[i] = make([]byte, maxDatagram)
		r.in.vectors[i].Base = unsafe.SliceData(r.buffers[i])
	}
	return r
}

// read waits for datagrams and returns how many there are.
func (r *batchReader) read() (n int, err error) {
	for i := range r.buffers {
		r.in.vectors[i].SetLen(maxDatagram)
		r.in.headers[i].header.Namelen = r.in.nameSize
	}
	if err := r.socket.io.raw.Read(r.fill); err != nil {
		return 0, err
	}
	if r.errno != 0 {
		return 0, r.errno
	}
	return r.n, nil
}

// recvmmsg returns false to wait until there is something.
func (r *batchReader) recvmmsg(fd uintptr) bool {
	for r.errno = unix.EINTR; r.errno == unix.EINTR; {
		var n uintptr
		n, _, r.errno = unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.in.headers[0])),
			readBatch, unix.MSG_DONTWAIT, 0, 0)
		r.n = int(n)
	}
	return r.errno != unix.EAGAIN
}

// datagram returns the i-th datagram read. It is valid until the next read.
func (r *batchReader) datagram(i int) ([]byte, netip.AddrPort) {
	return r.buffers[i][:r.in.headers[i].length], r.in.name(i)
}
