package netaddr

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultWays returns the ways to everywhere, the one in use first
// (proc_net_route, and its neighbour for IPv6).
func defaultWays() []wayOut {
	four, _ := os.ReadFile("/proc/thread-self/net/route") // without a table, there are no routes
	six, _ := os.ReadFile("/proc/thread-self/net/ipv6_route")
	return append(parseRoutes4(string(four)), parseRoutes6(string(six))...)
}

func parseRoutes4(table string) (routes []wayOut) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		raw, err := hex.DecodeString(f[2])
		metric, bad := strconv.ParseUint(f[6], 10, 32)
		if err != nil || bad != nil || len(raw) != 4 {
			continue
		}
		var a [4]byte // the table shows the number as this machine reads it
		binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(raw))
		routes = append(routes, wayOut{netip.AddrFrom4(a), f[0], metric})
	}
	slices.SortStableFunc(routes, func(a, b wayOut) int { return cmp.Compare(a.metric, b.metric) })
	return routes
}

func parseRoutes6(table string) (routes []wayOut) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || f[9] == "lo" {
			continue
		}
		raw, err := hex.DecodeString(f[4])
		metric, bad := strconv.ParseUint(f[5], 16, 64)
		gateway, ok := netip.AddrFromSlice(raw)
		if err != nil || bad != nil || !ok {
			continue
		}
		routes = append(routes, wayOut{gateway, f[9], metric})
	}
	slices.SortStableFunc(routes, func(a, b wayOut) int { return cmp.Compare(a.metric, b.metric) })
	return routes
}
