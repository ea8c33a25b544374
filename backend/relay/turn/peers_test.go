package turn

import (
	"net/netip"
	"testing"
)

func TestPeers(t *testing.T) {
	own := netip.MustParseAddr("9.9.9.1")
	p := peers{relayed: []netip.Addr{netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("2a00::9")}}
	p.own.Store(&[]netip.Addr{own, netip.MustParseAddr("10.1.2.3")})
	for address, want := range map[string]verdict{
		"8.8.8.8": allowed, "2a00:1450:4001::1": allowed, "::ffff:8.8.8.8": allowed,
		"9.9.9.9": relayed, "::ffff:9.9.9.9": relayed, "2a00::9": relayed,
		"9.9.9.1": refused, "10.1.2.3": refused,

		"0.0.0.0": refused, "0.1.2.3": refused, "10.0.0.1": refused, "100.64.0.1": refused, "100.127.255.255": refused,
		"100.128.0.1": allowed, "127.0.0.1": refused, "169.254.169.254": refused, "172.16.0.1": refused,
		"172.31.255.255": refused, "172.32.0.1": allowed, "192.0.0.8": refused, "192.0.2.1": refused, "192.88.99.1": refused,
		"192.168.0.1": refused, "198.18.0.1": refused, "198.19.255.255": refused, "198.51.100.1": refused,
		"203.0.113.1": refused, "224.0.0.1": refused, "239.255.255.250": refused, "240.0.0.1": refused,
		"255.255.255.255": refused,

		"::": refused, "::1": refused, "::ffff:127.0.0.1": refused, "::ffff:10.0.0.1": refused, "::ffff:0:10.0.0.1": refused,
		"::10.0.0.1": refused, "::8.8.8.8": refused, "64:ff9b::10.0.0.1": refused, "64:ff9b::8.8.8.8": refused,
		"64:ff9b:1::1": refused, "100::1": refused, "2001::1": refused, "2001:0:4136:e378:8000:63bf:3fff:fdd2": refused,
		"2001:2::1": refused, "2001:10::1": refused, "2001:20::1": refused, "2001:db8::1": refused, "2001:4860::1": allowed,
		"2002:a00:1::1": refused, "2002:808:808::1": refused, "3fff::1": refused, "5f00::1": refused, "fc00::1": refused,
		"fd00::1": refused, "fe80::1": refused, "fec0::1": refused, "ff02::1": refused,
	} {
		if got := p.address(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, not %v", address, got, want)
		}
	}
	if p.address(netip.Addr{}) != refused || p.address(netip.MustParseAddr("2a00::1").WithZone("eth0")) != refused {
		t.Error("what is no address is not refused")
	}
	for port, want := range map[uint16]verdict{0: refused, 53: refused, 1023: refused, 1024: allowed, 65535: allowed} {
		if got := p.peer(netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), port)); got != want {
			t.Errorf("port %d: %v, not %v", port, got, want)
		}
	}

	p.allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("9.9.9.0/24")}
	p.deny = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("8.8.0.0/16"), netip.MustParsePrefix("2a00:64::/96")}
	for address, want := range map[string]verdict{
		"10.0.0.1": allowed, "10.9.0.1": refused, "8.8.8.8": refused, "9.9.9.9": allowed, "2a00:64::a00:1": refused, "::ffff:10.9.0.1": refused,
	} {
		if got := p.address(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, not %v", address, got, want)
		}
	}
}
