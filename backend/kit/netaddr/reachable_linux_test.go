package netaddr

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// showsAddresses makes this program print which addresses can be opened, for a test in another network namespace.
const showsAddresses = "PORCH_TEST_SHOWS_ADDRESSES"

// TestTheHousesAddressIsFirst runs on a computer simulated by the kernel, with a
// VPN that has taken the way to the internet. The house's address must come
// first, and the tunnels' last, with their names.
func TestTheHousesAddressIsFirst(t *testing.T) {
	if os.Getenv(showsAddresses) != "" {
		for _, i := range Interfaces() {
			if isTap(i.Name) {
				holdTunnel(t, i.Name)
			}
		}
		var found []string
		for _, a := range Reachable(Interfaces(), Outward()) {
			found = append(found, strings.TrimSpace(a.Addr.String()+" "+a.Tunnel))
		}
		if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, c := range []struct{ name, set, want string }{
		{"WireGuard's way, a rule and a table of its own", `
			ip tuntap add wg0 mode tun; ip addr add 10.66.0.2/32 dev wg0; ip link set wg0 up
			ip route add default dev wg0 table 51; ip rule add not fwmark 51 table 51 priority 100; ip rule add table main suppress_prefixlength 0 priority 99`,
			"192.168.77.5|172.17.0.1|10.66.0.2 wg0"},
		{"OpenVPN's way, two halves, and a tap with another name", `
			ip tuntap add office mode tap; ip addr add 10.8.0.2/24 dev office; ip link set office up
			ip route add 0.0.0.0/1 via 10.8.0.1; ip route add 128.0.0.0/1 via 10.8.0.1`,
			"192.168.77.5|172.17.0.1|10.8.0.2 office"},
		{"a better default route", `
			ip tuntap add tailscale0 mode tun; ip addr add 100.100.1.1/32 dev tailscale0; ip link set tailscale0 up
			ip route add default dev tailscale0 metric 1`,
			"192.168.77.5|172.17.0.1|100.100.1.1 tailscale0"},
		{"the only default route", `
			ip route del default; ip tuntap add tun0 mode tun; ip addr add 10.9.0.2/32 dev tun0; ip link set tun0 up
			ip route add default dev tun0`,
			"192.168.77.5|172.17.0.1|10.9.0.2 tun0"},
		{"no tunnel", "", "192.168.77.5|172.17.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			space := fmt.Sprintf("porch-address-%d", os.Getpid())
			run := func(script string) string {
				cmd := exec.Command("sh", "-ec", script)
				cmd.Env = append(os.Environ(), showsAddresses+"=1")
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v", script, err)
				}
				return string(out)
			}
			run("ip netns add " + space)
			t.Cleanup(func() { run("ip netns del " + space) })
			inside := func(script string) string { return run("ip netns exec " + space + " sh -ec '" + script + "'") }
			// docker0 comes before the cable in the system's order.
			inside(`ip link set lo up
				ip link add docker0 type veth peer name inside; ip link set inside up; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
				ip link add eth0 type veth peer name street; ip link set street up; ip link set eth0 up
				ip addr add 192.168.77.5/24 dev eth0; ip route add default via 192.168.77.1` + "\n" + c.set)
			var got []string
			out := inside(os.Args[0] + " -test.run=^TestTheHousesAddressIsFirst$")
			if err := json.Unmarshal([]byte(strings.Split(out, "\n")[0]), &got); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			if !slices.Equal(got, strings.Split(c.want, "|")) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// holdTunnel keeps a program at the other end of a tunnel until the test ends,
// because a tunnel without one has no carrier.
func holdTunnel(t *testing.T, name string) {
	flags, err := os.ReadFile("/sys/class/net/" + name + "/tun_flags")
	if err != nil {
		t.Fatal(err)
	}
	bits, err := strconv.ParseUint(strings.TrimSpace(string(flags)), 0, 16)
	if err != nil {
		t.Fatal(err)
	}
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() })
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(uint16(bits) & (unix.IFF_TUN | unix.IFF_TAP | unix.IFF_NO_PI))
	if err := unix.IoctlIfreq(int(device.Fd()), unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	for !slices.ContainsFunc(Interfaces(), func(i Interface) bool { return i.Name == name && i.Up }) {
		if t.Context().Err() != nil {
			t.Fatal(name + " has no carrier")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
