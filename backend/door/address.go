package door

import (
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/porch-call/porch/backend/sealed"
)

// MaxEntries is how many addresses of the host one link holds at most.
const MaxEntries = 3

// minPort is the lowest port of a door: browsers refuse lower ones, and what answers there is somebody's service.
const minPort = 1024

// Entry is a way to the host's door.
type Entry struct {
	At       netip.AddrPort
	UDP, TCP bool // what the port takes; TCP is ICE over TCP
}

// Bits of an entry's kind.
const (
	kindUDP  = 1
	kindTCP  = 2
	kindIPv6 = 4
)

// maxAddress is how many characters an address has at most, so that its QR code can be read from a picture of a phone's
// size.
const maxAddress = 220

// Address returns the address of a link with a door: page + "#d1." + id + "." + secret + "." + door, and "." + next if
// there is a next. page is the address of the static page. next is the base (https://host) of another way to the link, to
// which the page goes on if the door does not open; "" for none. Entries that are not [Public] are left out, and so is
// what is above MaxEntries, and a next that would make the address too long. The address is "" if no entry is left. It
// must not be logged.
func Address(page string, id sealed.LinkID, secret sealed.Secret, i Identity, entries []Entry, next string) string {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !Public(e.At) })
	if len(entries) == 0 || i.IsZero() {
		return ""
	}
	fingerprint := i.Fingerprint()
	b := fingerprint[:]
	for _, e := range entries[:min(len(entries), MaxEntries)] {
		var kind byte
		if e.UDP {
			kind |= kindUDP
		}
		if e.TCP {
			kind |= kindTCP
		}
		if e.At.Addr().Is6() {
			kind |= kindIPv6
		}
		b = append(append(b, kind), e.At.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, e.At.Port())
	}
	text := base64.RawURLEncoding.EncodeToString
	address := strings.Join([]string{page + "#d1", string(id), secret.Reveal(), text(b)}, ".")
	if name, secure := strings.CutPrefix(next, "https://"); secure {
		if longer := address + "." + text([]byte(name)); len(longer) <= maxAddress {
			return longer
		}
	}
	return address
}

// special are addresses that lead nowhere, or elsewhere than on the internet (RFC 6890 and its registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
}

var global6 = netip.MustParsePrefix("2000::/3")

// Public reports whether a page may be sent there: a public address, and a port from 1024 on. A link must not aim its
// guests at their own network. The page decides in the same way (frontend/src/transport/door).
func Public(a netip.AddrPort) bool {
	ip := a.Addr()
	if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" || a.Port() < minPort || ip.Is6() && !global6.Contains(ip) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}
