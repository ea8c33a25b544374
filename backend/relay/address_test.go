package relay

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
	lo := networkInterface{up: true, addresses: addrs("127.0.0.1", "::1")}
	wifi := networkInterface{up: true, addresses: addrs("fe80::1%wlan0", "fd00::5", "192.168.1.5", "192.168.1.6")}
	down := networkInterface{addresses: addrs("192.168.9.9")}
	tunnel := networkInterface{up: true, name: "wg0", tunnel: true, addresses: addrs("100.64.0.3")}
	vpn := networkInterface{up: true, name: "tap0", tunnel: true, addresses: addrs("10.8.0.2")}
	bridge := networkInterface{up: true, virtual: true, addresses: addrs("172.17.0.1")}
	second := networkInterface{up: true, addresses: addrs("10.1.1.1")}
	cable := networkInterface{up: true, routed: true, addresses: addrs("192.168.7.2")}
	public := networkInterface{up: true, addresses: addrs("203.0.113.9")}
	only6 := networkInterface{up: true, addresses: addrs("fe80::2", "2001:db8::7")}
	for _, tc := range []struct {
		name       string
		interfaces []networkInterface
		outward    string
		want       []string
	}{
		{"none", nil, "", nil},
		{"alone", []networkInterface{lo}, "", nil},
		{"one", []networkInterface{lo, wifi}, "", []string{"192.168.1.5"}},
		{"second address is outward", []networkInterface{lo, wifi}, "192.168.1.6", []string{"192.168.1.6"}},
		{"down", []networkInterface{lo, down}, "192.168.9.9", nil},
		{"likeliest first", []networkInterface{lo, only6, tunnel, public, bridge, wifi}, "192.168.1.5",
			[]string{"192.168.1.5", "203.0.113.9", "2001:db8::7", "172.17.0.1", "100.64.0.3 wg0"}},
		{"outward through a tunnel", []networkInterface{tunnel, wifi}, "100.64.0.3", []string{"192.168.1.5", "100.64.0.3 wg0"}},
		{"which of several the house's is", []networkInterface{tunnel, vpn, bridge, second, cable}, "10.8.0.2",
			[]string{"192.168.7.2", "10.1.1.1", "172.17.0.1", "10.8.0.2 tap0", "100.64.0.3 wg0"}},
		{"a tunnel alone", []networkInterface{lo, vpn}, "10.8.0.2", []string{"10.8.0.2 tap0"}},
		{"twice the same", []networkInterface{wifi, wifi}, "", []string{"192.168.1.5"}},
	} {
		var outward netip.Addr
		if tc.outward != "" {
			outward = netip.MustParseAddr(tc.outward)
		}
		var got []string
		for _, a := range networkAddresses(tc.interfaces, outward) {
			got = append(got, strings.TrimSpace(a.addr.String()+" "+a.tunnel))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestAddressesFor(t *testing.T) {
	network := []networkAddress{{addr: addrs("192.168.1.5")[0]}, {addrs("fd00::5")[0], "wg0"}}
	local := Address{Base: "http://localhost:7674", Reach: ReachComputer}
	four := Address{Base: "https://192.168.1.5:7674", Reach: ReachNetwork}
	six := Address{Base: "https://[fd00::5]:7674", Reach: ReachNetwork, Tunnel: "wg0"}
	for bound, want := range map[string][]Address{
		"[::]:7674":         {local, four, six},
		"0.0.0.0:7674":      {local, four},
		"127.0.0.1:7674":    {local},
		"[::1]:7674":        {local},
		"127.0.0.2:7674":    {{Base: "http://127.0.0.2:7674", Reach: ReachComputer}},
		"192.168.1.9:7674":  {{Base: "https://192.168.1.9:7674", Reach: ReachNetwork}},
		"[fe80::1%x]:7674":  {{Base: "https://[fe80::1]:7674", Reach: ReachNetwork}},
		"[2001:db8::]:7674": {{Base: "https://[2001:db8::]:7674", Reach: ReachNetwork}},
	} {
		if got := addressesFor(netip.MustParseAddrPort(bound), network); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", bound, got, want)
		}
	}
}

func TestThisMachinesAddresses(t *testing.T) {
	for _, a := range networkAddresses(networkInterfaces(), outwardAddress()) {
		if a.addr.IsLoopback() || a.addr.IsLinkLocalUnicast() || a.addr.Zone() != "" {
			t.Errorf("%v can't be opened from the network", a.addr)
		}
	}
}
