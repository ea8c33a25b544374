//go:build !porch_udp_other

package path

import (
	"net"
	"testing"
)

// TestEntranceOfAClosedSocket: what a closed socket has dropped is not known, which must not look as if much more had
// been dropped since the last look.
func TestEntranceOfAClosedSocket(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	must(t, conn.Close())
	m := NewMux()
	m.list.Store(&[]*udpSocket{{conn: conn, overrun: 5}})
	if dropped, fill := m.Entrance(); dropped != 0 || fill != 0 {
		t.Errorf("%d dropped, %g full", dropped, fill)
	}
}
