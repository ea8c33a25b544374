//go:build !porch_udp_other

package path

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porch-call/porch/backend/media/mediatest"
)

// TestSoundIsMarkedAboveOtherThings: whoever ranks what passes, Wi-Fi first, is told what is sound.
func TestSoundIsMarkedAboveOtherThings(t *testing.T) {
	m := NewMux()
	defer func() { must(t, m.Close()) }()
	tried := make(map[bool]bool)
	for _, s := range m.addresses() {
		if !s.local.Addr().IsLoopback() {
			continue
		}
		four := s.local.Addr().Is4()
		tried[four] = true
		conn, remote := newRemote(t, s)
		raw, err := conn.SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) {
			if four {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
			} else {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
			}
		}))
		must(t, err)
		for mark, picture := range map[byte]*atomic.Uint64{classEF: nil, classAF41: new(atomic.Uint64)} {
			b := buffers.Get().(*[]byte)
			*b = append((*b)[:0], "hello"...)
			s.send(datagram{buffer: b, to: remote, picture: picture})
			if got := markOf(t, conn); got != mark {
				t.Errorf("%v: marked %#x, want %#x", s.local, got, mark)
			}
		}
	}
	if !tried[true] {
		t.Error("not tried over IPv4")
	}
}

func markOf(t *testing.T, conn *net.UDPConn) byte {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(mediatest.Patience)))
	b, control := make([]byte, 100), make([]byte, 100)
	_, n, _, _, err := conn.ReadMsgUDP(b, control)
	must(t, err)
	messages, err := unix.ParseSocketControlMessage(control[:n])
	must(t, err)
	if len(messages) != 1 {
		t.Fatalf("%d control messages", len(messages))
	}
	return messages[0].Data[0]
}
