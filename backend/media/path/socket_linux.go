package path

import (
	"net/netip"
	"slices"
	"syscall"
	"time"
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
	write func(fd uintptr)

	urgent *mark // nil where the system takes none
}

// mark is the control message that marks what is sent for whoever ranks it, Wi-Fi
// first: sound, and checks like it (RFC 8445 section 7.2.2), with EF. The socket itself
// marks the rest, pictures, with AF41 (RFC 8837 section 5): a control message costs the
// system time, and most datagrams are pictures.
type mark struct {
	header unix.Cmsghdr
	value  int64 // of which the system reads an int
}

const (
	markEF   = 46 << 2
	markAF41 = 34 << 2
)

// newMark marks the socket, and returns what marks single datagrams of it; nil where the
// system lets us do neither.
func newMark(fd uintptr, a netip.Addr) *mark {
	m := &mark{value: markEF}
	m.header.Level, m.header.Type = unix.IPPROTO_IP, unix.IP_TOS
	if a.Is6() {
		m.header.Level, m.header.Type = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	m.header.SetLen(unix.CmsgLen(4))
	level, option := int(m.header.Level), int(m.header.Type)
	if unix.SetsockoptInt(int(fd), level, option, markEF) != nil ||
		unix.SetsockoptInt(int(fd), level, option, markAF41) != nil {
		return nil
	}
	return m
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

// setMark makes the i-th message be marked with m, or as its socket is.
func (m *messages) setMark(i int, with *mark) {
	h := &m.headers[i].header
	if with == nil {
		h.Control = nil
		h.SetControllen(0)
		return
	}
	h.Control = (*byte)(unsafe.Pointer(with))
	h.SetControllen(unix.CmsgSpace(4))
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
	if err != nil {
		return err
	}
	return s.io.raw.Control(func(fd uintptr) {
		s.io.urgent = newMark(fd, s.local.Addr())
	})
}

// sendmmsg sends what is left, as far as the socket takes it. Neither call can block, so the scheduler need not know of them: to tell
// it would wake its monitor with every burst, which shows in what a packet costs.
func (o *socketIO) sendmmsg(fd uintptr) {
	for o.errno = unix.EINTR; o.errno == unix.EINTR; {
		var n uintptr
		n, _, o.errno = unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&o.left[0])),
			uintptr(len(o.left)), unix.MSG_DONTWAIT, 0, 0)
		o.sent = int(n)
	}
}

// writeBatch sends at most maxBatch datagrams, and returns how many are done with. One
// that the system refuses is lost, as on the network. The caller holds sendMu.
func (s *udpSocket) writeBatch(batch []datagram) (done int) {
	m := &s.io.out
	for i, d := range batch {
		m.vectors[i].Base = unsafe.SliceData(*d.buffer)
		m.vectors[i].SetLen(len(*d.buffer))
		m.setName(i, d.to)
		if d.picture != nil {
			m.setMark(i, nil)
		} else {
			m.setMark(i, s.io.urgent)
		}
	}
	for done < len(batch) {
		s.io.left = m.headers[done:len(batch)]
		if s.io.raw.Control(s.io.write) != nil {
			done = len(batch) // the socket is closed
			break
		}
		if s.io.errno == unix.EAGAIN {
			break
		}
		if s.io.errno != 0 {
			s.io.sent = 1 // the first was refused
		}
		done += s.io.sent
	}
	for i := range batch { // don't keep buffers of the pool alive
		m.vectors[i].Base = nil
	}
	return done
}

// sendQueued sends what is queued as far as the line takes it, and reports whether there
// is more.
func (s *udpSocket) sendQueued() bool {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	for {
		s.out = s.queue.next(slices.Grow(s.out[:0], maxBatch)[:0:maxBatch], time.Now())
		done := s.writeBatch(s.out)
		freeAll(s.out[:done])
		s.queue.sent(done)
		if done < len(s.out) || done == 0 {
			return !s.queue.empty()
		}
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
