package turn

import (
	"sync/atomic"
	"time"
)

// account is the number of bytes after which an owner's quota is asked before the
// next second.
const account = 1 << 20

// owner is the host that asked for the credentials. Relayed bytes count for it.
// It exists while it has allocations or bytes that are not accounted for.
type owner struct {
	name   string
	unpaid atomic.Int64 // bytes since the quota was last asked

	allocations map[*allocation]struct{} // guarded by the server's lock
}

// spend counts bytes. Every packet calls it.
func (o *owner) spend(s *Server, bytes int64) {
	if s.quota == nil {
		return
	}
	if sum := o.unpaid.Add(bytes); sum >= account && sum-bytes < account {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// askQuotas asks the quota about each owner that has used something.
func (s *Server) askQuotas() {
	if s.quota == nil {
		return
	}
	var busy []*owner
	s.mu.Lock()
	for _, o := range s.owners {
		if o.unpaid.Load() > 0 {
			busy = append(busy, o)
		} else {
			s.forgetOwner(o)
		}
	}
	s.mu.Unlock()
	for _, o := range busy {
		if !s.quota(o.name, o.unpaid.Swap(0)) {
			s.refuse(RefusedQuota)
			s.cut(func(a *allocation) bool { return a.owner == o })
		}
	}
}

// forgetOwner removes an owner that has neither allocations nor unpaid bytes. The
// caller holds the lock.
func (s *Server) forgetOwner(o *owner) {
	if len(o.allocations) == 0 && o.unpaid.Load() == 0 {
		delete(s.owners, o.name)
	}
}

// mayAllocate checks the limits. The caller holds the lock.
func (s *Server) mayAllocate(u username) (why Refusal, ok bool) {
	if s.allocations >= s.limits.Allocations {
		return RefusedFull, false
	}
	o := s.owners[u.owner]
	if o == nil {
		return 0, true
	}
	same := 0
	for a := range o.allocations {
		if a.username.text == u.text {
			same++
		}
	}
	return RefusedQuota, len(o.allocations) < s.limits.PerOwner && same < s.limits.PerUsername
}

// enter registers an allocation and starts it, unless by now there are too many,
// or its credentials are void.
func (s *Server) enter(a *allocation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	why, ok := s.mayAllocate(a.username)
	switch {
	case s.closed || s.relayed[a.relayed] != nil: // pion has not closed the last allocation of that port yet
		why, ok = RefusedPort, false
	case s.revoked.has(a.username):
		why, ok = RefusedRevoked, false
	}
	if !ok {
		s.refuse(why)
		return false
	}
	o := s.owners[a.username.owner]
	if o == nil {
		o = &owner{name: a.username.owner, allocations: make(map[*allocation]struct{})}
		s.owners[o.name] = o
	}
	a.owner = o
	o.allocations[a] = struct{}{}
	s.relayed[a.relayed] = a
	s.allocations++
	s.made.Add(1)
	s.wg.Go(a.read)
	return true
}

// leave gives back what an allocation used.
func (s *Server) leave(a *allocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allocations--
	delete(a.owner.allocations, a)
	s.forgetOwner(a.owner)
}

// forget frees the port of an allocation for which pion sends no more events.
func (s *Server) forget(a *allocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relayed[a.relayed] == a {
		delete(s.relayed, a.relayed)
	}
	if s.closed && len(s.relayed) == 0 {
		s.idle()
	}
}

// cut ends the allocations that which selects, at once, with their connections.
func (s *Server) cut(which func(*allocation) bool) {
	var ending []*allocation
	s.mu.RLock()
	for _, a := range s.relayed {
		if which(a) {
			ending = append(ending, a)
		}
	}
	s.mu.RUnlock()
	for _, a := range ending {
		a.end()
		if c := a.client.Load(); c != nil && c.stream != nil {
			c.stream.Close()
		}
	}
}

// tend asks the quotas and forgets what has expired, until Close.
func (s *Server) tend() {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-second.C:
			s.askQuotas()
		case <-s.kick:
			s.askQuotas()
		case now := <-minute.C:
			s.mu.Lock()
			s.revoked.sweep(now)
			s.mu.Unlock()
			if err := s.peers.look(); err != nil {
				s.log.Warn("turn: this computer's addresses", "error", err)
			}
		case <-s.closing:
			return
		}
	}
}
