package hosts

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"sync"

	"github.com/porch-call/porch/backend/fault"
)

// Policy says which hosts may dial in, and how much of the relay one of them may
// use. After a relay has been opened with it, only Replace changes its fields.
type Policy struct {
	// Open takes every host. Otherwise a host needs an invitation, or a key
	// that is listed.
	Open        bool
	Invitations []Invitation
	Keys        []Key
	// Quotas are the quotas of a host that has none of its own. A zero field
	// means that of DefaultQuotas.
	Quotas Quotas
	// PerAddress bounds all open hosts of one address together (IPv6: of one
	// /64), because a new key costs nothing. Invited and listed hosts don't
	// count. A zero field means that of DefaultAddressQuotas.
	PerAddress AddressQuotas

	mu      sync.Mutex       // guards what follows, Invitations and Keys
	granted map[string]int64 // see Allowance
	order   []string
}

// Invitation lets a host that shows its token dial in.
type Invitation struct {
	Name   string            // for the relay's owner; it is logged
	Digest [sha256.Size]byte // of the token: NewInvitation
	Quotas *Quotas           // nil means the policy's
}

// NewInvitation returns the invitation of a token.
func NewInvitation(name, token string) Invitation {
	return Invitation{Name: name, Digest: sha256.Sum256([]byte(token))}
}

// Key lets the app that holds an Ed25519 key dial in.
type Key struct {
	Name   string // for the relay's owner; it is logged
	Key    ed25519.PublicKey
	Quotas *Quotas // nil means the policy's
}

// Quotas are what one host may use. See also [Policy.Quotas].
type Quotas struct {
	Links   int   // announced at once
	Guests  int   // at all its links at once, waiting or in a call
	PerLink int   // at one link at once
	Bytes   int64 // of relayed media in a day (UTC)
}

// AddressQuotas are what all open hosts of one address may use together, at once
// and in a day (UTC).
type AddressQuotas struct {
	Hosts, Links, Guests int
	Credentials          int // of TURN, in a day on one machine
}

// The quotas of a policy that sets none.
var (
	DefaultQuotas        = Quotas{Links: 64, Guests: 192, PerLink: 96, Bytes: 20 << 30}
	DefaultAddressQuotas = AddressQuotas{Hosts: 64, Links: 512, Guests: 768, Credentials: 4096}
)

func (q Quotas) or(d Quotas) Quotas {
	return Quotas{
		Links: cmp.Or(q.Links, d.Links), Guests: cmp.Or(q.Guests, d.Guests),
		PerLink: cmp.Or(q.PerLink, d.PerLink), Bytes: cmp.Or(q.Bytes, d.Bytes),
	}
}

func (q AddressQuotas) or(d AddressQuotas) AddressQuotas {
	return AddressQuotas{
		Hosts: cmp.Or(q.Hosts, d.Hosts), Links: cmp.Or(q.Links, d.Links), Guests: cmp.Or(q.Guests, d.Guests),
		Credentials: cmp.Or(q.Credentials, d.Credentials),
	}
}

// OwnerOf returns the digest of a host's key by which [Turn] knows the host.
func OwnerOf(key ed25519.PublicKey) string {
	sum := sha256.Sum256(append([]byte("porch owner v1 "), key...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// ownerSize is the length of what OwnerOf returns.
const ownerSize = 22

// SplitOwner returns the parts of the owner of TURN credentials: the digest of
// the host, and for an open host the key of its address ([household.Key]),
// because a host can make new keys at no cost. address is "" for hosts that were
// invited.
func SplitOwner(owner string) (host, address string) {
	if len(owner) < ownerSize {
		return owner, ""
	}
	return owner[:ownerSize], owner[ownerSize:]
}

// grant is what a host may do here.
type grant struct {
	name   string // of the invitation or key; "" if the relay is open
	quotas Quotas
	open   bool // neither invited nor listed
}

// admit decides about a host. Its faults are [fault.InvitationRefused],
// [fault.InvitationWanted] and [fault.HostNotAllowed]. It takes the same time for
// every invitation.
func (p *Policy) admit(key ed25519.PublicKey, token string) (grant, error) {
	p.mu.Lock()
	invitations, keys := p.Invitations, p.Keys
	p.mu.Unlock()
	common := p.Quotas.or(DefaultQuotas)
	quotas := func(q *Quotas) Quotas {
		if q == nil {
			return common
		}
		return q.or(common)
	}
	for _, k := range keys {
		if k.Key.Equal(key) {
			return grant{name: k.Name, quotas: quotas(k.Quotas)}, nil
		}
	}
	if token != "" {
		found, digest := -1, sha256.Sum256([]byte(token))
		for i := range invitations {
			found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], invitations[i].Digest[:]), i, found)
		}
		if found >= 0 {
			i := &invitations[found]
			return grant{name: i.Name, quotas: quotas(i.Quotas)}, nil
		}
	}
	switch {
	case p.Open:
		return grant{quotas: common, open: true}, nil
	case len(invitations) == 0:
		return grant{}, fault.New(fault.HostNotAllowed, nil)
	case token == "":
		return grant{}, fault.New(fault.InvitationWanted, nil)
	}
	return grant{}, fault.New(fault.InvitationRefused, nil)
}

// maxGranted bounds the memory of Allowance: about 1 MB.
const maxGranted = 8192

// remember keeps how much an invited or listed host may have relayed.
func (p *Policy) remember(owner string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.granted == nil {
		p.granted = make(map[string]int64)
	}
	if _, known := p.granted[owner]; !known {
		if len(p.order) >= maxGranted {
			delete(p.granted, p.order[0])
			p.order = p.order[1:]
		}
		p.order = append(p.order, owner)
	}
	p.granted[owner] = bytes
}

// Allowance returns how many bytes of media the host of owner may have relayed in
// a day: what it was granted when it last registered here, or the policy's quota
// if it has not registered.
func (p *Policy) Allowance(owner string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := p.granted[owner]; ok {
		return n
	}
	return p.Quotas.or(DefaultQuotas).Bytes
}

// Replace changes which hosts may dial in from now on. Open connections stay
// until they end.
func (p *Policy) Replace(invitations []Invitation, keys []Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Invitations, p.Keys = invitations, keys
}
