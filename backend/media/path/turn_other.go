//go:build !linux && !darwin

package path

import "net"

// keepShort does for datagrams what it can't for streams here: what waits for a slow
// server waits in our queue.
func keepShort(base net.Conn) {
	if c, ok := base.(*net.UDPConn); ok {
		_ = c.SetWriteBuffer(writeBuffer)
	}
}
