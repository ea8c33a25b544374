package oneport

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/time/rate"
)

// Proxies are the proxies in front of this relay. They begin each connection with
// the address that it comes from, by HAProxy's PROXY protocol, versions 1 and 2
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). nil trusts no
// proxy. Any other client's header is not read as one, and is not HTTP either.
type Proxies struct {
	trusted []netip.Prefix
	log     *slog.Logger
	warn    *rate.Limiter
}

// NewProxies returns the proxies of these networks, or nil if there are none.
func NewProxies(trusted []netip.Prefix, log *slog.Logger) *Proxies {
	if len(trusted) == 0 {
		return nil
	}
	return &Proxies{trusted: trusted, log: log, warn: rate.NewLimiter(rate.Every(time.Minute), 1)}
}

func (p *Proxies) trust(a netip.Addr) bool {
	if p == nil {
		return false
	}
	for _, t := range p.trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// wrap returns a connection that reads the header, within timeout, before
// anything else. It reads nothing yet.
func (p *Proxies) wrap(raw net.Conn, timeout time.Duration) net.Conn {
	return proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(timeout))
}

// source reads the header and returns the address that connected to the proxy, or
// the proxy's own if the proxy connects for itself (LOCAL). ok is false for what
// is no TCP, and without a header, which is for the operator to repair.
func (p *Proxies) source(c *proxyproto.Conn) (from netip.Addr, ok bool) {
	if c.ProxyHeader() == nil {
		if p.warn.Allow() {
			p.log.Warn("relay: a proxy of -proxies sent no PROXY header: tell it to (send-proxy-v2, proxy_protocol on)")
		}
		return netip.Addr{}, false
	}
	from = addrOf(c.RemoteAddr())
	return from, from.IsValid()
}
