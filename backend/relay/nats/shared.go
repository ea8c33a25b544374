package nats

import (
	"github.com/porch-call/porch/backend/kit/recent"
	"github.com/porch-call/porch/backend/sealed"
)

// maxShared is how many notes, and how many revocations, a node keeps for nodes
// that come later.
const maxShared = 4096

// revocationsAtOnce keeps a message of revocations well below maxMessage.
const revocationsAtOnce = 256

// shared holds the newest of what nodes tell all others.
type shared struct {
	notes       *recent.Map[[tokenSize]byte, [sealed.NoteSize]byte]
	revocations *recent.Map[revocation, struct{}]
}

func newShared() shared {
	return shared{
		notes:       recent.New[[tokenSize]byte, [sealed.NoteSize]byte](maxShared),
		revocations: recent.New[revocation, struct{}](maxShared),
	}
}

// Note tells the other nodes the note of a link that has ended. Nodes that were
// off the bus are told again, as all are if this node was. A node that starts is
// told the newest 4096.
func (b *Board) Note(id sealed.LinkID, n [sealed.NoteSize]byte) {
	raw, err := b64.DecodeString(string(id))
	if err != nil || len(raw) != tokenSize {
		return // not an id
	}
	m := note{[tokenSize]byte(raw), n}
	b.mu.Lock()
	b.shared.notes.Put(m.id, m.note)
	b.mu.Unlock()
	_ = b.publish(everyone, "", notes{m}) // off the bus: onBus shares it
}

// Revoke tells the other nodes that TURN credentials are no longer good: see
// relay.Turn's Revoke. It ignores names of more than 255 bytes, because no relay
// gives such out.
func (b *Board) Revoke(owner, username string) {
	if len(owner) > maxName || len(username) > maxName {
		return
	}
	r := revocation{owner, username}
	b.mu.Lock()
	b.shared.revocations.Put(r, struct{}{})
	b.mu.Unlock()
	_ = b.publish(everyone, "", revocations{r}) // off the bus: onBus shares it
}

// share sends the shared notes and revocations to a node, or to all.
func (b *Board) share(at place) {
	var (
		ns notes
		rs revocations
	)
	b.mu.Lock()
	for id, n := range b.shared.notes.All() {
		ns = append(ns, note{id, n})
	}
	for r := range b.shared.revocations.All() {
		rs = append(rs, r)
	}
	b.mu.Unlock()
	for len(ns) > 0 {
		n := min(len(ns), maxEntries)
		_ = b.publish(at, "", ns[:n]) // another node may tell a node that misses it
		ns = ns[n:]
	}
	for len(rs) > 0 {
		n := min(len(rs), revocationsAtOnce)
		_ = b.publish(at, "", rs[:n])
		rs = rs[n:]
	}
}

func (b *Board) onNotes(m notes) {
	b.mu.Lock()
	for _, n := range m {
		b.shared.notes.Put(n.id, n.note)
	}
	b.mu.Unlock()
	if b.options.OnNote == nil {
		return
	}
	for _, n := range m {
		b.options.OnNote(sealed.LinkID(b64.EncodeToString(n.id[:])), n.note)
	}
}

func (b *Board) onRevocations(m revocations) {
	b.mu.Lock()
	for _, r := range m {
		b.shared.revocations.Put(r, struct{}{})
	}
	b.mu.Unlock()
	if b.options.OnRevoke == nil {
		return
	}
	for _, r := range m {
		b.options.OnRevoke(r.owner, r.username)
	}
}
