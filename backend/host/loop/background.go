package loop

import "sync"

// Background counts goroutines, so that Close can wait for them.
type Background struct {
	mu     sync.Mutex // guards closed; no other lock is taken under it
	wg     sync.WaitGroup
	closed bool
}

// Go runs f on a goroutine for which Wait waits. After Wait has begun, only
// such a goroutine or the loop may call it.
func (b *Background) Go(f func()) { b.wg.Go(f) }

// TryGo is Go for callers that may come too late. It then reports false.
func (b *Background) TryGo(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.wg.Go(f)
	return true
}

// Wait refuses further goroutines and waits for the others.
func (b *Background) Wait() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}
