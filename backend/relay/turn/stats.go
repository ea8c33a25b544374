package turn

import (
	"errors"
	"sync/atomic"
)

// Refusal is why something was refused. The set is closed.
type Refusal int

// The refusals.
const (
	RefusedCredential  Refusal = iota // a user name that is not ours, or a wrong password
	RefusedExpired                    // a user name that has expired
	RefusedRevoked                    // a user name that was revoked
	RefusedQuota                      // more allocations, or more bytes, than the owner may have
	RefusedFull                       // more allocations or connections than the relay has
	RefusedPort                       // no port left, or one that was asked for
	RefusedTCP                        // an allocation or a connection of TCP
	RefusedPeer                       // a peer that nothing is relayed to
	RefusedUnpermitted                // a packet without a permission or channel
	RefusedMalformed                  // neither STUN nor channel data
	RefusedOversized                  // too large
	RefusedTooFast                    // too many messages
	RefusedTooSlow                    // a connection that does not speak, or does not read
	refusals
)

var refusalNames = [refusals]string{
	"credential", "expired", "revoked", "quota", "full", "port", "tcp", "peer", "unpermitted", "malformed", "oversized",
	"too-fast", "too-slow",
}

// String returns the refusal's name for metrics.
func (r Refusal) String() string {
	if r < 0 || r >= refusals {
		return "unknown"
	}
	return refusalNames[r]
}

var errTooFast = errors.New("turn: too many messages")

func refusalOf(err error) Refusal {
	if errors.Is(err, errOversized) {
		return RefusedOversized
	}
	return RefusedMalformed
}

// Traffic is what was relayed in one direction, without headers.
type Traffic struct{ Bytes, Packets uint64 }

type traffic struct{ bytes, packets atomic.Uint64 }

func (t *traffic) load() Traffic { return Traffic{t.bytes.Load(), t.packets.Load()} }

// Stats are counted since Open, except those that say "now".
type Stats struct {
	Allocations      int // now
	AllocationsTotal uint64
	Streams          int // TCP and TLS connections, now
	FromClients      Traffic
	ToClients        Traffic
	Refused          map[Refusal]uint64 // holds every refusal, even with 0
	Panics           uint64             // each ended a stream, or lost a batch of datagrams
}

// Stats returns the current counts. It may be called at any time.
func (s *Server) Stats() Stats {
	out := Stats{
		AllocationsTotal: s.made.Load(), FromClients: s.up.load(), ToClients: s.down.load(),
		Refused: make(map[Refusal]uint64, refusals), Panics: s.panics.Count(),
	}
	for r := range refusals {
		out.Refused[r] = s.refused[r].Load()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out.Allocations, out.Streams = s.allocations, len(s.streams)
	return out
}

func (s *Server) refuse(r Refusal) { s.refused[r].Add(1) }
