//go:build linux || darwin

package path

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMost is how much the system holds of a stream that has not gone yet.
const unsentMost = 16 << 10

// keepShort keeps what waits for a slow server in our queue, where sound overtakes
// pictures: of a stream the system would take megabytes. Without it things only wait
// longer.
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
