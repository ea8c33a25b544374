package turn

import (
	"syscall"

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
