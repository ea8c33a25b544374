package turn

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

// firstPeerPort is the lowest port to which packets are relayed. Peers of a call
// have high ones, also behind a NAT (RFC 4787 section 4.2.2). Below are services
// that could be attacked through a relay: DNS, NTP, SNMP.
const firstPeerPort = 1024

// notPublic are the addresses that no peer of a call can have on the internet
// (the IANA special-purpose address registries). Of IPv6 only 2000::/3 is given
// out, so all outside it is refused without being listed here: IPv4-mapped
// (::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), unique local, link-local
// and multicast.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23",     // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which contains an IPv4 address
	"3fff::/20",     // documentation
)

var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// isPublic reports whether an address may belong to a peer on the internet.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && a.Zone() == "" && (a.Is4() || globalUnicast.Contains(a)) && !within(notPublic, a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// peers decides to which addresses the relay sends.
type peers struct {
	allow, deny []netip.Prefix
	relayed     []netip.Addr                 // the addresses at which peers find the relayed sockets
	own         atomic.Pointer[[]netip.Addr] // of this computer
}

// look asks the system for this computer's addresses.
func (p *peers) look() error {
	all, err := netaddr.Own()
	if err != nil {
		return err
	}
	own := make([]netip.Addr, len(all))
	for i, p := range all {
		own[i] = p.Addr()
	}
	p.own.Store(&own)
	return nil
}

// verdict is the judgement of a peer's address.
type verdict int

const (
	refused verdict = iota
	allowed
	// relayed is an address of this relay. There, packets reach only the relayed
	// sockets of other clients, from within the process. Two clients who both
	// need a relay can then find each other, and reach nothing else that listens
	// here.
	relayed
)

// address judges an address, without its port.
func (p *peers) address(a netip.Addr) verdict {
	a = a.Unmap()
	switch {
	case !a.IsValid() || a.Zone() != "" || a.IsUnspecified() || within(p.deny, a):
		return refused
	case within(p.allow, a):
		return allowed
	case slices.Contains(p.relayed, a):
		return relayed
	case !isPublic(a) || slices.Contains(*p.own.Load(), a):
		return refused
	}
	return allowed
}

// peer judges an address with its port.
func (p *peers) peer(a netip.AddrPort) verdict {
	if a.Port() < firstPeerPort {
		return refused
	}
	return p.address(a.Addr())
}

// PublicAddresses returns the addresses of this computer that can be reached from
// the internet, at most one IPv4 and one IPv6. Behind a NAT there are none.
func PublicAddresses() ([]netip.Addr, error) {
	var p peers
	if err := p.look(); err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range *p.own.Load() {
		if isPublic(a) && !slices.ContainsFunc(out, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
			out = append(out, a)
		}
	}
	return out, nil
}
