package topology

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/lab/link"
)

// Addresses of the network, of a range that is set aside for tests and routed nowhere (decision 31).
const (
	HostAddress = "44.129.0.2"
	hostGateway = "44.129.0.1"
	CoreAddress = hostGateway // where servers of the internet are
)

// Spaces of the network; a guest's is that of GuestSpace.
const (
	Host   = "host"
	Core   = "core"
	Router = "router" // of the host's home; see JoinHostByRouter
)

// Names of devices.
const (
	hostDevice  = "wan"
	coreDevice  = "home"
	homeDevice  = "lan" // the router's
	modemDevice = "modem"

	modemAddress = "44.129.1.2"
	modemGateway = "44.129.1.1"
)

// GuestSpace returns the namespace of guest i, which counts from 1.
func GuestSpace(i int) string { return fmt.Sprintf("g%d", i) }

// GuestAddress returns the address of guest i.
func GuestAddress(i int) string { return fmt.Sprintf("44.130.%d.2", i) }

func guestGateway(i int) string { return fmt.Sprintf("44.130.%d.1", i) }

// Net is the network. It is not safe for concurrent use.
type Net struct {
	prefix string
	spaces []string
	lines  []*Line
}

// Line joins a space to the core.
type Line struct {
	Space string
	link  *link.Link // nil: without limits
	up    []link.Step
	down  []link.Step
	// Up and Down are what was seen from and to the space, after the network was closed; nil without limits.
	Up, Down *link.Seen
}

// New makes host and core.
func New() (*Net, error) {
	n := &Net{prefix: fmt.Sprintf("lab%d", os.Getpid())}
	for _, s := range []string{Host, Core} {
		if err := n.add(s); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	if err := n.Run(Core, "sysctl", "-qw", "net.ipv4.ip_forward=1"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Net) add(space string) error {
	if err := run(exec.Command("ip", "netns", "add", n.prefix+space)); err != nil {
		return err
	}
	n.spaces = append(n.spaces, space)
	return n.ip(space, "link set lo up")
}

// JoinHost joins the host to the core by a line with these scripts. Without either it has no limit.
func (n *Net) JoinHost(up, down []link.Step) (*Line, error) {
	return n.join(Host, hostDevice, HostAddress, coreDevice, hostGateway, up, down)
}

// JoinHostByRouter joins the host to the core by a router of its own, without limits. Those are what Bucket sets.
func (n *Net) JoinHostByRouter() error {
	if err := n.add(Router); err != nil {
		return err
	}
	for _, c := range []struct{ space, near, address, farSpace, far, gateway string }{
		{Host, hostDevice, HostAddress, Router, homeDevice, hostGateway},
		{Router, modemDevice, modemAddress, Core, coreDevice, modemGateway},
	} {
		near, far := fmt.Sprintf("l%da", os.Getpid()), fmt.Sprintf("l%db", os.Getpid())
		if err := run(exec.Command("ip", "link", "add", near, "type", "veth", "peer", "name", far)); err != nil {
			return err
		}
		for _, end := range []struct{ name, space, as string }{{near, c.space, c.near}, {far, c.farSpace, c.far}} {
			if err := run(exec.Command("ip", "link", "set", end.name, "netns", n.prefix+end.space, "name", end.as)); err != nil {
				return err
			}
		}
		err := n.ip(c.space, "addr add "+c.address+" peer "+c.gateway+" dev "+c.near, "link set "+c.near+" up", "route add default via "+c.gateway)
		if err = errors.Join(err, n.ip(c.farSpace, "addr add "+c.gateway+" peer "+c.address+" dev "+c.far, "link set "+c.far+" up")); err != nil {
			return err
		}
	}
	err := n.Run(Router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	return errors.Join(err, n.ip(Core, "route add "+HostAddress+" via "+modemAddress+" dev "+coreDevice))
}

// AddGuest adds guest i.
func (n *Net) AddGuest(i int, up, down []link.Step) (*Line, error) {
	space := GuestSpace(i)
	if err := n.add(space); err != nil {
		return nil, err
	}
	return n.join(space, "eth0", GuestAddress(i), space, guestGateway(i), up, down)
}

func (n *Net) join(space, near, address, far, gateway string, up, down []link.Step) (*Line, error) {
	l := &Line{Space: space, up: up, down: down}
	nearNow, farNow := n.prefix+near, n.prefix+far
	if len(nearNow) > 14 || len(farNow) > 14 { // IFNAMSIZ
		nearNow, farNow = fmt.Sprintf("l%da", os.Getpid()), fmt.Sprintf("l%db", os.Getpid())
	}
	if len(up) == 0 && len(down) == 0 {
		if err := run(exec.Command("ip", "link", "add", nearNow, "type", "veth", "peer", "name", farNow)); err != nil {
			return nil, err
		}
	} else {
		var err error
		if l.link, err = link.Open(nearNow, farNow, lengthOf(up), lengthOf(down), uint64(len(n.lines)+1)); err != nil {
			return nil, err
		}
	}
	n.lines = append(n.lines, l)
	for _, end := range []struct{ name, space, as string }{{nearNow, space, near}, {farNow, Core, far}} {
		if err := run(exec.Command("ip", "link", "set", end.name, "netns", n.prefix+end.space, "name", end.as)); err != nil {
			return nil, err
		}
	}
	err := n.ip(space, "addr add "+address+" peer "+gateway+" dev "+near, "link set "+near+" up", "route add default via "+gateway)
	return l, errors.Join(err, n.ip(Core, "addr add "+gateway+" peer "+address+" dev "+far, "link set "+far+" up"))
}

// lengthOf returns what a line is like before its script begins: as long as then, and without limits. A line that became
// longer in mid-call would be another path, which is what A18 is about.
func lengthOf(script []link.Step) link.Params {
	if len(script) == 0 {
		return link.Params{}
	}
	return link.Params{Delay: script[0].Params.Delay}
}

// MoveHost gives the host another address in mid-call.
func (n *Net) MoveHost(address string) error {
	err := n.ip(Host, "addr flush dev "+hostDevice, "addr add "+address+" peer "+hostGateway+" dev "+hostDevice,
		"route add default via "+hostGateway)
	return errors.Join(err, n.ip(Core, "route add "+address+" dev "+coreDevice))
}

// bucketAt returns where the token bucket is: at the host's own interface, as a Wi-Fi or a VPN does it, where a full queue is
// felt by whoever sends, or at the router's modem, if there is one, which tells nobody.
func (n *Net) bucketAt() (space, device string) {
	if slices.Contains(n.spaces, Router) {
		return Router, modemDevice
	}
	return Host, hostDevice
}

// Bucket limits what leaves the host, or its router, by the system's token bucket. Queue is how long a packet may wait.
func (n *Net) Bucket(rate int, queue time.Duration) error {
	space, device := n.bucketAt()
	return n.Run(space, "tc", "qdisc", "replace", "dev", device, "root", "tbf",
		"rate", fmt.Sprintf("%dbit", rate), "burst", "10kb", "latency", fmt.Sprintf("%dms", queue.Milliseconds()))
}

// BucketCounts returns how many packets the token bucket has carried and dropped.
func (n *Net) BucketCounts() (carried, dropped int64, err error) {
	space, device := n.bucketAt()
	out, err := n.Command(space, "tc", "-s", "-j", "qdisc", "show", "dev", device).Output()
	if err != nil {
		return 0, 0, err
	}
	var queues []struct{ Packets, Drops int64 }
	if err := json.Unmarshal(out, &queues); err != nil || len(queues) == 0 {
		return 0, 0, errors.Join(errors.New("topology: no queue"), err)
	}
	return queues[0].Packets, queues[0].Drops, nil
}

// Name makes a name known in all namespaces that are there, for programs that start later.
func (n *Net) Name(name, address string) error {
	for _, s := range n.spaces {
		folder := n.etc(s)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		hosts := "127.0.0.1 localhost\n" + address + " " + name + " " + name + ".\n"
		if err := os.WriteFile(filepath.Join(folder, "hosts"), []byte(hosts), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// etc is the folder of what shows in /etc of a namespace (ip-netns(8)).
func (n *Net) etc(space string) string { return filepath.Join("/etc/netns", n.prefix+space) }

// Begin starts the scripts of all lines at once.
func (n *Net) Begin() {
	for _, l := range n.lines {
		l.Begin()
	}
}

// Begin starts the line's scripts.
func (l *Line) Begin() {
	if l.link != nil {
		l.link.Begin(l.up, l.down)
	}
}

// Command returns a command that runs a program in a namespace.
func (n *Net) Command(space string, program ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.prefix + space}, program...)...)
}

// Run runs a program in a namespace and waits.
func (n *Net) Run(space string, program ...string) error { return run(n.Command(space, program...)) }

// ip lets ip(8) do several things.
func (n *Net) ip(space string, lines ...string) error {
	command := exec.Command("ip", "-n", n.prefix+space, "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return run(command)
}

func run(c *exec.Cmd) error {
	if b, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("topology: %s: %w: %s", strings.Join(c.Args, " "), err, strings.TrimSpace(string(b)))
	}
	return nil
}

// Close removes everything. All processes in it must have ended.
func (n *Net) Close() (err error) {
	for _, l := range n.lines {
		if l.link != nil {
			var closeErr error
			l.Up, l.Down, closeErr = l.link.Close()
			err = errors.Join(err, closeErr)
		}
	}
	for _, s := range n.spaces {
		err = errors.Join(err, run(exec.Command("ip", "netns", "del", n.prefix+s)), os.RemoveAll(n.etc(s)))
	}
	n.lines, n.spaces = nil, nil
	return err
}
