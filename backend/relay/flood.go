package relay

import (
	"net/netip"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
)

// limits keep one guest, one address or one link from using up the relay.
type limits struct {
	connections           int // TCP connections, all together
	connectionsPerAddress int
	sockets               int // WebSockets, all together
	socketsPerAddress     int
	hosts                 int // host connections, all together
	perLink               int // guests on one link

	// Token buckets: so many a second, and so many at once.
	requests, requestBurst float64 // per address
	opens, openBurst       float64 // WebSockets opened, per address
	frames, frameBurst     float64 // per guest
	pings, pingBurst       float64 // per guest, and per host
	lineBytes, lineBurst   float64 // bytes from one host

	fill time.Duration // see switchboard.Budget
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

// Capacity is how much a relay takes on at once. A zero field means the default,
// which is larger for a public relay than for one of an app. An address is an
// IPv4 address or an IPv6 /64.
type Capacity struct {
	Connections, ConnectionsPerAddress int // TCP
	Guests, GuestsPerAddress           int // sockets
	GuestsPerLink                      int // for the Switchboard in memory
	Hosts                              int // host connections
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

// with returns the limits with the fields that c sets.
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

// maxBuckets bounds the memory of buckets: about 1 MB.
const maxBuckets = 8192

func newBuckets(perSecond, burst float64) *limit.Buckets[netip.Prefix] {
	return limit.NewBuckets(limit.PerSecond(perSecond, burst), maxBuckets, household.Wide)
}
