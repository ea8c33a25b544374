package rate

import "time"

const (
	paceFactor   = 1.5                    // of the share
	paceDepth    = 30 * time.Millisecond  // of paceFactor times the share: what may leave at once
	PacerEntries = 256                    // that wait
	paceAge      = 250 * time.Millisecond // of the oldest entry
	paceLeast    = 1500                   // bytes that fit into any bucket: the largest packet
)

// Bucket is a token bucket of bytes. It may be overdrawn by what always passes. It is not safe for concurrent use.
type Bucket struct {
	rate   float64 // bytes a second
	tokens float64
	filled time.Time
}

// Set sets the rate that the bucket is filled with, without a burst.
func (b *Bucket) Set(now time.Time, r Bitrate) {
	b.fill(now)
	b.rate = paceFactor * float64(r) / 8
	b.tokens = min(b.tokens, b.depth())
}

// depth returns how many bytes may leave at once.
func (b *Bucket) depth() float64 { return max(b.rate*paceDepth.Seconds(), paceLeast) }

// fill adds what has come in since the last time.
func (b *Bucket) fill(now time.Time) {
	if b.filled.IsZero() {
		b.filled, b.tokens = now, paceLeast
	}
	if passed := now.Sub(b.filled); passed > 0 {
		b.tokens = min(b.tokens+b.rate*passed.Seconds(), b.depth())
		b.filled = now
	}
}

// Has reports whether a packet may leave now.
func (b *Bucket) Has(now time.Time) bool {
	b.fill(now)
	return b.tokens > 0
}

// Take takes size bytes, whether they are there or not. The bucket is not overdrawn by more than its depth, so that sound
// does not stop pictures for long.
func (b *Bucket) Take(now time.Time, size int) {
	b.fill(now)
	b.tokens = max(b.tokens-float64(size), -b.depth())
}

// Wait returns how long there will be no token.
func (b *Bucket) Wait(now time.Time) time.Duration {
	b.fill(now)
	if b.tokens > 0 {
		return 0
	}
	if b.rate <= 0 {
		return time.Hour
	}
	return time.Duration((1 - b.tokens) / b.rate * float64(time.Second))
}

// Pacer spreads the packets to one receiver. What can't leave now is remembered as an entry, which is a few numbers by
// which the packet is found again. It is not safe for concurrent use. The zero value is ready to use; it sends nothing
// but what always passes until [Pacer.Set] is called.
type Pacer[T any] struct {
	bucket Bucket
	ring   [PacerEntries]waiting[T]
	head   int // the oldest
	n      int
	bytes  int
}

type waiting[T any] struct {
	entry T
	size  int
	since time.Time
}

// Set says what the receiver's share is. The pacer sends at 1.5 times that rate at most.
func (p *Pacer[T]) Set(now time.Time, share Bitrate) { p.bucket.Set(now, share) }

// Pass counts a packet of size bytes that leaves at any rate: sound, RTCP, STUN.
func (p *Pacer[T]) Pass(now time.Time, size int, way *Gate) {
	p.bucket.Take(now, size)
	way.Pass(now, size)
}

// May reports whether a packet of size bytes leaves now, and counts it then. It does not if others wait.
func (p *Pacer[T]) May(now time.Time, size int, way *Gate) bool {
	if p.n > 0 || !p.bucket.Has(now) || !way.Has(now) {
		return false
	}
	p.Pass(now, size, way)
	return true
}

// Hold remembers a packet of size bytes that may not leave now. It reports false if too many wait; whoever holds the
// packet then gives up its frame, as for [Pacer.Expired].
func (p *Pacer[T]) Hold(now time.Time, size int, entry T) bool {
	if p.n == PacerEntries {
		return false
	}
	p.ring[(p.head+p.n)%PacerEntries] = waiting[T]{entry, size, now}
	p.n++
	p.bytes += size
	return true
}

// Expired removes and returns the oldest entry if it has waited for more than 250 ms. ok is false if there is none. The
// frame that it belongs to can't be shown any more, nor what follows until the next keyframe: see [Pacer.Drop].
func (p *Pacer[T]) Expired(now time.Time) (entry T, ok bool) {
	if p.n == 0 || now.Sub(p.ring[p.head].since) <= paceAge {
		return entry, false
	}
	return p.pop(), true
}

// Next removes and returns the oldest entry if its packet may leave now, by the receiver's bucket and by the gate of the
// way, and counts it in both. ok is false if there is none.
func (p *Pacer[T]) Next(now time.Time, way *Gate) (entry T, ok bool) {
	if p.n == 0 || !p.bucket.Has(now) || !way.Has(now) {
		return entry, false
	}
	size := p.ring[p.head].size
	p.bucket.Take(now, size)
	way.Pass(now, size)
	return p.pop(), true
}

// pop removes the oldest entry.
func (p *Pacer[T]) pop() T {
	w := p.ring[p.head]
	p.ring[p.head] = waiting[T]{}
	p.head = (p.head + 1) % PacerEntries
	p.n--
	p.bytes -= w.size
	return w.entry
}

// Drop removes the entries that gone is true for, and returns their number. The others keep their order.
func (p *Pacer[T]) Drop(gone func(T) bool) (dropped int) {
	kept := 0
	for i := range p.n {
		w := p.ring[(p.head+i)%PacerEntries]
		if gone(w.entry) {
			p.bytes -= w.size
			dropped++
			continue
		}
		p.ring[(p.head+kept)%PacerEntries] = w
		kept++
	}
	for i := kept; i < p.n; i++ {
		p.ring[(p.head+i)%PacerEntries] = waiting[T]{}
	}
	p.n = kept
	return dropped
}

// Len returns how many packets wait, and their bytes.
func (p *Pacer[T]) Len() (packets, bytes int) { return p.n, p.bytes }

// Wait returns how long none of the packets that wait may leave. It is an hour if none waits.
func (p *Pacer[T]) Wait(now time.Time) time.Duration {
	if p.n == 0 {
		return time.Hour
	}
	return p.bucket.Wait(now)
}
