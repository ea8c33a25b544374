//go:build linux || darwin

package path

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how many unsent bytes of a stream the system may hold.
const unsentMost = 16 << 10

// keepShort limits the system's buffer, so that what waits for a slow server waits
// in our queue, where sound overtakes pictures. Of a stream the system would buffer
// megabytes. If it fails, packets only wait longer.
func keepShort(base net.Conn) {
	switch c := base.(type) {
	case *net.UDPConn:
		_ = c.SetWriteBuffer(writeBuffer)
	case *net.TCPConn:
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
			})
		}
	}
}
