package household

import "net/netip"

// WideFactor is how many households' share an IPv6 /48 may use. A /48 holds
// 65,536 households, so its owner could pose as that many.
const WideFactor = 2

// Wide returns the /48 that an IPv6 prefix is in. ok is false for IPv4, whose
// addresses are not given out by the thousand.
func Wide(p netip.Prefix) (wide netip.Prefix, ok bool) {
	if !p.Addr().Is6() || p.Bits() < wideBits {
		return netip.Prefix{}, false
	}
	wide, err := p.Addr().Prefix(wideBits)
	return wide, err == nil
}

const wideBits = 48

// A key stands for a household where its address must not be known. One half is
// common to the /48, the other is the household's own.
const (
	keySize  = 16
	wideSize = keySize / 2
)

// Key returns the key of a household. digest must be a keyed hash that returns text
// of at least eight bytes.
func Key(p netip.Prefix, digest func(string) string) string {
	wide, ok := Wide(p)
	if !ok {
		wide = p
	}
	return digest("wide " + wide.String())[:wideSize] + digest(p.String())[:wideSize]
}

// WideKey returns the part of a key that households of one /48 have in common. ok
// is false for what Key did not make.
func WideKey(key string) (wide string, ok bool) {
	if len(key) != keySize {
		return "", false
	}
	return key[:wideSize], true
}

// Tally counts something by household, and by the /48 of the household. It is not
// safe for use by several goroutines.
type Tally[K comparable] struct {
	wide func(K) (K, bool)
	of   map[K]int
}

// ByPrefix returns a Tally whose keys are what [Of] returns.
func ByPrefix() *Tally[netip.Prefix] {
	return &Tally[netip.Prefix]{wide: Wide, of: make(map[netip.Prefix]int)}
}

// ByKey returns a Tally whose keys are what [Key] returns. The key "" is not
// counted.
func ByKey() *Tally[string] { return &Tally[string]{wide: WideKey, of: make(map[string]int)} }

// Room reports whether a household has fewer than most, and its /48 fewer than
// WideFactor times as many.
func (t *Tally[K]) Room(k K, most int) bool {
	if t.of[k] >= most {
		return false
	}
	w, ok := t.wide(k)
	return !ok || t.of[w] < most*WideFactor
}

// Add counts one more. Drop takes it back.
func (t *Tally[K]) Add(k K) { t.change(k, 1) }

// Drop takes back one that Add counted.
func (t *Tally[K]) Drop(k K) { t.change(k, -1) }

// Len returns the number of households and /48s that are counted.
func (t *Tally[K]) Len() int { return len(t.of) }

func (t *Tally[K]) change(k K, delta int) {
	if any(k) == any("") {
		return
	}
	keys := [2]K{k}
	n := 1
	if w, ok := t.wide(k); ok {
		keys[1], n = w, 2
	}
	for _, k := range keys[:n] {
		if t.of[k] += delta; t.of[k] == 0 {
			delete(t.of, k)
		}
	}
}
