package loop

import "sync"

// Background counts goroutines, so that Close can wait for them.
type Background struct {
	mu     sync.Mutex // a leaf
	wg     sync.WaitGroup
	closed bool
}

// Go runs f on a goroutine that wait waits for. After wait has begun it must
// only be called by such a goroutine, or by the loop.
func (b *Background) Go(f func()) { b.wg.Go(f) }

// TryGo is Go for callers that may come too late: it reports false then.
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
