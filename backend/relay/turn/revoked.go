package turn

import (
	"crypto/sha256"
	"time"
)

const (
	maxRevoked         = 1 << 18 // about 25 MB
	maxRevokedPerOwner = 1024
)

// revoked remembers which user names are void until they would have expired. If
// an owner revokes more names than fit, all names of the owner that expire no
// later than those given out now become void: too many, never too few. The
// server's lock guards it.
type revoked struct {
	max, maxPerOwner int

	names  map[fingerprint]revocation
	counts map[string]int       // of names, by owner
	owners map[string]time.Time // all names that expire until then are void
}

// fingerprint stands for a user name.
type fingerprint [16]byte

type revocation struct {
	owner   string
	expires time.Time
}

func newRevoked() *revoked {
	return &revoked{
		max: maxRevoked, maxPerOwner: maxRevokedPerOwner,
		names: make(map[fingerprint]revocation), counts: make(map[string]int), owners: make(map[string]time.Time),
	}
}

func fingerprintOf(name string) (f fingerprint) {
	sum := sha256.Sum256([]byte(name))
	copy(f[:], sum[:])
	return f
}

// add makes a name void. Names live for ttl from when they are given out.
func (r *revoked) add(u username, now time.Time, ttl time.Duration) {
	if u.expired(now) || r.has(u) {
		return
	}
	if len(r.names) >= r.max || r.counts[u.owner] >= r.maxPerOwner {
		until := now.Add(ttl)
		if until.Before(u.expires) {
			until = u.expires
		}
		r.owners[u.owner] = until
		return
	}
	r.names[fingerprintOf(u.text)] = revocation{u.owner, u.expires}
	r.counts[u.owner]++
}

func (r *revoked) has(u username) bool {
	if !r.owners[u.owner].Before(u.expires) {
		return true
	}
	_, ok := r.names[fingerprintOf(u.text)]
	return ok
}

// sweep forgets what has expired.
func (r *revoked) sweep(now time.Time) {
	for f, n := range r.names {
		if now.Before(n.expires) {
			continue
		}
		delete(r.names, f)
		if r.counts[n.owner]--; r.counts[n.owner] == 0 {
			delete(r.counts, n.owner)
		}
	}
	for owner, until := range r.owners {
		if !now.Before(until) {
			delete(r.owners, owner)
		}
	}
}
