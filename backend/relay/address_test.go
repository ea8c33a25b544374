package relay

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

func addrs(s ...string) []netip.Addr {
	out := make([]netip.Addr, len(s))
	for i := range s {
		out[i] = netip.MustParseAddr(s[i])
	}
	return out
}

func TestAddressesFor(t *testing.T) {
	network := []netaddr.Address{{Addr: addrs("192.168.1.5")[0]}, {Addr: addrs("fd00::5")[0], Tunnel: "wg0"}}
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
