package door

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/porch-call/porch/backend/kit/icecheck"
)

// conn is one guest's connection, from its first check to its end.
type conn struct {
	doors    *Doors
	door     *door
	ufrag    string // ours; no other connection has ever had it
	password []byte
	remote   string         // the guest's ufrag
	from     netip.AddrPort // of the first check
	home     netip.Prefix   // of from
	welcomed bool           // guarded by Doors.mu

	mu        sync.Mutex
	addresses []netip.AddrPort               // that have been proved
	seen      map[icecheck.Transaction]uint8 // transactions, by the index of their address
	ring      []icecheck.Transaction         // the same, as a ring of maxSeen
	oldest    int                            // in ring, once it is full
}

const (
	maxAddresses = 8    // of one connection
	maxSeen      = 8192 // transactions that a connection remembers: hours of a browser's checks
)

// indexOf returns the index of an address that is proved now. The caller holds the lock, or is the only user.
func (c *conn) indexOf(a netip.AddrPort) uint8 {
	i := slices.Index(c.addresses, a)
	if i < 0 {
		i = len(c.addresses)
		c.addresses = append(c.addresses, a)
	}
	return uint8(i)
}

func (c *conn) remember(id icecheck.Transaction, at uint8) {
	if len(c.ring) < maxSeen {
		c.ring = append(c.ring, id)
	} else {
		delete(c.seen, c.ring[c.oldest])
		c.ring[c.oldest] = id
		c.oldest = (c.oldest + 1) % maxSeen
	}
	c.seen[id] = at
}

// vouch judges a check that names the connection. The signature of a check does not cover the address that it came
// from: whoever sees a check on its way could send a copy from another address, and the answers, and what is said,
// would go there. So a transaction counts from one address only.
func (c *conn) vouch(check icecheck.Check, from netip.AddrPort) bool {
	if string(check.Remote) != c.remote {
		return false
	}
	id := check.Transaction()
	c.mu.Lock()
	defer c.mu.Unlock()
	proved := slices.Index(c.addresses, from)
	if at, seen := c.seen[id]; seen {
		if int(at) != proved {
			c.doors.copied.Add(1)
			return false
		}
		return true
	}
	if proved < 0 && (len(c.addresses) == maxAddresses || !c.doors.proofs.Allow()) {
		return false
	}
	if !check.Signed(c.password) {
		c.doors.forged.Add(1)
		return false
	}
	c.remember(id, c.indexOf(from))
	return true
}
