package relay

import (
	"container/list"
	"sync"
	"time"
)

// silent are the sockets that have not said yet what they want. At most half of all
// places are theirs: the one that was silent for longest then makes room, so that
// sockets that never speak keep nobody out.
type silent struct {
	most int // never changes

	mu    sync.Mutex // guards queue; Wire.mu is taken under it
	queue list.List  // of *socket, the oldest first
}

// add counts a socket until done is called.
func (s *silent) add(k *socket) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.Len() >= s.most {
		oldest := s.queue.Remove(s.queue.Front()).(*socket)
		oldest.Deadline(time.Now()) // its question ends as too slow
	}
	place := s.queue.PushBack(k)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queue.Remove(place) // does nothing if it has made room
	}
}
