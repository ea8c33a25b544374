//go:build !porch_udp_other

package path

import (
	"slices"
	"time"
)

// sendQueued sends what is queued as far as the line takes it, and reports whether there
// is more.
func (s *udpSocket) sendQueued() bool {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	for {
		s.out = s.queue.next(slices.Grow(s.out[:0], maxBatch)[:0:maxBatch], time.Now())
		done := s.writeBatch(s.out)
		freeAll(s.out[:done])
		s.queue.sent(done)
		if done < len(s.out) || done == 0 {
			return !s.queue.empty()
		}
	}
}
