package call

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// A laboratory in network namespaces, which needs root:
//
//	host 10.77.1.2 ── NAT A 198.51.100.2 ── 198.51.100.1 public 203.0.113.1 ── 203.0.113.2 NAT B ── 10.77.2.2 guest
//
// Host, guest and the STUN and TURN server are processes of this test. The
// messages that a relay would pass on go over a socket in the file system.

const (
	labChild  = "PORCH_CALL_LAB_CHILD" // "server", "host" or "guest"
	labServer = "198.51.100.1"
	labSecret = "password"
	labSTUN   = "stun:" + labServer + ":3478"
	labWithin = 20 * time.Second
)

func init() {
	others := childRole
	childRole = func() {
		others()
		labRole()
	}
}

// labSpec is what a child is told to do.
type labSpec struct {
	Socket string
	STUN   []string
	TURN   []string
	Only   bool // relay only
}

// labEvent is a line that a child writes.
type labEvent struct {
	Stalls  uint32 `json:",omitempty"` // of a full line
	Event   string
	Packets int64         // count: packets that have arrived
	At      time.Duration // since the guest dialled
	Gap     time.Duration // the longest gap between two packets, of the gaps that ended since the last event
	Remote  string        // selected: type of the host's candidate
	Address string        // its address
	Port    uint16        // and port

	Call                   Stats // of the host, on a narrow line
	Sound, SoundLost       int64 // packets that were due at the guests there
	Pictures, PicturesLost int64
}

func labRole() {
	role := os.Getenv(labChild)
	if role == "" {
		return
	}
	var spec labSpec
	exitOn(json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &spec))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch role {
	case "server":
		labServe(ctx)
	case "host":
		labHost(ctx, spec)
	case "guest":
		labGuest(ctx, spec)
	case "storm-host":
		stormHost(ctx, spec)
	case "storm-guests":
		stormCrowd(ctx, spec)
	case "full":
		fullHost(ctx)
	}
	os.Exit(0)
}

func labSay(e labEvent) {
	b, err := json.Marshal(e)
	exitOn(err)
	_, err = os.Stdout.Write(append(b, '\n'))
	exitOn(err)
}

// labServe is the STUN and TURN server.
func labServe(ctx context.Context) {
	udp, err := net.ListenPacket("udp4", labServer+":3478")
	exitOn(err)
	tcp, err := net.Listen("tcp4", labServer+":3478")
	exitOn(err)
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(labServer), Address: labServer}
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: "porch",
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, "porch", labSecret), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relay}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: tcp, RelayAddressGenerator: relay}},
	})
	exitOn(err)
	labSay(labEvent{Event: "ready"})
	<-ctx.Done()
	_ = s.Close()
}

// labSource ignores what it receives.
type labSource struct{}

func (labSource) ReceiveRTP(string, signalling.Kind, *rtp.Packet, time.Duration) {}
func (labSource) LossAssumed(float64)                                            {}
func (labSource) PictureTaken(bool, bool)                                        {}
func (labSource) PictureLimited(int, int)                                        {}
func (labSource) ScreenLimited(bool, int)                                        {}
func (labSource) KeyframeWanted(signalling.Kind)                                 {}

// labHost is the engine, in a call with one participant who sends.
func labHost(ctx context.Context, spec labSpec) {
	e, err := NewEngine(Options{})
	exitOn(err)
	reach := ICEConfig{STUN: spec.STUN, RelayOnly: spec.Only}
	if len(spec.TURN) > 0 {
		reach.Servers = func(context.Context) ([]signalling.ICEServer, error) {
			return []signalling.ICEServer{{URLs: spec.TURN, Username: "host", Credential: labSecret}}, nil
		}
	}
	c, err := e.NewCall(Hooks{}, reach)
	exitOn(err)
	l, err := c.JoinLocal(Profile{ID: "host", Name: "Host"}, labSource{}, newOutbox())
	exitOn(err)
	go func() {
		v := mediatest.VideoSender{SSRC: 5}
		for range time.Tick(20 * time.Millisecond) {
			for _, p := range v.Frame(true, 1) {
				if l.WriteRTP(signalling.KindVideo, p) != nil {
					return
				}
			}
		}
	}()
	listener, err := net.Listen("unix", spec.Socket)
	exitOn(err)
	labSay(labEvent{Event: "ready"})
	go func() {
		conn, err := listener.Accept()
		exitOn(err)
		costServe(c, "guest", false, conn)
	}()
	<-ctx.Done()
	_ = e.Close()
}

// labGuest is a guest that does all in Pion's own way.
func labGuest(ctx context.Context, spec labSpec) {
	var arrivals labArrivals
	begin := time.Now()
	conn, err := net.Dial("unix", spec.Socket)
	exitOn(err)
	out := jsonOutbox{conn}
	var servers []webrtc.ICEServer
	if len(spec.STUN) > 0 {
		servers = append(servers, webrtc.ICEServer{URLs: spec.STUN})
	}
	if len(spec.TURN) > 0 {
		servers = append(servers, webrtc.ICEServer{URLs: spec.TURN, Username: "guest", Credential: labSecret})
	}
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{ICEServers: servers})
	exitOn(err)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			arrivals.add(time.Now())
		}
	})
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			i := c.ToJSON()
			_ = out.Send(signalling.Candidate{Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex})
		}
	})
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			e := labEvent{Event: "count", At: time.Since(begin)}
			e.Packets, e.Gap = arrivals.take()
			if all := pc.GetTransceivers(); len(all) > 0 && e.Packets > 0 {
				if pair, err := all[0].Receiver().Transport().ICETransport().GetSelectedCandidatePair(); err == nil && pair != nil {
					e.Remote, e.Address, e.Port = pair.Remote.Typ.String(), pair.Remote.Address, pair.Remote.Port
				}
			}
			labSay(e)
		}
	}()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, signalling.MaxFrame)
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	for lines.Scan() {
		m, err := signalling.DecodeFromHost(lines.Bytes(), signalling.MaxFrame)
		exitOn(err)
		switch m := m.(type) {
		case signalling.Candidate:
			if m.Candidate != "" {
				_ = pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: m.Candidate, SDPMid: m.SDPMid, SDPMLineIndex: m.SDPMLineIndex})
			}
		case signalling.Offer:
			exitOn(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: m.SDP}))
			answer, err := pc.CreateAnswer(nil)
			exitOn(err)
			exitOn(pc.SetLocalDescription(answer))
			_ = out.Send(signalling.Answer{Negotiation: m.Negotiation, SDP: answer.SDP})
		}
	}
	_ = pc.Close()
}

// labArrivals counts packets and the time between them.
type labArrivals struct {
	mu      sync.Mutex
	packets int64
	last    time.Time
	gap     time.Duration
}

func (a *labArrivals) add(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.packets++; a.packets > 1 {
		a.gap = max(a.gap, now.Sub(a.last))
	}
	a.last = now
}

// take returns how many packets have arrived since it was last called, and the
// longest time between two of them.
func (a *labArrivals) take() (packets int64, gap time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	gap, a.gap = a.gap, 0
	return a.packets, gap
}

// lab is the network.
type lab struct {
	t      *testing.T
	prefix string
	spaces []string
}

// newLab makes the namespaces, or skips the test and says why.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getenv("PORCH_LAB") == "" {
		t.Skip("the laboratory takes minutes: make lab")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "iptables", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the laboratory needs ", tool)
		}
	}
	l := &lab{t: t, prefix: fmt.Sprintf("ice%d-", os.Getpid())}
	t.Cleanup(l.remove)
	for _, s := range []string{"pub", "nata", "natb", "host", "guest"} {
		if b, err := exec.Command("ip", "netns", "add", l.prefix+s).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here: %s", b)
		}
		l.spaces = append(l.spaces, s)
		l.in(s, "ip link set lo up")
	}
	l.wire("pub", "a0", labServer+"/24", "nata", "out", "198.51.100.2/24")
	l.wire("pub", "b0", "203.0.113.1/24", "natb", "out", "203.0.113.2/24")
	l.wire("nata", "in", "10.77.1.1/24", "host", "eth0", "10.77.1.2/24")
	l.wire("natb", "in", "10.77.2.1/24", "guest", "eth0", "10.77.2.2/24")
	l.in("nata", "ip route add default via 198.51.100.1")
	l.in("natb", "ip route add default via 203.0.113.1")
	l.in("host", "ip route add default via 10.77.1.1")
	l.in("guest", "ip route add default via 10.77.2.1")
	for _, s := range []string{"pub", "nata", "natb"} {
		l.in(s, "sysctl -qw net.ipv4.ip_forward=1")
	}
	if b, err := l.command("nata", "iptables -t nat -L -n").CombinedOutput(); err != nil {
		t.Skipf("no NAT here: %s", b)
	}
	return l
}

func (l *lab) remove() {
	for _, s := range l.spaces {
		if b, err := exec.Command("ip", "netns", "del", l.prefix+s).CombinedOutput(); err != nil {
			l.t.Errorf("%v: %s", err, b)
		}
	}
}

func (l *lab) command(space, line string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", l.prefix + space}, strings.Fields(line)...)...)
}

func (l *lab) in(space, line string) {
	l.t.Helper()
	if b, err := l.command(space, line).CombinedOutput(); err != nil {
		l.t.Fatalf("%s in %s: %v: %s", line, space, err, b)
	}
}

// ip makes ip(8) do several things with little time between them.
func (l *lab) ip(space string, lines ...string) {
	l.t.Helper()
	command := exec.Command("ip", "-n", l.prefix+space, "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if b, err := command.CombinedOutput(); err != nil {
		l.t.Fatalf("%v in %s: %v: %s", lines, space, err, b)
	}
}

func (l *lab) wire(a, nameA, addressA, b, nameB, addressB string) {
	l.t.Helper()
	out, err := exec.Command("ip", "link", "add", nameA, "netns", l.prefix+a, "type", "veth",
		"peer", "name", nameB, "netns", l.prefix+b).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	for _, end := range [][3]string{{a, nameA, addressA}, {b, nameB, addressB}} {
		l.in(end[0], "ip addr add "+end[2]+" dev "+end[1])
		l.in(end[0], "ip link set "+end[1]+" up")
	}
}

// nat makes a NAT: port-restricted cone, or symmetric.
func (l *lab) nat(space string, symmetric bool) {
	l.t.Helper()
	l.in(space, "iptables -t nat -F")
	l.in(space, "iptables -F")
	rule := "iptables -t nat -A POSTROUTING -o out -j MASQUERADE"
	if symmetric {
		rule += " --random-fully"
	}
	l.in(space, rule)
	l.in(space, "iptables -A INPUT -i out -j DROP") // as home routers do; otherwise packets from outside spoil mappings
}

// child is a process in a namespace.
type child struct {
	events chan labEvent
	stop   func()
}

func (l *lab) child(t *testing.T, space, role string, spec labSpec) *child {
	t.Helper()
	b, err := json.Marshal(spec)
	must(t, err)
	cmd := exec.Command("ip", "netns", "exec", l.prefix+space, os.Args[0], "-test.run=^$", "--", string(b))
	cmd.Env = append(os.Environ(), labChild+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	c := &child{events: make(chan labEvent, 1024)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e labEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				select {
				case c.events <- e:
				default: // the test does not read
				}
			}
		}
	}()
	c.stop = sync.OnceFunc(func() {
		_ = in.Close() // the child ends when its input ends
		<-read
		_ = cmd.Wait()
	})
	t.Cleanup(c.stop)
	return c
}

// until returns the first event for which ok is true, or false if there is none
// within that time.
func (c *child) until(within time.Duration, ok func(labEvent) bool) (labEvent, bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case e := <-c.events:
			if ok(e) {
				return e, true
			}
		case <-timer.C:
			return labEvent{}, false
		}
	}
}

func (c *child) ready(t *testing.T) {
	t.Helper()
	if _, ok := c.until(patience, func(e labEvent) bool { return e.Event == "ready" }); !ok {
		t.Fatal("a child did not start")
	}
}

// call starts host and guest, and returns the guest.
func (l *lab) call(t *testing.T, host, guest labSpec) *child {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	host.Socket, guest.Socket = socket, socket
	l.child(t, "host", "host", host).ready(t)
	return l.child(t, "guest", "guest", guest)
}

func flowing(e labEvent) bool { return e.Packets > 20 }

func TestLaboratory(t *testing.T) {
	l := newLab(t)
	l.child(t, "pub", "server", labSpec{}).ready(t)
	stun := labSpec{STUN: []string{labSTUN}}
	udp := []string{"turn:" + labServer + ":3478?transport=udp"}
	tcp := []string{"turn:" + labServer + ":3478?transport=tcp"}
	type variant struct {
		name        string
		a, b        bool // symmetric
		host, guest labSpec
		blocked     bool // host: no UDP
		connects    bool
		relayed     bool // at the server
	}
	for _, v := range []variant{
		{"cone to cone", false, false, stun, stun, false, true, false},
		{"cone to symmetric without TURN", false, true, stun, stun, false, false, false},
		{"symmetric to symmetric without TURN", true, true, stun, stun, false, false, false},
		{"symmetric to symmetric with TURN", true, true, stun, labSpec{STUN: stun.STUN, TURN: udp}, false, true, false},
		{"UDP blocked at the host", false, false, labSpec{STUN: stun.STUN, TURN: append(udp, tcp...)}, stun, true, true, true},
		{"relay only", false, false, labSpec{STUN: stun.STUN, TURN: udp, Only: true}, stun, false, true, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			l.nat("nata", v.a)
			l.nat("natb", v.b)
			if v.blocked {
				l.in("nata", "iptables -A FORWARD -p udp -j DROP")
			}
			guest := l.call(t, v.host, v.guest)
			within := labWithin
			if !v.connects {
				within = 5 * time.Second
			}
			e, ok := guest.until(within, flowing)
			if ok != v.connects {
				t.Fatalf("connected: %v", ok)
			}
			if !ok {
				return
			}
			t.Logf("20 packets after %v; the host is at %s (%s)", e.At.Round(time.Millisecond), e.Address, e.Remote)
			if relayed := e.Address == labServer; relayed != v.relayed {
				t.Errorf("the host is at %s", e.Address)
			}
		})
	}
}

// TestLaboratoryMoves gives the host another address in mid-call, behind the same
// NAT, which gets another one, too. Then the network lets no UDP through.
func TestLaboratoryMoves(t *testing.T) {
	l := newLab(t)
	l.child(t, "pub", "server", labSpec{}).ready(t)
	l.nat("nata", false)
	l.nat("natb", false)
	stun := labSpec{STUN: []string{labSTUN}}
	guest := l.call(t, labSpec{STUN: stun.STUN, TURN: []string{"turn:" + labServer + ":3478?transport=tcp"}}, stun)
	before, ok := guest.until(labWithin, flowing)
	if !ok {
		t.Fatal("not connected")
	}
	gap, e := guest.after(t, func() {
		l.ip("host", "addr del 10.77.1.2/24 dev eth0", "addr add 10.77.1.3/24 dev eth0", "route add default via 10.77.1.1")
	}, func(e labEvent) bool { return e.Address != labServer && e.Port != before.Port })
	t.Logf("another address: media is away for %v; the host is at %s (%s)", gap, e.Address, e.Remote)
	if gap > 10*time.Second {
		t.Error("too long")
	}
	gap, e = guest.after(t, func() {
		l.in("nata", "iptables -A FORWARD -p udp -j DROP")
	}, func(e labEvent) bool { return e.Address == labServer })
	t.Logf("no UDP: media is away for %v; the host is at %s (%s)", gap, e.Address, e.Remote)
	if gap > 15*time.Second {
		t.Error("too long")
	}
}

// after makes a change and waits until media arrives on a path for which settled
// is true. It returns the longest time without media.
func (c *child) after(t *testing.T, change func(), settled func(labEvent) bool) (gap time.Duration, e labEvent) {
	t.Helper()
	for len(c.events) > 0 { // events from before the change
		<-c.events
	}
	change()
	since := int64(-1)
	e, ok := c.until(patience, func(e labEvent) bool {
		gap = max(gap, e.Gap)
		switch {
		case !settled(e):
			since = -1
		case since < 0:
			since = e.Packets
		}
		return since >= 0 && e.Packets > since+20
	})
	if !ok {
		t.Fatalf("media does not come back; the host is at %s (%s)", e.Address, e.Remote)
	}
	return gap.Round(time.Millisecond), e
}
