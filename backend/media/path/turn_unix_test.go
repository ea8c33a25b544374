//go:build linux || darwin

package path

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLittleWaitsInTheSystemForASlowServer writes to a server that does not read.
func TestLittleWaitsInTheSystemForASlowServer(t *testing.T) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if failed := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10)
		}); failed != nil {
			return failed
		}
		return err
	}}
	l, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	conn, err := net.Dial("tcp4", l.Addr().String())
	must(t, err)
	defer conn.Close()
	keepShort(conn)
	must(t, conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	taken := 0
	for {
		n, err := conn.Write(make([]byte, 1100))
		taken += n
		if err != nil {
			break
		}
	}
	if most := 64 << 10; taken > most {
		t.Errorf("the system took %d bytes, more than %d", taken, most)
	}
}
