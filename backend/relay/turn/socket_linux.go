package turn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canShare means that each of several sockets on one port gets a part of the
// senders (SO_REUSEPORT), and a processor core of its own.
const canShare = true

func prepare(raw syscall.RawConn, shared bool) error {
	var err error
	failed := raw.Control(func(fd uintptr) {
		// Go allows broadcasts, which this relay never sends.
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err == nil && shared {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}
