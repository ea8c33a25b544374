// Package recent has a bounded map. When it is full, it forgets the oldest pair
// for a new one.
package recent

import (
	"container/list"
	"iter"
)

// Map is a map of the newest pairs. It is not safe for use by several goroutines.
type Map[K comparable, V any] struct {
	most  int
	at    map[K]*list.Element
	order list.List // of pair, the oldest first
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

// New returns a map of at most `most` pairs.
func New[K comparable, V any](most int) *Map[K, V] {
	return &Map[K, V]{most: most, at: make(map[K]*list.Element)}
}

// Put keeps a pair as the newest, in place of an earlier one of its key. If the
// map is full, it forgets the oldest.
func (m *Map[K, V]) Put(key K, value V) {
	if e := m.at[key]; e != nil {
		e.Value = pair[K, V]{key, value}
		m.order.MoveToBack(e)
		return
	}
	if m.most <= 0 {
		return
	}
	if m.order.Len() >= m.most {
		delete(m.at, m.order.Remove(m.order.Front()).(pair[K, V]).key)
	}
	m.at[key] = m.order.PushBack(pair[K, V]{key, value})
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	e := m.at[key]
	if e == nil {
		return value, false
	}
	return e.Value.(pair[K, V]).value, true
}

// Touch makes the pair of a key the newest, if there is one.
func (m *Map[K, V]) Touch(key K) {
	if e := m.at[key]; e != nil {
		m.order.MoveToBack(e)
	}
}

// All yields all pairs, the oldest first. The map must not change meanwhile.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e := m.order.Front(); e != nil; e = e.Next() {
			if p := e.Value.(pair[K, V]); !yield(p.key, p.value) {
				return
			}
		}
	}
}

// Len returns the number of pairs.
func (m *Map[K, V]) Len() int { return m.order.Len() }
