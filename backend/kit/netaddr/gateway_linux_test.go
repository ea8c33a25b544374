package netaddr

import (
	"net/netip"
	"testing"
)

func TestRoutes(t *testing.T) {
	four := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
		"wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000080\t0\t0\t0\nshort\t00000000\n"
	got := parseRoutes4(four)
	if len(got) != 2 || got[0] != (wayOut{netip.MustParseAddr("192.0.2.1"), "eth0", 100}) || got[1].gateway != netip.MustParseAddr("192.168.0.1") {
		t.Errorf("IPv4: %v", got)
	}
	none := "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
	six := none + "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n" +
		"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	if got := parseRoutes6(six); len(got) != 1 || got[0] != (wayOut{netip.MustParseAddr("fe80::1"), "eth0", 1024}) {
		t.Errorf("IPv6: %v", got)
	}
}
