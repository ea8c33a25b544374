package description

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

// Preference decides by the candidates of the other side which path to it is taken while there is none. It is safe for
// concurrent use.
type Preference struct {
	Wait  time.Duration // before a path is taken that is not direct
	Limit int           // candidates that are remembered

	mu     sync.Mutex       // guards what follows; no other lock is taken under it
	direct []netip.AddrPort // candidates of the other side, except those at a TURN server
	first  time.Time        // when an address answered that is not in direct; zero before
}

// Reset forgets the other side.
func (p *Preference) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.direct, p.first = nil, time.Time{}
}

// Learn adds a candidate of the other side.
func (p *Preference) Learn(text string) {
	c, err := ice.UnmarshalCandidate(text)
	if err != nil || c.Type() == ice.CandidateTypeRelay {
		return
	}
	a, err := netip.ParseAddr(c.Address())
	if err != nil {
		return // an mDNS name
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.direct) >= p.Limit {
		return
	}
	p.direct = append(p.direct, netip.AddrPortFrom(a.Unmap(), uint16(c.Port())))
}

// Good reports whether the path to an address should be taken now. It should if it is direct, or if no direct path has
// come up within Wait after the first other one.
func (p *Preference) Good(from netip.AddrPort, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.direct, from) {
		return true
	}
	if p.first.IsZero() {
		p.first = now
	}
	return now.Sub(p.first) >= p.Wait
}
