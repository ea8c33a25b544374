//go:build !linux && !darwin

package path

import "net"

// keepShort limits the system's buffer of datagrams, so that what waits for a slow
// server waits in our queue. For streams it can't do that on this system.
func keepShort(base net.Conn) {
	if c, ok := base.(*net.UDPConn); ok {
		_ = c.SetWriteBuffer(writeBuffer)
	}
}
