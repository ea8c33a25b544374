//go:build !porch_udp_other

package path

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is what SO_MEMINFO tells of a socket (linux/sock_diag.h), as far as we look.
type memory struct {
	received, receiveBuffer uint32
	_                       [6]uint32
	dropped                 uint32
}

// entrance returns how many datagrams the system has dropped in front of the socket, and how full its buffer is. ok is
// false if the system does not tell.
func (s *udpSocket) entrance() (dropped uint32, fill float64, ok bool) {
	var m memory
	size := uint32(unsafe.Sizeof(m))
	errno := unix.EINVAL
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil || errno != 0 || m.receiveBuffer == 0 {
		return 0, 0, false
	}
	return m.dropped, float64(m.received) / float64(m.receiveBuffer), true
}
