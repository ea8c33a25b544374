package call

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"
	"golang.org/x/sys/unix"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// The cost of forwarding, compared with a floor that does only what it must:
// read a packet, decrypt it once, and for each receiver encrypt it and send it.
// Guests run in their own process, so that only the forwarder's CPU time is
// counted.
//
//	go test -run '^$' -bench ForwardingCost -benchtime 1x ./backend/call

const (
	costChild   = "PORCH_CALL_COST_CHILD" // "guests" or "floor"
	costSeconds = 3
	costRate    = 100 // packets a second from each participant
	costSize    = 1100
)

func init() { childRole = costChildRole }

func costChildRole() {
	switch role := os.Getenv(costChild); role {
	case "":
	case "guests":
		costGuests(os.Args[len(os.Args)-2], os.Args[len(os.Args)-1])
		os.Exit(0)
	case "floor":
		costFloorGuests(os.Args[len(os.Args)-2], os.Args[len(os.Args)-1])
		os.Exit(0)
	}
}

func BenchmarkForwardingCost(b *testing.B) {
	for _, n := range []int{8, 16} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for range b.N {
				var call, floor, ratio []float64
				for range 3 { // interleaved, because the machine is shared
					c, f := costOfCall(b, n, n), costOfFloor(b, n, n)
					call, floor, ratio = append(call, c), append(floor, f), append(ratio, c/f)
				}
				b.ReportMetric(median(call), "µs/packet")
				b.ReportMetric(median(floor), "floor-µs/packet")
				b.ReportMetric(median(ratio), "ratio")
			}
		})
	}
}

// BenchmarkOneToMany is a call of one who sends and 30 who only look on.
func BenchmarkOneToMany(b *testing.B) {
	const n = 31
	for range b.N {
		var call, floor, ratio, memory []float64
		for range 3 {
			c := costOfCall(b, n, 1)
			memory = append(memory, resident(b)) // before the first floor
			f := costOfFloor(b, n, 1)
			call, floor, ratio = append(call, c), append(floor, f), append(ratio, c/f)
		}
		b.ReportMetric(median(call), "µs/packet")
		b.ReportMetric(median(floor), "floor-µs/packet")
		b.ReportMetric(median(ratio), "ratio")
		b.ReportMetric(memory[0], "MB")
	}
}

// resident returns the megabytes of memory that this process has held at most.
func resident(tb testing.TB) float64 {
	var u unix.Rusage
	must(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return float64(u.Maxrss) / 1024
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// cpu returns how long this process has been running on a processor.
func cpu(tb testing.TB) time.Duration {
	var u unix.Rusage
	must(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measureCost returns microseconds of CPU time for each packet counted.
func measureCost(tb testing.TB, forwarded func() uint64, want uint64) float64 {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for first := forwarded(); forwarded() < first+want/4; { // warms up
		if time.Now().After(deadline) {
			tb.Fatal("nothing is forwarded")
		}
		time.Sleep(10 * time.Millisecond)
	}
	packets, used := forwarded(), cpu(tb)
	time.Sleep(costSeconds * time.Second)
	return float64((cpu(tb) - used).Microseconds()) / float64(forwarded()-packets)
}

func costProcess(tb testing.TB, role string, args ...string) (stop func()) {
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^$", "--"}, args...)...)
	cmd.Env = append(os.Environ(), costChild+"="+role)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	in, err := cmd.StdinPipe()
	must(tb, err)
	must(tb, cmd.Start())
	return func() { // the child ends when its input ends
		must(tb, in.Close())
		must(tb, cmd.Wait())
	}
}

// costOfCall is of a call of n, of whom so many send.
func costOfCall(tb testing.TB, n, senders int) float64 {
	e, err := NewEngine(Options{})
	must(tb, err)
	defer e.Close()
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(tb, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	defer l.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { costServe(c, strconv.Itoa(i), i >= senders, conn) })
		}
	})
	defer wg.Wait()
	defer l.Close()
	stop := costProcess(tb, "guests", strconv.Itoa(n), l.Addr().String())
	defer stop()
	rate := uint64(costRate * senders * (n - 1))
	full := func() uint64 { return c.counters.Counts().ForwardedPackets }
	deadline := time.Now().Add(patience)
	for last := full(); ; { // until each receives all others
		time.Sleep(200 * time.Millisecond)
		now := full()
		if now-last > rate/5*9/10 {
			break
		}
		last = now
		if time.Now().After(deadline) {
			tb.Fatalf("%d packets in 200 ms, %+v", now-last, c.Stats())
		}
	}
	cost := measureCost(tb, full, rate)
	if s := c.Stats(); s.UnadmittedMedia != 0 {
		tb.Errorf("%+v", s)
	}
	return cost
}

// jsonOutbox writes messages to a connection.
type jsonOutbox struct{ w io.Writer }

func (o jsonOutbox) Send(m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	_, err = o.w.Write(append(b, '\n'))
	return err
}

func costServe(c *Call, id string, quiet bool, conn net.Conn) {
	defer conn.Close()
	p, err := c.Join(Profile{ID: id, Name: id, Muted: quiet, CameraOff: quiet}, jsonOutbox{conn})
	if err != nil {
		return
	}
	defer p.Leave("")
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, signalling.MaxFrame)
	for lines.Scan() {
		m, err := signalling.DecodeFromGuest(lines.Bytes(), signalling.MaxFrame)
		if err == nil {
			err = p.Handle(m)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// costGuests is the guests' process.
func costGuests(count, address string) {
	n, err := strconv.Atoi(count)
	exitOn(err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { costGuest(ctx, address) })
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	exitOn(err)
	cancel()
	wg.Wait()
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

func costGuest(ctx context.Context, address string) {
	conn, err := net.Dial("tcp", address)
	exitOn(err)
	defer conn.Close()
	context.AfterFunc(ctx, func() { conn.Close() })
	out := jsonOutbox{conn}

	var m webrtc.MediaEngine
	exitOn(m.RegisterDefaultCodecs())
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4}) // as the floor does
	s.BufferFactory = func(packetio.BufferPacketType, uint32) io.ReadWriteCloser {
		return path.NewTap(func([]byte) {})
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&m), webrtc.WithSettingEngine(s),
		webrtc.WithInterceptorRegistry(new(interceptor.Registry)))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	exitOn(err)
	defer pc.Close()
	video, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "v")
	exitOn(err)
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			i := c.ToJSON()
			_ = out.Send(signalling.Candidate{Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex})
		}
	})
	var connected sync.Once
	var quiet atomic.Bool
	pc.OnConnectionStateChange(func(st webrtc.PeerConnectionState) {
		if st == webrtc.PeerConnectionStateConnected {
			connected.Do(func() {
				if !quiet.Load() {
					go costSend(ctx, video)
				}
			})
		}
	})
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, signalling.MaxFrame)
	for lines.Scan() {
		m, err := signalling.DecodeFromHost(lines.Bytes(), signalling.MaxFrame)
		exitOn(err)
		switch m := m.(type) {
		case signalling.Roster:
			for _, p := range m.Participants {
				quiet.Store(quiet.Load() || p.ID == m.You && p.CameraOff)
			}
		case signalling.Candidate:
			if m.Candidate != "" {
				exitOn(pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: m.Candidate, SDPMid: m.SDPMid, SDPMLineIndex: m.SDPMLineIndex}))
			}
		case signalling.Offer:
			exitOn(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: m.SDP}))
			if m.Negotiation == 1 {
				_, err := pc.AddTrack(video)
				exitOn(err)
			}
			answer, err := pc.CreateAnswer(nil)
			exitOn(err)
			exitOn(pc.SetLocalDescription(answer))
			_ = out.Send(signalling.Answer{Negotiation: m.Negotiation, SDP: answer.SDP})
		}
	}
}

// costSend sends a keyframe every few seconds, and packets of costSize all the
// time.
func costSend(ctx context.Context, track *webrtc.TrackLocalStaticRTP) {
	v := mediatest.VideoSender{Size: costSize - 5}
	tick := time.NewTicker(time.Second / (costRate / 4))
	defer tick.Stop()
	for n := 0; ; n++ {
		for _, p := range v.Frame(n%50 == 0, 4) {
			if err := track.WriteRTP(p); errors.Is(err, io.ErrClosedPipe) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

var costKey, costSalt = make([]byte, 16), make([]byte, 12)

func costContext(err *error) *srtp.Context {
	c, e := srtp.CreateContext(costKey, costSalt, srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTPNoReplayProtection())
	*err = errors.Join(*err, e)
	return c
}

// costOfFloor forwards in the simplest way: a socket and a goroutine for each
// participant.
func costOfFloor(tb testing.TB, n, senders int) float64 {
	type participant struct {
		conn   *net.UDPConn
		remote atomic.Pointer[netip.AddrPort]
		out    map[int]*srtp.Context // by sender; each is used by one goroutine
	}
	var err error
	all := make([]*participant, n)
	ports := make([]int, n)
	for i := range all {
		conn, e := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		must(tb, e)
		all[i] = &participant{conn: conn, out: make(map[int]*srtp.Context)}
		for j := range n {
			all[i].out[j] = costContext(&err)
		}
		ports[i] = conn.LocalAddr().(*net.UDPAddr).Port
	}
	must(tb, err)
	var forwarded atomic.Uint64
	var wg sync.WaitGroup
	for i, from := range all {
		wg.Go(func() {
			in := costContext(&err)
			buffer, plain, sealed := make([]byte, 1500), make([]byte, 1500), make([]byte, 1500)
			var h rtp.Header
			for {
				k, addr, err := from.conn.ReadFromUDPAddrPort(buffer)
				if err != nil {
					return
				}
				if r := from.remote.Load(); r == nil || *r != addr {
					from.remote.Store(&addr)
				}
				packet, err := in.DecryptRTP(plain, buffer[:k], &h)
				if err != nil {
					continue
				}
				for j, to := range all {
					remote := to.remote.Load()
					if j == i || remote == nil {
						continue
					}
					b, err := to.out[i].EncryptRTP(sealed, packet, &h)
					if err != nil {
						continue
					}
					if _, err := to.conn.WriteToUDPAddrPort(b, *remote); err == nil {
						forwarded.Add(1)
					}
				}
			}
		})
	}
	spec, e := json.Marshal(ports)
	must(tb, e)
	stop := costProcess(tb, "floor", strconv.Itoa(senders), string(spec))
	cost := measureCost(tb, forwarded.Load, uint64(costRate*senders*(n-1)))
	stop()
	for _, p := range all {
		must(tb, p.conn.Close())
	}
	wg.Wait()
	return cost
}

// costFloorGuests is the process that sends to the floor, and reads what comes
// back.
func costFloorGuests(count, spec string) {
	var ports []int
	senders, err := strconv.Atoi(count)
	exitOn(err)
	exitOn(json.Unmarshal([]byte(spec), &ports))
	var wg sync.WaitGroup
	var conns []*net.UDPConn
	done := make(chan struct{})
	for i, port := range ports {
		conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		exitOn(err)
		conns = append(conns, conn)
		_, err = conn.Write([]byte{0}) // tells where it is
		exitOn(err)
		wg.Go(func() { // reads what it gets, as a peer does
			in := costContext(&err)
			b, plain := make([]byte, 1500), make([]byte, 1500)
			var h rtp.Header
			for {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				_, _ = in.DecryptRTP(plain, b[:n], &h)
			}
		})
		if i >= senders {
			continue
		}
		wg.Go(func() {
			var err error
			out := costContext(&err)
			exitOn(err)
			v := mediatest.VideoSender{SSRC: uint32(i), Size: costSize - 5}
			sealed := make([]byte, 1500)
			tick := time.NewTicker(time.Second / (costRate / 4))
			defer tick.Stop()
			for {
				for _, p := range v.Frame(false, 4) {
					b, err := p.Marshal()
					exitOn(err)
					b, err = out.EncryptRTP(sealed, b, nil)
					exitOn(err)
					_, _ = conn.Write(b) // the other side may not read yet
				}
				select {
				case <-tick.C:
				case <-done:
					return
				}
			}
		})
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	exitOn(err)
	close(done)
	for _, c := range conns {
		exitOn(c.Close())
	}
	wg.Wait()
}
