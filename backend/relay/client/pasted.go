package client

import (
	"strings"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/hostname"
	"github.com/porch-call/porch/backend/signalling"
)

// ParsePasted reads a relay's address as people paste it: with or without
// "https://", with a slash at its end, in capitals. It returns the one text by
// which the relay is known, the base of addresses: "https://relay.example" or
// "https://relay.example:8443". Faults: RelayIsLink for the address of a call,
// RelayAddressInvalid. The error never repeats the text, which may be a link.
func ParsePasted(text string) (string, error) {
	base, err := ParseURL(text)
	if err == nil {
		return base, nil
	}
	scheme, rest, found := strings.Cut(strings.TrimSpace(text), "://")
	if !found {
		scheme, rest = "https", scheme
	}
	host, path, _ := strings.Cut(rest, "/")
	if strings.HasPrefix(path, "j/") || strings.HasPrefix(path, "#") {
		return "", fault.New(fault.RelayIsLink, nil)
	}
	if strings.EqualFold(scheme, "http") && strings.Trim(path, "/") == "" { // a relay sends it on to https anyway
		return ParseURL("https://" + strings.TrimSuffix(host, ":80"))
	}
	return "", err
}

// Name is how people know a relay: its host, and its port if it has one of its
// own. A name of another script is in that script where it can't be taken for
// another name. base is what ParsePasted returned.
func Name(base string) string {
	_, name, _ := strings.Cut(base, "://")
	if host, port, found := strings.Cut(name, ":"); found && !strings.HasPrefix(name, "[") {
		return hostname.Shown(host) + ":" + port
	}
	return hostname.Shown(name)
}

// ParseInvitation reads an invitation as people paste it: one word of printable
// ASCII, or nothing. Fault: InvitationInvalid.
func ParseInvitation(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > signalling.MaxInvitation {
		return "", fault.Newf(fault.InvitationInvalid, "invitation of %d bytes", len(text))
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return "", fault.New(fault.InvitationInvalid, nil)
		}
	}
	return text, nil
}
