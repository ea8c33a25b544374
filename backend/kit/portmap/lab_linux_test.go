package portmap

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The laboratory has a real miniupnpd as the router, in network namespaces:
//
//	host 192.168.7.2, fd00/2a02 – router 192.168.7.1 | 44.128.2.1 – public 44.128.2.2
//
// The host is a process of this test, which asks for a port and answers datagrams.
const (
	labChild   = "PORCH_PORTMAP_LAB" // the way to ask by; "all" for all
	labSeconds = "PORCH_PORTMAP_SECONDS"
)

// labSaid is a line that the host writes.
type labSaid struct {
	Status Status
	Open   []string // external addresses
	Took   time.Duration
}

// TestLabHost is the host's process, not a test.
func TestLabHost(t *testing.T) {
	by := os.Getenv(labChild)
	if by == "" {
		t.Skip("it is a part of TestLaboratory")
	}
	o := Options{}
	if by != "all" {
		o.only = by
	}
	if s := os.Getenv(labSeconds); s != "" {
		var err error
		if o.Lifetime, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	m := New(o)
	defer m.Close()
	c, err := net.ListenUDP("udp", &net.UDPAddr{Port: 40000})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { // answers what arrives
		for b := make([]byte, 1500); ; {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	begun := time.Now()
	m.Enable(true)
	l := m.Want(context.Background(), UDP, 40000)
	<-l.Settled()
	said := labSaid{Status: m.Status(), Took: time.Since(begun)}
	for _, o := range l.Mappings() {
		said.Open = append(said.Open, o.External.String())
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it
}

type lab struct {
	t      *testing.T
	prefix string
}

func newLab(t *testing.T, rules string) *lab {
	t.Helper()
	if os.Getenv("PORCH_LAB") == "" {
		t.Skip("the laboratory takes minutes: make lab")
	}
	for _, tool := range []string{"ip", "nft", "miniupnpd", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the laboratory needs ", tool)
		}
	}
	l := &lab{t: t, prefix: fmt.Sprintf("pm%d-", os.Getpid())}
	for _, s := range []string{"host", "router", "public"} {
		l.run("ip netns add " + l.prefix + s)
		t.Cleanup(func() { l.run("ip netns del " + l.prefix + s) })
		l.in(s, "ip link set lo up")
	}
	l.run("ip link add lan0 netns " + l.prefix + "router type veth peer name eth0 netns " + l.prefix + "host")
	l.run("ip link add wan0 netns " + l.prefix + "router type veth peer name eth0 netns " + l.prefix + "public")
	for _, c := range []string{
		"host ip addr add 192.168.7.2/24 dev eth0", "host ip addr add 2a02:db8:7::2/64 dev eth0 nodad", "host ip link set eth0 up",
		"router ip addr add 192.168.7.1/24 dev lan0", "router ip addr add 2a02:db8:7::1/64 dev lan0 nodad", "router ip link set lan0 up",
		"router ip addr add 44.128.2.1/24 dev wan0", "router ip addr add 2a02:db8:2::1/64 dev wan0 nodad", "router ip link set wan0 up",
		"public ip addr add 44.128.2.2/24 dev eth0", "public ip addr add 2a02:db8:2::2/64 dev eth0 nodad", "public ip link set eth0 up",
		"host ip route add default via 192.168.7.1", "host ip -6 route add default via 2a02:db8:7::1",
		"public ip -6 route add 2a02:db8:7::/64 via 2a02:db8:2::1",
		"router sysctl -qw net.ipv4.ip_forward=1", "router sysctl -qw net.ipv6.conf.all.forwarding=1",
	} {
		space, command, _ := strings.Cut(c, " ")
		l.in(space, command)
	}
	dir := t.TempDir()
	nft := filepath.Join(dir, "nft.conf")
	l.write(nft, `table inet filter {
	chain miniupnpd { }
	chain prerouting_miniupnpd { }
	chain postrouting_miniupnpd { }
	chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname "lan0" oifname "wan0" accept; jump miniupnpd; }
	chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
	chain postrouting { type nat hook postrouting priority 100; jump postrouting_miniupnpd; meta nfproto ipv4 oifname "wan0" masquerade; }
}`)
	l.in("router", "nft -f "+nft)
	natPMP := "yes" // and PCP
	if rules == "" {
		natPMP = "no"
	}
	conf := filepath.Join(dir, "miniupnpd.conf")
	l.write(conf, `ext_ifname=wan0
listening_ip=lan0
http_port=0
enable_natpmp=`+natPMP+`
enable_upnp=yes
min_lifetime=5
max_lifetime=86400
secure_mode=yes
system_uptime=yes
uuid=3f6c2b0a-5f0d-4a43-9d4c-5d4e7e1f0a01
force_igd_desc_v1=no
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
`+rules+`
deny 0-65535 0.0.0.0/0 0-65535
`)
	daemon := exec.Command("ip", "netns", "exec", l.prefix+"router", "miniupnpd", "-d", "-f", conf, "-P", filepath.Join(dir, "pid"))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if rules == allowed { // a refusal tries each port, and says so of each
		daemon.Stdout, daemon.Stderr = log, log
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
		_ = log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("miniupnpd: %s", b)
		}
	})
	until(t, "miniupnpd", func() bool {
		b, _ := exec.Command("ip", "netns", "exec", l.prefix+"router", "ss", "-Hlun", "sport = :1900").Output()
		return len(b) > 0
	})
	return l
}

func (l *lab) write(path, text string) {
	l.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) run(command string) {
	l.t.Helper()
	f := strings.Fields(command)
	if b, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v: %s", command, err, b)
	}
}

func (l *lab) in(space, command string) {
	l.t.Helper()
	l.run("ip netns exec " + l.prefix + space + " " + command)
}

// host starts the host, and returns what it said first. quit ends it in peace, and
// kill by SIGKILL.
func (l *lab) host(by, seconds string) (said labSaid, quit, kill func()) {
	l.t.Helper()
	c := exec.Command("ip", "netns", "exec", l.prefix+"host", os.Args[0], "-test.run=^TestLabHost$")
	c.Env = append(os.Environ(), labChild+"="+by, labSeconds+"="+seconds)
	in, err := c.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	end := func(f func()) func() {
		return func() {
			f()
			_, _ = io.Copy(io.Discard, out)
			_ = c.Wait()
		}
	}
	quit, kill = end(func() { _ = in.Close() }), end(func() { _ = c.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &said) != nil {
		kill()
		l.t.Fatalf("the host said %q, %v", line, err)
	}
	return said, quit, kill
}

// reaches reports whether a datagram from the internet is answered.
func (l *lab) reaches(to string) bool {
	l.t.Helper()
	a := netip.MustParseAddrPort(to)
	family := "UDP4-SENDTO"
	address := a.Addr().String()
	if a.Addr().Is6() {
		family, address = "UDP6-SENDTO", "["+address+"]"
	}
	c := exec.Command("ip", "netns", "exec", l.prefix+"public", "socat", "-t1", "-T1", "-", fmt.Sprintf("%s:%s:%d", family, address, a.Port()))
	c.Stdin = strings.NewReader("ping")
	b, _ := c.Output()
	return string(b) == "ping"
}

const allowed = "allow 1024-65535 192.168.7.0/24 1024-65535"

// TestLaboratory asks a real router by each protocol.
func TestLaboratory(t *testing.T) {
	for _, by := range []string{"PCP", "NAT-PMP", "UPnP", "all"} {
		t.Run(by, func(t *testing.T) {
			l := newLab(t, allowed)
			said, quit, _ := l.host(by, "")
			t.Logf("%s after %v: %v, %+v", by, said.Took, said.Open, said.Status)
			want := by
			if by == "all" {
				want = "PCP"
			}
			if said.Status.State != Open || said.Status.By != want || said.Status.External.String() != "44.128.2.1" {
				t.Errorf("status: %+v", said.Status)
			}
			v6 := by == "PCP" || by == "all"
			if len(said.Open) == 0 || v6 != (len(said.Open) == 2) {
				t.Errorf("open: %q", said.Open)
			}
			for _, to := range said.Open {
				if !l.reaches(to) {
					t.Errorf("%s: no answer from the internet", to)
				}
			}
			if l.reaches("44.128.2.1:40999") {
				t.Error("an unmapped port answers")
			}
			quit()
			// Another program at the port shows whether the router still lets in.
			again, quit, _ := l.host("none", "")
			defer quit()
			if len(again.Open) != 0 {
				t.Fatalf("asked by nothing, and open: %q", again.Open)
			}
			if l.reaches(said.Open[0]) { // the pinhole ends with its lease; see maxPinhole
				t.Errorf("%s is still open after the end", said.Open[0])
			}
		})
	}
}

// TestLaboratoryKilled: what a killed program leaves behind ends with its lease.
func TestLaboratoryKilled(t *testing.T) {
	for _, by := range []string{"PCP", "NAT-PMP", "UPnP"} {
		t.Run(by, func(t *testing.T) {
			l := newLab(t, allowed)
			said, _, kill := l.host(by, "8s")
			if len(said.Open) == 0 || !l.reaches(said.Open[0]) {
				t.Fatalf("open: %q", said.Open)
			}
			kill()
			_, quit, _ := l.host("none", "")
			defer quit()
			if !l.reaches(said.Open[0]) {
				t.Fatal("closed with the program already: the test would show nothing")
			}
			begun := time.Now()
			for _, to := range said.Open {
				for l.reaches(to) {
					if time.Since(begun) > 60*time.Second {
						t.Fatalf("%s is still open after a minute", to)
					}
				}
				t.Logf("%s closed %v after the program was killed", to, time.Since(begun).Round(time.Second))
			}
		})
	}
}

// TestLaboratoryRefused: a router that maps nothing is told as such. PCP is off,
// because miniupnpd answers a request that its rules forbid only after it has tried
// every port.
func TestLaboratoryRefused(t *testing.T) {
	l := newLab(t, "")
	said, quit, _ := l.host("all", "")
	defer quit()
	t.Logf("after %v: %+v", said.Took, said.Status)
	for _, open := range said.Open {
		if netip.MustParseAddrPort(open).Addr().Is4() {
			t.Errorf("open: %q", said.Open)
		}
	}
	if said.Status.Router.String() != "192.168.7.1" || said.Status.State != Refused {
		t.Errorf("status: %+v", said.Status)
	}
}
