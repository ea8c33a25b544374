//go:build !linux

package path

import (
	"net/netip"
	"time"
)

// socketIO: without system calls for many datagrams they go one by one.
type socketIO struct{}

func (s *udpSocket) prepare() error { return nil }

// writeBatch sends nothing: here to write may block, which only drain may.
func (s *udpSocket) writeBatch([]datagram) (done int) { return 0 }

// sendQueued sends what is queued, and returns when there is no more. What the system
// refuses is lost, as on the network.
func (s *udpSocket) sendQueued() (more bool) {
	for {
		s.sendMu.Lock()
		d, ok := s.queue.take(time.Now())
		s.sendMu.Unlock()
		if !ok {
			return false
		}
		_, _ = s.conn.WriteToUDPAddrPort(*d.buffer, d.to)
		d.free()
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
