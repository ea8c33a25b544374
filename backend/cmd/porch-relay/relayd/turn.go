package relayd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/porch-call/porch/backend/relay/turn"
)

// openTurn opens STUN and TURN.
func openTurn(ctx context.Context, s settings, secret []byte, quota func(string, int64) bool, log *slog.Logger) (*turn.Server, error) {
	public, err := s.publicAddresses(ctx, turn.PublicAddresses)
	if err != nil {
		return nil, err
	}
	first, last, err := portRange(s.turnPorts)
	if err != nil {
		return nil, err
	}
	allow, err := prefixes(s.turnAllow)
	if err != nil {
		return nil, err
	}
	deny, err := prefixes(s.turnDeny)
	if err != nil {
		return nil, err
	}
	_, urls, err := s.turnURLs()
	if err != nil {
		return nil, err
	}
	return turn.Open(ctx, turn.Options{
		Secret: secret, Realm: s.host(), Listen: s.turnListen, Public: public,
		FirstPort: first, LastPort: last, TURN: urls, TTL: s.turnTTL,
		AllowPeers: allow, DenyPeers: deny, Quota: quota, Logger: log,
	})
}

// host returns the domain without a port.
func (s settings) host() string {
	if host, _, err := net.SplitHostPort(s.domain); err == nil {
		return host
	}
	return s.domain
}

// turnURLs returns the addresses of STUN (RFC 7064) and TURN (RFC 7065): over
// UDP, over TCP, and over TLS at the port of HTTPS, which the strictest networks
// let through.
func (s settings) turnURLs() (stun, urls []string, err error) {
	_, port, err := splitAddress(s.turnListen)
	if err != nil {
		return nil, nil, fmt.Errorf("-turn-listen: %w", err)
	}
	_, https, err := splitAddress(s.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("-listen: %w", err)
	}
	if _, named, err := net.SplitHostPort(s.domain); err == nil {
		if https, err = strconv.Atoi(named); err != nil {
			return nil, nil, err
		}
	}
	at := func(port int) string { return net.JoinHostPort(s.host(), strconv.Itoa(port)) }
	return []string{"stun:" + at(port)}, []string{
		"turn:" + at(port) + "?transport=udp",
		"turn:" + at(port) + "?transport=tcp",
		"turns:" + at(https) + "?transport=tcp",
	}, nil
}

// publicAddresses returns the addresses at which peers find relayed media: those
// of the settings, else this machine's own, else the domain's. The last are for a
// machine behind a NAT that maps ports one to one, as in many clouds.
func (s settings) publicAddresses(ctx context.Context, own func() ([]netip.Addr, error)) ([]netip.Addr, error) {
	var out []netip.Addr
	if len(s.turnAddresses) > 0 {
		for _, a := range s.turnAddresses {
			ip, err := netip.ParseAddr(a)
			if err != nil {
				return nil, err
			}
			out = append(out, ip)
		}
		return out, nil
	}
	out, err := own()
	if err != nil || len(out) > 0 {
		return out, err
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host())
	for _, ip := range found {
		ip = ip.Unmap()
		if ip.IsGlobalUnicast() && !ip.IsPrivate() && !hasFamily(out, ip) {
			out = append(out, ip)
		}
	}
	if len(out) == 0 {
		return nil, errors.Join(fmt.Errorf("turn: this machine has no public IP address, and %s leads to none: say -turn-addresses, or -turn=false", s.host()), err)
	}
	return out, nil
}

func hasFamily(all []netip.Addr, a netip.Addr) bool {
	for _, b := range all {
		if a.Is4() == b.Is4() {
			return true
		}
	}
	return false
}
