package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/kit/household"
)

// Buckets is a token bucket for each key, and a wider one for keys that have
// something in common. Memory is bounded. When there are too many, full buckets
// are forgotten, which changes nothing. If none is full, new keys share one.
type Buckets[K comparable] struct {
	rate Rate
	most int
	wide func(K) (K, bool)

	mu     sync.Mutex // guards what follows; no other lock is taken under it
	of     map[K]*rate.Limiter
	shared *rate.Limiter
	swept  time.Time
}

// NewBuckets returns at most `most` buckets of a rate. wide returns the key that
// a key shares with its neighbours, which together have household.WideFactor
// times the rate: [household.Wide] or [household.WideKey].
func NewBuckets[K comparable](r Rate, most int, wide func(K) (K, bool)) *Buckets[K] {
	return &Buckets[K]{rate: r, most: most, wide: wide, of: make(map[K]*rate.Limiter), shared: r.Bucket()}
}

// Allow takes a token of a key, and one of the key that it shares. It reports
// whether there were both.
func (b *Buckets[K]) Allow(k K, now time.Time) bool { return b.Take(k, now) == 0 }

// Take is Allow that returns how long there will be no token.
func (b *Buckets[K]) Take(k K, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait = Take(b.at(k, 1, now), now); wait > 0 {
		return wait
	}
	wide, ok := b.wide(k)
	if !ok {
		return 0
	}
	return Take(b.at(wide, household.WideFactor, now), now)
}

// at returns the bucket of a key, with factor times the rate. The caller holds
// mu.
func (b *Buckets[K]) at(k K, factor int, now time.Time) *rate.Limiter {
	l := b.of[k]
	if l == nil {
		if len(b.of) >= b.most && now.Sub(b.swept) >= time.Second {
			b.swept = now
			for q, l := range b.of {
				if l.TokensAt(now) >= float64(l.Burst()) {
					delete(b.of, q)
				}
			}
		}
		if len(b.of) >= b.most {
			return b.shared
		}
		l = b.rate.times(factor).Bucket()
		b.of[k] = l
	}
	return l
}

// Len returns the number of buckets.
func (b *Buckets[K]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.of)
}
