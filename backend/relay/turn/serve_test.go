package turn

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/relay/freeport"
)

// serveVariable makes this test binary a server, whose processor time the
// benchmark reads.
const serveVariable = "PORCH_TURN_SERVE"

// serve runs a server at the address in serveVariable until its standard input
// ends.
func serve() int {
	s, err := Open(context.Background(), Options{
		Secret: testSecret, Realm: realm, Listen: os.Getenv(serveVariable), Public: []netip.Addr{loopback},
		AllowPeers: loopbacks, TURN: []string{"turn:" + realm}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the process that started this one
	if s.Close() != nil {
		return 1
	}
	return 0
}

// coturnConfig makes coturn serve the same clients.
const coturnConfig = `listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port=%d
min-port=41000
max-port=41999
fingerprint
lt-cred-mech
realm=%s
user=bench:bench
allow-loopback-peers
no-cli
no-tls
no-dtls
no-tcp
no-multicast-peers
no-software-attribute
log-file=%s
pidfile=%s
userdb=%s
relay-threads=%d
`

// bench is a server in a process of its own.
type bench struct {
	name           string
	at             string
	pid            int
	user, password string
}

func freePort(b *testing.B) int {
	b.Helper()
	ports, release, err := freeport.Take(1)
	must(b, err)
	b.Cleanup(release)
	return ports[0]
}

func startOurs(b *testing.B) bench {
	b.Helper()
	at := "127.0.0.1:" + strconv.Itoa(freePort(b))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"="+at)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(b, err)
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	b.Cleanup(func() {
		in.Close()
		must(b, cmd.Wait())
	})
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	must(b, err)
	k := newKeys(testSecret)
	u := k.issue("bench", time.Now().Add(time.Hour))
	return bench{"porch", at, cmd.Process.Pid, u.text, k.password(u.text)}
}

func startCoturn(b *testing.B) bench {
	b.Helper()
	program, err := exec.LookPath("turnserver")
	if err != nil {
		b.Skip("no coturn here: apt-get install coturn")
	}
	dir, port := b.TempDir(), freePort(b)
	config := filepath.Join(dir, "turnserver.conf")
	text := fmt.Sprintf(coturnConfig, port, realm, filepath.Join(dir, "log"), filepath.Join(dir, "pid"),
		filepath.Join(dir, "db"), runtime.NumCPU())
	must(b, os.WriteFile(config, []byte(text), 0o600))
	cmd := exec.Command(program, "-c", config)
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it can't be ended in another way
		_ = cmd.Wait()
	})
	return bench{"coturn", "127.0.0.1:" + strconv.Itoa(port), cmd.Process.Pid, "bench", "bench"}
}

// processorTime returns a process's time, user and system, in seconds. It sums
// the times of the threads, because /proc/PID/stat counts in hundredths of a
// second.
func processorTime(b *testing.B, pid int) float64 {
	b.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	must(b, err)
	sum := 0.0
	for _, t := range threads {
		stat, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(stat))[0], 64)
		must(b, err)
		sum += ns
	}
	return sum / 1e9
}

// pump is one allocation with a channel, between a client's bare socket and a
// peer.
type pump struct {
	client  *net.UDPConn
	peer    *net.UDPConn
	relayed net.Addr
	frame   []byte // ChannelData
}

// capture is a socket through which a pion client can ask. After the channel is
// bound, the client hears nothing more.
type capture struct {
	*net.UDPConn
	quiet   chan struct{}
	channel atomic.Uint32 // that the client bound
}

func (c *capture) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > 40 && binary.BigEndian.Uint16(b) == 0x0009 { // ChannelBind
		for i := stunHeader; i+8 <= len(b); {
			kind, n := binary.BigEndian.Uint16(b[i:]), int(binary.BigEndian.Uint16(b[i+2:]))
			if kind == 0x000c { // CHANNEL-NUMBER
				c.channel.Store(uint32(binary.BigEndian.Uint16(b[i+4:])))
			}
			i += 4 + (n+3)&^3
		}
	}
	return c.UDPConn.WriteTo(b, to)
}

func (c *capture) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.quiet:
		return 0, nil, net.ErrClosed
	default:
		return c.UDPConn.ReadFrom(b)
	}
}

func newPump(b *testing.B, s bench, size int) *pump {
	b.Helper()
	own, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(b, err)
	b.Cleanup(func() { own.Close() })
	c := &capture{UDPConn: own, quiet: make(chan struct{})}
	peer := newPeer(b).(*net.UDPConn)
	var relayed net.PacketConn
	eventually(b, s.name+" answers", func() bool {
		client, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: s.at, Conn: c, Username: s.user, Password: s.password, Realm: realm,
			RTO: 100 * time.Millisecond, LoggerFactory: pionlog.Silent{},
		})
		must(b, err)
		must(b, client.Listen())
		relayed, err = client.Allocate()
		return err == nil
	})
	b.Cleanup(func() { relayed.Close() })
	exchange(b, relayed, peer, "hello")
	eventually(b, "a channel", func() bool { return c.channel.Load() != 0 })
	exchange(b, relayed, peer, "again")
	close(c.quiet)
	must(b, own.SetReadDeadline(time.Now())) // wakes the client's reader, which ends
	p := &pump{client: own, peer: peer, relayed: relayed.LocalAddr(), frame: make([]byte, channelHeader+size)}
	putChannelHeader(p.frame, uint16(c.channel.Load()))
	return p
}

// run sends a burst every millisecond for the duration d, as far as the machine
// can, and returns how many packets were sent and how many arrived.
func (p *pump) run(b *testing.B, server net.Addr, up bool, perSecond int, d time.Duration) (sent, got int) {
	b.Helper()
	from, to, data, at := p.client, p.peer, p.frame, server
	if !up {
		from, to, data, at = p.peer, p.client, p.frame[channelHeader:], p.relayed
	}
	must(b, to.SetReadBuffer(4<<20))
	must(b, to.SetReadDeadline(time.Time{}))
	var arrived atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, maxDatagram)
		for {
			n, err := to.Read(buffer)
			if err != nil {
				return
			}
			if n >= len(data)-channelHeader {
				arrived.Add(1)
			}
		}
	}()
	address := at.(*net.UDPAddr).AddrPort()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); time.Since(start) < d; <-tick.C {
		for range perSecond / 1000 {
			_, err := from.WriteToUDPAddrPort(data, address)
			must(b, err)
			sent++
		}
	}
	time.Sleep(50 * time.Millisecond) // for packets that are still on their way
	must(b, to.SetReadDeadline(time.Now()))
	<-done
	return sent, int(arrived.Load())
}

// BenchmarkCoturn compares the processor time that a packet costs the server with
// that of coturn, in turns. "ratio" is how many packets we relay in a second of
// processor time for each of coturn's: median, least and most.
func BenchmarkCoturn(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("processor time is read from /proc")
	}
	const size, rounds, round = 1000, 5, 2 * time.Second
	ours, coturn := startOurs(b), startCoturn(b)
	for _, up := range []bool{true, false} {
		direction := map[bool]string{true: "from-client", false: "to-client"}[up]
		for _, perSecond := range []int{10_000, 40_000} {
			b.Run(fmt.Sprintf("%s/%d", direction, perSecond), func(b *testing.B) {
				pumps := map[string]*pump{"porch": newPump(b, ours, size), "coturn": newPump(b, coturn, size)}
				costs := map[string][]float64{}
				var ratios []float64
				least := 100.0
				for b.Loop() {
					for range rounds {
						for _, s := range []bench{ours, coturn} {
							at, err := net.ResolveUDPAddr("udp4", s.at)
							must(b, err)
							before := processorTime(b, s.pid)
							sent, n := pumps[s.name].run(b, at, up, perSecond, round)
							spent := processorTime(b, s.pid) - before
							if n < 500 {
								b.Fatalf("%s relayed only %d of %d", s.name, n, sent)
							}
							least = min(least, 100*float64(n)/float64(sent))
							costs[s.name] = append(costs[s.name], spent/float64(n)*1e6)
						}
						last := len(ratios)
						ratios = append(ratios, costs["coturn"][last]/costs["porch"][last])
					}
				}
				slices.Sort(ratios)
				for name, c := range costs {
					slices.Sort(c)
					b.ReportMetric(c[len(c)/2], name+"-us/packet")
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(least, "%arrived-least")
				b.ReportMetric(ratios[len(ratios)/2], "ratio")
				b.ReportMetric(ratios[0], "ratio-least")
				b.ReportMetric(ratios[len(ratios)-1], "ratio-most")
			})
		}
	}
}
