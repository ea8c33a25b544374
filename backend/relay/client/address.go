package client

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/hostname"
)

// maxAddress is the longest address of a relay, in bytes.
const maxAddress = 512

// ParseURL returns the base of links for a relay's address as a person types or
// pastes it: "relay.example", "https://relay.example:8443/", "réle.example". The
// base is in ASCII, as links are. It takes plain HTTP for this computer only. The
// fault is [fault.RelayAddressInvalid].
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
	host, ok := hostname.ASCII(u.Hostname())
	port := u.Port()
	switch {
	case !ok:
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

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}
