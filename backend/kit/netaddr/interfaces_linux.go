package netaddr

import (
	"os"
	"path/filepath"
	"strings"
)

// isTap tells whether an interface is a program's (TUN/TAP, Linux
// Documentation/networking/tuntap.rst): a tap says of itself that it is
// Ethernet.
func isTap(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name, "tun_flags"))
	return err == nil
}

// defaultRoutes names the interfaces through which the routing table has a way
// to everywhere (proc_net_route: destination and mask are 0), also where a VPN
// has put a better one before it.
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
