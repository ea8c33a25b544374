package netaddr

import (
	"os"
	"path/filepath"
	"strings"
)

// isTap reports whether an interface is a program's (TUN/TAP, Linux
// Documentation/networking/tuntap.rst), because a tap presents itself as
// Ethernet.
func isTap(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name, "tun_flags"))
	return err == nil
}

// defaultRoutes names the interfaces through which the routing table has a way to
// everywhere (proc_net_route: destination and mask are 0), even if a VPN has put
// a better one in front of it.
func defaultRoutes() (names []string) {
	table, err := os.ReadFile("/proc/thread-self/net/route")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 7 && f[1] == "00000000" && f[7] == "00000000" {
			names = append(names, f[0])
		}
	}
	return names
}
