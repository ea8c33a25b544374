package host

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// maxRelayAddress is above any relay's address, in bytes.
const maxRelayAddress = 512

// maxInvitation bounds an invitation, in bytes.
const maxInvitation = 256

// parseRelay reads a relay's address as people paste it: with or without
// "https://", with a slash at its end, in capitals. It returns the one text by
// which the relay is known, the base of addresses: "https://relay.example" or
// "https://relay.example:8443". Faults: RelayIsLink for the address of a call,
// RelayAddressInvalid. The error never repeats the text, which may be a link.
func parseRelay(text string) (string, error) {
	invalid := func(what string) (string, error) {
		return "", fault.Newf(fault.RelayAddressInvalid, "relay address: %s", what)
	}
	text = strings.TrimSpace(text)
	if len(text) > maxRelayAddress {
		return invalid("too long")
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "https", text
	}
	switch strings.ToLower(scheme) {
	case "https", "http": // a relay sends http on to https anyway
	default:
		return invalid("scheme")
	}
	u, err := url.Parse("https://" + rest)
	if err != nil { // its text holds the address: dropped
		return invalid("not a URL")
	}
	if strings.HasPrefix(u.Path, "/j/") || u.Fragment != "" {
		return "", fault.New(fault.RelayIsLink, nil)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Trim(u.Path, "/") != "" {
		return invalid("more than a host")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if address, err := netip.ParseAddr(host); err == nil && address.Zone() == "" {
		host = address.String()
		if address.Is6() {
			host = "[" + host + "]"
		}
	} else if !isDomain(host) {
		return invalid("host")
	}
	switch port := u.Port(); {
	case port == "" && strings.HasSuffix(u.Host, ":"):
		return invalid("port")
	case port == "" || port == "443" || port == "80" && strings.EqualFold(scheme, "http"):
	default:
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return invalid("port")
		}
		host += ":" + strconv.FormatUint(n, 10)
	}
	return "https://" + host, nil
}

// isDomain is RFC 1123 section 2.1 for a name, international ones in their ASCII
// form.
func isDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
		last = label
	}
	// A name that ends in a number is a mistyped address (WHATWG URL section 3.5).
	return strings.Trim(last, "0123456789") != ""
}

// relayName is how people know a relay: its host, and its port if it has one of
// its own. base is what parseRelay returned.
func relayName(base string) string { return strings.TrimPrefix(base, "https://") }

// parseInvitation reads an invitation as people paste it: one word of printable
// ASCII, or nothing. Fault: InvitationInvalid.
func parseInvitation(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxInvitation {
		return "", fault.Newf(fault.InvitationInvalid, "invitation of %d bytes", len(text))
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return "", fault.New(fault.InvitationInvalid, nil)
		}
	}
	return text, nil
}
