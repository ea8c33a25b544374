package path

import (
	"net/netip"
	"testing"
)

func TestBeyondNAT(t *testing.T) {
	for address, want := range map[string]bool{
		"198.51.100.1": true, "2001:db8::1": true,
		"192.168.1.1": false, "10.1.2.3": false, "fd00::2": false, // of this network
		"127.0.0.1": false, "::1": false, "169.254.1.1": false, "fe80::1": false,
	} {
		if got := beyondNAT(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
