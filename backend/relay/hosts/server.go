package hosts

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/wire"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"golang.org/x/time/rate"
)

// Turn gives out TURN servers and credentials for guests that can't be reached
// directly.
type Turn interface {
	// Credentials returns servers that work until expires, on every node. owner
	// is a digest of the host's key ([OwnerOf]). The host is told a
	// fault.TurnUsedUp as it is; any other error becomes fault.TurnUnavailable.
	Credentials(owner string) (servers []signalling.ICEServer, expires time.Time, err error)
	// Revoke ends all use of a username of this owner. It returns at once, and
	// ignores usernames of other owners and unknown ones.
	Revoke(owner, username string)
}

// Options are the options of a [Server]. All fields but Turn, STUN and OnNote are
// needed.
type Options struct {
	Policy *Policy
	Board  switchboard.Switchboard
	Turn   Turn // nil gives out none
	STUN   []string
	Meter  metering.Meter
	OnNote func(sealed.LinkID, [sealed.NoteSize]byte) // nil drops notes
	Queued *switchboard.Budget                        // bounds all guests' queues
	KeyOf  func(netip.Prefix) string                  // returns the key of a household where its address must not be known

	Opens    *limit.Buckets[netip.Prefix] // bounds the WebSockets opened
	Conns    *limit.PerAddress
	Limits   Limits
	Times    wire.Times
	Register time.Duration // how long a host may take to register

	Lifetime context.Context // of the relay
	Begin    func() bool     // counts a connection that begins; false if the relay drains or closes
	End      func()          // counts a connection that has ended
	Closing  func() bool     // reports whether the relay closes
	Panics   *contain.Panics
	Log      *slog.Logger
}

// Limits are token buckets of one host: so many a second, and so many at once.
type Limits struct {
	Bytes, Burst     float64
	Pings, PingBurst float64
}

// Server takes hosts that dial in.
type Server struct {
	o       Options
	tenants *tenants
}

// NewServer returns a server. It starts no goroutine until a host comes.
func NewServer(o Options) *Server {
	return &Server{o: o, tenants: newTenants(o.Policy, o.Meter)}
}

// lineQueued returns the part of a relay's budget that one host connection may
// hold. All connections of one address together can't hold all of it, and a few
// frames always fit.
func lineQueued(all int64) int64 { return max(all/16, 4<<20) }

// Serve upgrades a host's request. The connection lives on after it returns.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, c *oneport.Conn) {
	from := household.Of(c.From())
	refuse := func(status int, code fault.Code) {
		s.o.Meter.Refused(metering.Hosts, code)
		http.Error(w, string(code), status)
	}
	switch {
	case len(r.Header.Values("Origin")) != 0: // hosts are not pages, which send Origin
		refuse(http.StatusForbidden, fault.OriginRefused)
		return
	case !wire.Offers(r, signalling.HostSubprotocol):
		refuse(http.StatusBadRequest, fault.RelayVersion)
		return
	case !s.o.Opens.Allow(from, time.Now()):
		s.o.Meter.Refused(metering.Hosts, fault.TooFast)
		wire.RefuseTooFast(w)
		return
	case !s.o.Conns.Take(from):
		refuse(http.StatusServiceUnavailable, fault.RelayFull)
		return
	case !s.o.Begin():
		s.o.Conns.Release(from)
		refuse(http.StatusServiceUnavailable, fault.ShuttingDown)
		return
	}
	h := &hostConn{
		Wire: wire.Wire{Times: s.o.Times, Conn: c}, s: s, hostName: bareHost(r.Host), from: from,
		bytes:  rate.NewLimiter(rate.Limit(s.o.Limits.Bytes), int(s.o.Limits.Burst)),
		wants:  rate.NewLimiter(5, 256),
		proofs: rate.NewLimiter(20, pendingNotes),
		queued: s.o.Queued.Part(lineQueued(s.o.Queued.Most())),
	}
	pings := rate.NewLimiter(rate.Limit(s.o.Limits.Pings), int(s.o.Limits.PingBurst))
	upgraded := h.Upgrade(w, r, signalling.HostSubprotocol, pings.Allow)
	go func() {
		defer s.o.End()
		defer s.o.Conns.Release(from)
		if upgraded {
			defer h.CloseNow()
			s.o.Panics.Run(h.run)
		}
	}()
}

// bareHost returns a Host header without its port, in small letters.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// Quiet returns a channel that is closed when there is no host.
func (s *Server) Quiet() <-chan struct{} { return s.tenants.quiet() }

// Move asks every host to open another connection.
func (s *Server) Move() {
	for _, h := range s.tenants.all() {
		h.move()
	}
}

// Close starts the end of every connection, and does not wait for it.
func (s *Server) Close() {
	for _, h := range s.tenants.all() {
		h.end(fault.ShuttingDown)
	}
}

// InUse returns how many hosts, links and guests the open hosts of an address
// have.
func (s *Server) InUse(address netip.Prefix) (hosts, links, guests int) {
	s.tenants.mu.Lock()
	defer s.tenants.mu.Unlock()
	if u := s.tenants.of[address]; u != nil {
		return u.hosts, u.links, u.guests
	}
	return 0, 0, 0
}
