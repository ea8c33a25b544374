package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits keep one guest, one address or one link from using up the relay.
type limits struct {
	connections           int // TCP connections, all together
	connectionsPerAddress int
	sockets               int // WebSockets, all together
	socketsPerAddress     int
	perLink               int // guests on one link
	perLinkAddress        int // of them from one address

	// Token buckets: so many a second, and so many at once.
	requests, requestBurst float64 // per address
	opens, openBurst       float64 // WebSockets opened, per address
	frames, frameBurst     float64 // per guest
	pings, pingBurst       float64 // per guest

	fill time.Duration // see budget
}

var defaultLimits = limits{
	connections: 2048, connectionsPerAddress: 512,
	sockets: 1024, socketsPerAddress: 256, perLink: 192, perLinkAddress: 96,
	requests: 100, requestBurst: 600,
	opens: 10, openBurst: 150,
	frames: 60, frameBurst: 400,
	pings: 2, pingBurst: 10,
	fill: time.Second,
}

// prefixOf is what counts as one address: an IPv4 address, or an IPv6 /64,
// which is what one household gets (RFC 6177).
func prefixOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fails for the zero Addr alone, which gets the zero Prefix
	return p
}

// addrOf returns the address of a connection's other side, the zero Addr when
// it is not IP.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// maxBuckets bounds the memory of buckets: about 1 MB.
const maxBuckets = 8192

// buckets is a token bucket for each address. Memory is bounded: when there
// are too many, full ones are forgotten, which changes nothing; if none is
// full, strangers share one bucket.
type buckets struct {
	rate  rate.Limit
	burst int

	mu     sync.Mutex
	of     map[netip.Prefix]*rate.Limiter
	shared *rate.Limiter
	swept  time.Time
}

func newBuckets(perSecond, burst float64) *buckets {
	return &buckets{
		rate: rate.Limit(perSecond), burst: int(burst),
		of:     make(map[netip.Prefix]*rate.Limiter),
		shared: rate.NewLimiter(rate.Limit(perSecond), int(burst)),
	}
}

// allow takes one token.
func (b *buckets) allow(p netip.Prefix, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.of[p]
	if l == nil {
		if len(b.of) >= maxBuckets && now.Sub(b.swept) >= time.Second {
			b.swept = now
			for q, l := range b.of {
				if l.TokensAt(now) >= float64(b.burst) {
					delete(b.of, q)
				}
			}
		}
		if len(b.of) >= maxBuckets {
			return b.shared.AllowN(now, 1)
		}
		l = rate.NewLimiter(b.rate, b.burst)
		b.of[p] = l
	}
	return l.AllowN(now, 1)
}

// counts is how many of something are open, in all and for each address.
type counts struct {
	max, maxPerAddress int

	mu    sync.Mutex
	total int
	of    map[netip.Prefix]int
}

func newCounts(limit, perAddress int) *counts {
	return &counts{max: limit, maxPerAddress: perAddress, of: make(map[netip.Prefix]int)}
}

// take counts one more, unless that is too many.
func (c *counts) take(p netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.max || c.of[p] >= c.maxPerAddress {
		return false
	}
	c.total++
	c.of[p]++
	return true
}

// release gives back what take took.
func (c *counts) release(p netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.of[p]--; c.of[p] == 0 {
		delete(c.of, p)
	}
}
