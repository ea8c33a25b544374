package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/kit/household"
)

// limits keep one guest, one address or one link from using up the relay.
type limits struct {
	connections           int // TCP connections, all together
	connectionsPerAddress int
	sockets               int // WebSockets, all together
	socketsPerAddress     int
	hosts                 int // lines, all together
	perLink               int // guests on one link

	// Token buckets: so many a second, and so many at once.
	requests, requestBurst float64 // per address
	opens, openBurst       float64 // WebSockets opened, per address
	frames, frameBurst     float64 // per guest
	pings, pingBurst       float64 // per guest, and per host
	lineBytes, lineBurst   float64 // bytes from one host

	fill time.Duration // see budget
}

var defaultLimits = limits{
	connections: 2048, connectionsPerAddress: 512,
	sockets: 1024, socketsPerAddress: 256, perLink: 192, hosts: 1024,
	requests: 100, requestBurst: 600,
	opens: 10, openBurst: 150,
	frames: 60, frameBurst: 400,
	pings: 2, pingBurst: 10,
	lineBytes: 2 << 20, lineBurst: 32 << 20,
	fill: time.Second,
}

// Capacity is how much a relay takes on at once. A zero field is the default:
// more for a public relay than for one of an app. An address is an IPv4
// address or an IPv6 /64.
type Capacity struct {
	Connections, ConnectionsPerAddress int // TCP
	Guests, GuestsPerAddress           int // sockets
	GuestsPerLink                      int // for the Switchboard in memory
	Hosts                              int // lines
	OpensPerAddress                    int // WebSockets opened a second; 15 times as many at once
}

// publicLimits are the defaults of a public relay.
func publicLimits() limits {
	l := defaultLimits
	l.connections, l.connectionsPerAddress = 65536, 512
	l.sockets, l.socketsPerAddress = 16384, 256
	l.hosts = 32768
	return l
}

// with returns the limits with what c changes.
func (l limits) with(c Capacity) limits {
	set := func(to *int, n int) {
		if n != 0 {
			*to = n
		}
	}
	set(&l.connections, c.Connections)
	set(&l.connectionsPerAddress, c.ConnectionsPerAddress)
	set(&l.sockets, c.Guests)
	set(&l.socketsPerAddress, c.GuestsPerAddress)
	set(&l.perLink, c.GuestsPerLink)
	set(&l.hosts, c.Hosts)
	if c.OpensPerAddress != 0 {
		l.opens, l.openBurst = float64(c.OpensPerAddress), 15*float64(c.OpensPerAddress)
		l.requests, l.requestBurst = max(l.requests, 2*l.opens), max(l.requestBurst, 2*l.openBurst)
	}
	return l
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

// allow takes one token, and one of the IPv6 /48.
func (b *buckets) allow(p netip.Prefix, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at(p, 1, now).AllowN(now, 1) {
		return false
	}
	wide, ok := household.Wide(p)
	return !ok || b.at(wide, household.WideFactor, now).AllowN(now, 1)
}

// at returns the bucket of an address, as large as that of so many. The caller
// holds the lock.
func (b *buckets) at(p netip.Prefix, factor int, now time.Time) *rate.Limiter {
	l := b.of[p]
	if l == nil {
		if len(b.of) >= maxBuckets && now.Sub(b.swept) >= time.Second {
			b.swept = now
			for q, l := range b.of {
				if l.TokensAt(now) >= float64(l.Burst()) {
					delete(b.of, q)
				}
			}
		}
		if len(b.of) >= maxBuckets {
			return b.shared
		}
		l = rate.NewLimiter(b.rate*rate.Limit(factor), b.burst*factor)
		b.of[p] = l
	}
	return l
}

// counts is how many of something are open, in all and for each address; see household.Tally.
type counts struct {
	max, maxPerAddress int
	changed            func(delta int) // told of each change; it must return at once

	mu    sync.Mutex
	total int
	of    *household.Tally[netip.Prefix]
}

func newCounts(limit, perAddress int, changed func(delta int)) *counts {
	return &counts{max: limit, maxPerAddress: perAddress, changed: changed, of: household.ByPrefix()}
}

// take counts one more, unless that is too many.
func (c *counts) take(p netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.max || !c.of.Room(p, c.maxPerAddress) {
		return false
	}
	c.total++
	c.of.Add(p)
	c.changed(1)
	return true
}

// release gives back what take took.
func (c *counts) release(p netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	c.changed(-1)
	c.of.Drop(p)
}
