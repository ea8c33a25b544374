package description

import (
	"net/netip"

	"github.com/pion/ice/v4"
)

// Acceptable reports whether checks may be sent to a candidate. A guest names
// addresses to which we then send, so they must not lead to well-known services or
// to all hosts on the network. This machine's own addresses are accepted, except
// loopback. A guest on this machine who came through a public relay has no others,
// and looks like a guest elsewhere. Only checks (RFC 8445) go there, and only to
// ports that no well-known service has. own is set for the host's own window, whose
// addresses are all accepted. refused tells addresses that no guest may name.
func Acceptable(text string, own bool, refused func(netip.AddrPort) bool) bool {
	c, err := ice.UnmarshalCandidate(text)
	if err != nil || !c.NetworkType().IsUDP() {
		return false
	}
	a, err := netip.ParseAddr(c.Address())
	if err != nil {
		return false // an mDNS name; the checks of such a guest show its address
	}
	a = a.Unmap()
	switch {
	case own:
		return true
	case c.Port() <= 0 || c.Port() > 65535,
		a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(),
		a.Is6() && a.IsLinkLocalUnicast(), // means nothing without a zone
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case c.Port() < 1024: // as browsers do
		return (c.Port() == 80 || c.Port() == 443) && !a.IsPrivate() && !a.IsLinkLocalUnicast()
	}
	return !refused(netip.AddrPortFrom(a, uint16(c.Port())))
}
