package client

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// maxAddress is the longest address of a relay, in bytes.
const maxAddress = 512

// ParseURL returns the base of links for a relay's address as a person types
// or pastes it: "relay.example", "https://relay.example:8443/". Plain HTTP is
// for this computer only. [fault.RelayAddressInvalid] for what is no such
// address.
func ParseURL(address string) (base string, err error) {
	invalid := func(what string) (string, error) {
		return "", fault.Newf(fault.RelayAddressInvalid, "relay address: %s", what)
	}
	address = strings.TrimSpace(address)
	if len(address) > maxAddress {
		return invalid("too long")
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return invalid("not a URL")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch {
	case !isHost(host):
		return invalid("no host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return invalid("more than a host")
	case u.Scheme == "http" && !isLoopback(host):
		return invalid("not https")
	case u.Scheme != "https" && u.Scheme != "http":
		return invalid("not https")
	case port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80":
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port), nil
}

// isHost reports whether host is an address or a name in ASCII, as browsers
// write it.
func isHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}
