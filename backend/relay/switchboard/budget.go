package switchboard

import (
	"math"
	"runtime/debug"
	"sync/atomic"
)

// Budget bounds what the queues of many channels hold together.
type Budget struct {
	within *Budget // nil means none
	most   int64
	held   atomic.Int64
}

// NewBudget returns a budget of so many bytes. A waiting frame costs [Overhead]
// more than its own.
func NewBudget(bytes int64) *Budget { return &Budget{most: bytes} }

// Part returns a budget of bytes that are also taken from b.
func (b *Budget) Part(bytes int64) *Budget { return &Budget{within: b, most: bytes} }

// Most returns how many bytes the budget allows.
func (b *Budget) Most() int64 { return b.most }

// Held returns how many bytes are held now.
func (b *Budget) Held() int64 { return b.held.Load() }

// DefaultQueued returns how many bytes may wait in a relay's queues unless an
// option says otherwise: a quarter of what Go may use (GOMEMLIMIT), or 128 MiB if
// that has no limit.
func DefaultQueued() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 { // -1 reads the limit
		return limit / 4
	}
	return 128 << 20
}

func (b *Budget) take(n int) bool {
	if b == nil {
		return true
	}
	if b.held.Add(int64(n)) > b.most || !b.within.take(n) {
		b.held.Add(-int64(n))
		return false
	}
	return true
}

func (b *Budget) give(n int) {
	if b != nil {
		b.held.Add(-int64(n))
		b.within.give(n)
	}
}

// Charge makes what a channel holds, now and later, count in this budget.
func Charge(f Frames, b *Budget) {
	e, ok := f.(*end)
	if !ok {
		return
	}
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	a := e.c.account
	a.budget.give(a.held)
	a.budget = b
	for in := b; in != nil; in = in.within { // it is held already, so it counts even above the limit
		in.held.Add(int64(a.held))
	}
}

// account is what one channel holds of a budget.
type account struct {
	budget *Budget // nil means none
	held   int     // guarded by channel.mu
}

func (a *account) take(n int) bool {
	if !a.budget.take(n) {
		return false
	}
	a.held += n
	return true
}

func (a *account) give(n int) {
	a.budget.give(n)
	a.held -= n
}
