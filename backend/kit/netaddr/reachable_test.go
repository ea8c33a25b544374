package netaddr

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addrs(s ...string) []netip.Addr {
	out := make([]netip.Addr, len(s))
	for i := range s {
		out[i] = netip.MustParseAddr(s[i])
	}
	return out
}

func TestNetworkAddresses(t *testing.T) {
	lo := Interface{Up: true, Addresses: addrs("127.0.0.1", "::1")}
	wifi := Interface{Up: true, Addresses: addrs("fe80::1%wlan0", "fd00::5", "192.168.1.5", "192.168.1.6")}
	down := Interface{Addresses: addrs("192.168.9.9")}
	tunnel := Interface{Up: true, Name: "wg0", Tunnel: true, Addresses: addrs("100.64.0.3")}
	vpn := Interface{Up: true, Name: "tap0", Tunnel: true, Addresses: addrs("10.8.0.2")}
	bridge := Interface{Up: true, Virtual: true, Addresses: addrs("172.17.0.1")}
	second := Interface{Up: true, Addresses: addrs("10.1.1.1")}
	cable := Interface{Up: true, Routed: true, Addresses: addrs("192.168.7.2")}
	public := Interface{Up: true, Addresses: addrs("203.0.113.9")}
	only6 := Interface{Up: true, Addresses: addrs("fe80::2", "2001:db8::7")}
	for _, tc := range []struct {
		name       string
		interfaces []Interface
		outward    string
		want       []string
	}{
		{"none", nil, "", nil},
		{"alone", []Interface{lo}, "", nil},
		{"one", []Interface{lo, wifi}, "", []string{"192.168.1.5"}},
		{"second address is outward", []Interface{lo, wifi}, "192.168.1.6", []string{"192.168.1.6"}},
		{"down", []Interface{lo, down}, "192.168.9.9", nil},
		{"likeliest first", []Interface{lo, only6, tunnel, public, bridge, wifi}, "192.168.1.5",
			[]string{"192.168.1.5", "203.0.113.9", "2001:db8::7", "172.17.0.1", "100.64.0.3 wg0"}},
		{"outward through a tunnel", []Interface{tunnel, wifi}, "100.64.0.3", []string{"192.168.1.5", "100.64.0.3 wg0"}},
		{"which of several the house's is", []Interface{tunnel, vpn, bridge, second, cable}, "10.8.0.2",
			[]string{"192.168.7.2", "10.1.1.1", "172.17.0.1", "10.8.0.2 tap0", "100.64.0.3 wg0"}},
		{"a tunnel alone", []Interface{lo, vpn}, "10.8.0.2", []string{"10.8.0.2 tap0"}},
		{"twice the same", []Interface{wifi, wifi}, "", []string{"192.168.1.5"}},
	} {
		var outward netip.Addr
		if tc.outward != "" {
			outward = netip.MustParseAddr(tc.outward)
		}
		var got []string
		for _, a := range Reachable(tc.interfaces, outward) {
			got = append(got, strings.TrimSpace(a.Addr.String()+" "+a.Tunnel))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestThisMachinesAddresses(t *testing.T) {
	for _, a := range Reachable(Interfaces(), Outward()) {
		if a.Addr.IsLoopback() || a.Addr.IsLinkLocalUnicast() || a.Addr.Zone() != "" {
			t.Errorf("%v can't be opened from the network", a.Addr)
		}
	}
}
