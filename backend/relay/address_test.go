package relay

import (
	"net/netip"
	"slices"
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
	tunnel := networkInterface{up: true, toPeer: true, addresses: addrs("100.64.0.3")}
	bridge := networkInterface{up: true, addresses: addrs("172.17.0.1")}
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
			[]string{"192.168.1.5", "172.17.0.1", "203.0.113.9", "2001:db8::7", "100.64.0.3"}},
		{"outward through a tunnel", []networkInterface{wifi, tunnel}, "100.64.0.3", []string{"100.64.0.3", "192.168.1.5"}},
		{"twice the same", []networkInterface{wifi, wifi}, "", []string{"192.168.1.5"}},
	} {
		var outward netip.Addr
		if tc.outward != "" {
			outward = netip.MustParseAddr(tc.outward)
		}
		if got := networkAddresses(tc.interfaces, outward); !slices.Equal(got, addrs(tc.want...)) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestAddressesFor(t *testing.T) {
	network := addrs("192.168.1.5", "fd00::5")
	local := Address{"http://localhost:7674", ReachComputer}
	four, six := Address{"https://192.168.1.5:7674", ReachNetwork}, Address{"https://[fd00::5]:7674", ReachNetwork}
	for bound, want := range map[string][]Address{
		"[::]:7674":         {local, four, six},
		"0.0.0.0:7674":      {local, four},
		"127.0.0.1:7674":    {local},
		"[::1]:7674":        {local},
		"127.0.0.2:7674":    {{"http://127.0.0.2:7674", ReachComputer}},
		"192.168.1.9:7674":  {{"https://192.168.1.9:7674", ReachNetwork}},
		"[fe80::1%x]:7674":  {{"https://[fe80::1]:7674", ReachNetwork}},
		"[2001:db8::]:7674": {{"https://[2001:db8::]:7674", ReachNetwork}},
	} {
		if got := addressesFor(netip.MustParseAddrPort(bound), network); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", bound, got, want)
		}
	}
}

func TestThisMachinesAddresses(t *testing.T) {
	for _, a := range networkAddresses(networkInterfaces(), outwardAddress()) {
		if a.IsLoopback() || a.IsLinkLocalUnicast() || a.Zone() != "" {
			t.Errorf("%v can't be opened from the network", a)
		}
	}
}
