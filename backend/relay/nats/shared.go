package nats

import (
	"container/list"

	"github.com/porch-call/porch/backend/sealed"
)

// maxShared is how many notes, and how many revocations, a node keeps for nodes
// that come later.
const maxShared = 4096

// revocationsAtOnce keeps a message of revocations well below maxMessage.
const revocationsAtOnce = 256

// shared is the newest of what nodes tell all others.
type shared struct {
	notes       recent[[tokenSize]byte, [sealed.NoteSize]byte]
	revocations recent[revocation, struct{}]
}

// recent is a map of the maxShared pairs that were put last.
type recent[K comparable, V any] struct {
	at    map[K]*list.Element
	order list.List // of pair
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func (r *recent[K, V]) put(key K, value V) {
	if r.at == nil {
		r.at = make(map[K]*list.Element)
	}
	if e := r.at[key]; e != nil {
		e.Value = pair[K, V]{key, value}
		r.order.MoveToBack(e)
		return
	}
	if r.order.Len() >= maxShared {
		delete(r.at, r.order.Remove(r.order.Front()).(pair[K, V]).key)
	}
	r.at[key] = r.order.PushBack(pair[K, V]{key, value})
}

// each calls f with all pairs, the oldest first.
func (r *recent[K, V]) each(f func(K, V)) {
	for e := r.order.Front(); e != nil; e = e.Next() {
		p := e.Value.(pair[K, V])
		f(p.key, p.value)
	}
}

// Note tells the other nodes the note of a link that has ended. They are told
// again when they, or this node, were off the bus; a node that starts is told
// the newest few thousand.
func (b *Board) Note(id sealed.LinkID, n [sealed.NoteSize]byte) {
	raw, err := b64.DecodeString(string(id))
	if err != nil || len(raw) != tokenSize {
		return // not an id
	}
	m := note{[tokenSize]byte(raw), n}
	b.mu.Lock()
	b.shared.notes.put(m.id, m.note)
	b.mu.Unlock()
	_ = b.publish(everyone, "", notes{m}) // off the bus: onBus shares it
}

// Revoke tells the other nodes that TURN credentials are no longer good: see
// relay.Turn's Revoke. Names of more than 255 bytes are nobody's.
func (b *Board) Revoke(owner, username string) {
	if len(owner) > maxName || len(username) > maxName {
		return
	}
	r := revocation{owner, username}
	b.mu.Lock()
	b.shared.revocations.put(r, struct{}{})
	b.mu.Unlock()
	_ = b.publish(everyone, "", revocations{r}) // as above
}

// share sends what is shared to a node, or to all.
func (b *Board) share(at place) {
	var (
		ns notes
		rs revocations
	)
	b.mu.Lock()
	b.shared.notes.each(func(id [tokenSize]byte, n [sealed.NoteSize]byte) { ns = append(ns, note{id, n}) })
	b.shared.revocations.each(func(r revocation, _ struct{}) { rs = append(rs, r) })
	b.mu.Unlock()
	for len(ns) > 0 {
		n := min(len(ns), maxEntries)
		_ = b.publish(at, "", ns[:n]) // a node that misses it may be told by another
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
		b.shared.notes.put(n.id, n.note)
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
		b.shared.revocations.put(r, struct{}{})
	}
	b.mu.Unlock()
	if b.options.OnRevoke == nil {
		return
	}
	for _, r := range m {
		b.options.OnRevoke(r.owner, r.username)
	}
}
