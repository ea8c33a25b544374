//go:build !linux

package call

import "net/netip"

// socketIO: without system calls for many datagrams they go one by one.
type socketIO struct{}

func (s *udpSocket) prepare() error { return nil }

// writeBatch sends datagrams. One that the system refuses is lost, as on the
// network.
func (s *udpSocket) writeBatch(batch []datagram) {
	for _, d := range batch {
		_, _ = s.conn.WriteToUDPAddrPort(*d.buffer, d.to)
	}
}

// batchReader reads one datagram at a time.
type batchReader struct {
	socket *udpSocket
	buffer []byte
	length int
	from   netip.AddrPort
}

func newBatchReader(s *udpSocket) *batchReader {
	return &batchReader{socket: s, buffer: make([]byte, maxDatagram)}
}

// read waits for a datagram and returns 1.
func (r *batchReader) read() (n int, err error) {
	r.length, r.from, err = r.socket.conn.ReadFromUDPAddrPort(r.buffer)
	if err != nil {
		return 0, err
	}
	r.from = netip.AddrPortFrom(r.from.Addr().Unmap(), r.from.Port())
	return 1, nil
}

// datagram returns the datagram read. It is valid until the next read.
func (r *batchReader) datagram(int) ([]byte, netip.AddrPort) { return r.buffer[:r.length], r.from }
