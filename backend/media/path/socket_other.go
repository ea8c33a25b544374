//go:build !linux || porch_udp_other

package path

import "time"

// sendQueued sends what is queued, and returns when there is no more. What the system
// refuses is lost, as on the network. writeBatch sends nothing on these systems, because
// to write may wait here, which only drain may.
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
